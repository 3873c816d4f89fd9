"""A server of its own for each test, among people who are made once: making people is what takes long.

Who is who, in every test:

    owner     made the server
    able      a member who gets exactly the rights that a story names
    unable    a member who gets every other right of the thirteen fine-grained roles
    member    a member who has no role, and to whom things are done
    stranger  is no member

A new server's @everyone grants nothing here, so that whatever is allowed is allowed by a role.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Self

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.newcomer import Account, Newcomer
from tests.support.roles import NOTHING, all_rights_but

NAMES: Final = ("owner", "able", "unable", "member", "stranger")
# Of the right form, from the future, and nobody's.
NOBODYS_ID: Final = str(7 << 60)

_ID: Final = re.compile(r"\d{17,19}")

Accounts = Mapping[str, Account]


async def make_accounts(beep: BeepProcess) -> Accounts:
    """The people of all worlds, by their names in `NAMES`."""
    accounts = {}
    for name in NAMES:
        async with Newcomer.at(beep.url, name) as newcomer:
            accounts[name] = await newcomer.become_user()
    return accounts


@dataclass
class World:
    beep: BeepProcess
    stack: AsyncExitStack
    server_id: str
    channel_id: str
    owner: Api
    able: Api
    unable: Api
    member: Api
    stranger: Api
    _markers: Iterator[int] = field(default_factory=count, init=False)

    @classmethod
    async def make(cls, beep: BeepProcess, accounts: Accounts, stack: AsyncExitStack) -> Self:
        people = {name: Api(beep.url, account.token, user_id=account.user_id) for name, account in accounts.items()}
        for person in people.values():
            await stack.enter_async_context(person)
        server = await people["owner"].ok("POST", "/guilds", {"name": "World"})
        world = cls(beep, stack, server["id"], server["system_channel_id"], **people)
        stack.push_async_callback(world._delete)
        await world.everyone(NOTHING)
        invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
        for person in (world.able, world.unable, world.member):
            await person.ok("POST", f"/invites/{invite['code']}", {})
        return world

    async def _delete(self) -> None:
        # So that the next world's gateway sessions do not see this one.
        await self.owner.call("DELETE", self.path)

    @property
    def path(self) -> str:
        return f"/guilds/{self.server_id}"

    @property
    def channel_path(self) -> str:
        """The path of the server's first channel."""
        return f"/channels/{self.channel_id}"

    async def everyone(self, permissions: Permission) -> None:
        """Let every member do this."""
        await self.owner.ok("PATCH", f"{self.path}/roles/{self.server_id}", {"permissions": str(int(permissions))})

    async def cast(self, role: Permission, *, unable_lacks: Permission | None = None) -> tuple[Api, Api, Api]:
        """`able` gets just this role; `unable` every right of the thirteen roles but it, or but `unable_lacks`, which
        names the bits that decide when other roles have some of the role's bits too; `stranger` stays one.

        Both roles stand above all that the test makes after them, so that a refusal is never one of rank.
        """
        await self.role("just this", role, self.able)
        await self.role("all but this", all_rights_but(role if unable_lacks is None else unable_lacks), self.unable)
        return self.able, self.unable, self.stranger

    async def role(self, name: str, permissions: Permission, *holders: Api) -> str:
        """The id of a new role, below all others, with these holders."""
        return await self.owner.make_role(self.server_id, name, permissions, *holders)

    async def channel(self, name: str, **fields: Any) -> str:
        """The id of a new text channel."""
        return await self.owner.make_channel(self.server_id, name, **fields)

    async def connect(self, who: Api, **options: Any) -> GatewayClient:
        """An identified gateway session that has its GUILD_CREATEs; closed when the test ends."""
        return await self.stack.enter_async_context(GatewayClient(self.beep.gateway, who.token, **options))

    async def caught_up(self, *sessions: GatewayClient) -> None:
        """Waits until these members have got all that was done before.

        What has not come by then was not sent: the events of a server come in the order of its changes, and this waits
        for one more change, which every member is told of.
        """
        name = f"marker {next(self._markers)}"
        await self.owner.make_role(self.server_id, name, NOTHING)
        for session in sessions:
            await session.wait_for(
                "GUILD_ROLE_CREATE", lambda d: d["guild_id"] == self.server_id and d["role"]["name"] == name
            )

    async def assert_untold(self, session: GatewayClient) -> None:
        """This stranger has heard nothing of the server. Call it once the members have: `caught_up`."""
        await session.heartbeat()
        assert self.server_id not in json.dumps(session.dispatches)


async def assert_hidden(who: Api, method: str, path: str, body: Any = None, **options: Any) -> None:
    """To `who` it looks as if nothing that the path names existed."""
    there = await who.call(method, path, body, **options)
    nowhere = await who.call(method, _ID.sub(NOBODYS_ID, path), body, **options)
    assert nowhere.status_code == 404, nowhere.text
    assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json()), f"{method} {path}"
