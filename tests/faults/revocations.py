"""The ways to take somebody's right to act, and the servers and channels in which they do."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.circle import Circle, relationship_with
from tests.support.gateway_client import GatewayClient
from tests.support.moderated_beep import Moderators, Order
from tests.support.roles import NOTHING
from tests.support.world import Accounts, World

TALK: Final = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY | P.SEND_MESSAGES | P.ADD_REACTIONS
DENY_VIEW: Final = {"allow": "0", "deny": str(int(P.VIEW_CHANNEL))}
TO_ROLE: Final = {"type": 0}
TO_MEMBER: Final = {"type": 1}
COMPRESSED: Final = ("", "zlib-stream", "zstd-stream")
"""The sessions that listen: one of each."""

Step = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    return


@dataclass(frozen=True)
class Place:
    """Where the victim acts, and those who go on talking there.

    Attributes:
        listening: sessions of who must not hear it. The first loses its connection before, and resumes after.
        witness: may hear all of it, all the time.
    """

    channel_id: str
    victim: Api
    others: Sequence[Api]
    listening: Sequence[GatewayClient]
    witness: GatewayClient


@dataclass(frozen=True)
class Way:
    """To take the right to act.

    Attributes:
        prepare: lets the right come from what is about to be taken away, and from nothing else.
        restore: lets it be as before `prepare`.
        hides: the victim may not even look any more.
        silences: nor may the others speak.
    """

    name: str
    revoke: Step
    restore: Step
    prepare: Step = _nothing
    hides: bool = True
    silences: bool = False


class Revocations:
    """A server with a category and a channel, one more that belongs to the victim, a direct message and a group."""

    def __init__(self, world: World, circle: Circle, moderators: Moderators, category_id: str, role_id: str) -> None:
        self._world = world
        self._circle = circle
        self._moderators = moderators
        self._category = category_id
        self._role = role_id
        self._estate = ""
        self._hidden = ""
        self._victim, self._owner = world.able, world.owner
        self.ways: list[tuple[Place, Way]] = []
        self.sessions: list[GatewayClient] = []

    @classmethod
    async def make(cls, beep: BeepProcess, accounts: Accounts, stack: AsyncExitStack) -> Self:
        """`able` of the world is the victim; `unable` and `member` go on talking."""
        world = await World.make(beep, accounts, stack)
        circle = await Circle.make(beep, accounts, stack)
        server = world.path
        category = await world.owner.ok("POST", f"{server}/channels", {"name": "category", "type": 4})
        await world.owner.ok(
            "PATCH",
            f"{server}/channels",
            [{"id": world.channel_id, "parent_id": category["id"], "lock_permissions": True}],
        )
        await world.role("talks on", P.ADMINISTRATOR, world.unable, world.member)
        role = await world.role("talker", TALK, world.able)
        revocations = cls(world, circle, Moderators(beep.data), category["id"], role)
        await revocations._furnish()
        return revocations

    async def _furnish(self) -> None:
        world, victim, owner = self._world, self._victim, self._owner
        hidden = [DENY_VIEW | TO_ROLE | {"id": world.server_id}]
        made = {"name": "hidden", "type": 4, "permission_overwrites": hidden}
        self._hidden = (await owner.ok("POST", f"{world.path}/channels", made))["id"]

        estate = await victim.ok("POST", "/guilds", {"name": "Estate"})
        self._estate = estate["id"]
        nothing = {"permissions": str(int(NOTHING))}
        await victim.ok("PATCH", f"/guilds/{self._estate}/roles/{self._estate}", nothing)
        ground = f"/channels/{estate['system_channel_id']}"
        invite = await victim.ok("POST", f"{ground}/invites", {})
        heirs = (owner, world.member)
        for other in heirs:
            await other.ok("POST", f"/invites/{invite['code']}", {})
        await victim.make_role(self._estate, "talks on", P.ADMINISTRATOR, *heirs)

        circle = self._circle
        ada, victim_there, cy = circle.ada, circle.bob, circle.cy
        direct = (await circle.direct(ada, victim_there))["id"]
        group = (await circle.group(ada, victim_there, cy))["id"]

        listening = [await world.connect(victim, compress=compress) for compress in COMPRESSED]
        at_ada = [await circle.connect(ada) for _ in range(2)]
        witness = await circle.connect(ada)
        self.sessions = [*listening, *at_ada, witness]
        talkers = (world.unable, world.member)
        place = Place(world.channel_id, victim, talkers, listening, witness)
        at_estate = Place(estate["system_channel_id"], victim, heirs, listening, witness)
        # The one who blocks is the one who must hear nothing: nobody else is there to talk.
        at_direct = Place(direct, victim, (), at_ada, witness)
        at_group = Place(group, victim, (ada, cy), listening, witness)
        self.ways = [
            *((place, way) for way in (*self._of_roles(), *self._of_overwrites(), *self._of_members())),
            *((place, way) for way in self._of_moderators()),
            (at_estate, self._handing_over()),
            (at_direct, self._block(ada)),
            *((at_group, way) for way in self._of_groups(group)),
        ]

    # The ways.

    def _of_roles(self) -> list[Way]:
        ok, server, victim = self._owner.ok, self._world.path, self._victim

        def seat() -> str:
            return f"{server}/members/{victim.user_id}/roles/{self._role}"

        def role(permissions: P) -> Step:
            body = {"permissions": str(int(permissions))}
            return lambda: ok("PATCH", f"{server}/roles/{self._role}", body)

        def everyone(permissions: P) -> Step:
            return lambda: self._world.everyone(permissions)

        async def granted_to_everyone() -> None:
            await self._world.everyone(TALK)
            await ok("DELETE", seat())

        async def another_role() -> None:
            self._role = await self._world.role("talker", TALK, victim)

        return [
            Way("role removed", lambda: ok("DELETE", seat()), lambda: ok("PUT", seat())),
            Way("role edited", role(NOTHING), role(TALK)),
            Way("role deleted", lambda: ok("DELETE", f"{server}/roles/{self._role}"), another_role),
            Way("@everyone edited", everyone(NOTHING), lambda: ok("PUT", seat()), granted_to_everyone),
        ]

    def _of_overwrites(self) -> list[Way]:
        ok, world, victim = self._owner.ok, self._world, self._victim

        def put(channel_id: str, target: Callable[[], str], body: Any) -> Step:
            return lambda: ok("PUT", f"/channels/{channel_id}/permissions/{target()}", body)

        def drop(channel_id: str, target: Callable[[], str]) -> Step:
            return lambda: ok("DELETE", f"/channels/{channel_id}/permissions/{target()}")

        def move(category_id: str) -> Step:
            moved = [{"id": channel, "parent_id": category_id, "lock_permissions": True}]
            return lambda: ok("PATCH", f"{world.path}/channels", moved)

        def seat() -> str:
            return f"{world.path}/members/{victim.user_id}/roles/{self._role}"

        def role() -> str:
            return self._role

        def everyone() -> str:
            return world.server_id

        def own() -> str:
            return victim.user_id

        async def allowed_personally() -> None:
            await put(channel, own, TO_MEMBER | {"allow": str(int(TALK)), "deny": "0"})()
            await ok("DELETE", seat())

        channel, category = world.channel_id, self._category
        return [
            Way("role overwrite", put(channel, role, DENY_VIEW | TO_ROLE), drop(channel, role)),
            Way("own overwrite", put(channel, own, DENY_VIEW | TO_MEMBER), drop(channel, own)),
            Way("own overwrite removed", drop(channel, own), lambda: ok("PUT", seat()), allowed_personally),
            Way("channel hidden", put(channel, everyone, DENY_VIEW | TO_ROLE), drop(channel, everyone)),
            Way("category hidden", put(category, everyone, DENY_VIEW | TO_ROLE), drop(category, everyone)),
            Way("moved into a hidden category", move(self._hidden), move(category)),
        ]

    def _of_members(self) -> list[Way]:
        ok, server, victim = self._owner.ok, self._world.path, self._victim
        seat, ban = f"{server}/members/{victim.user_id}", f"{server}/bans/{victim.user_id}"

        def mute(until: datetime | None) -> Step:
            body = {"communication_disabled_until": until.isoformat() if until else None}
            return lambda: ok("PATCH", seat, body)

        async def unban() -> None:
            await ok("DELETE", ban)
            await self._come_back()

        for_long = datetime.now(UTC) + timedelta(days=1)
        return [
            Way("kick", lambda: ok("DELETE", seat), self._come_back),
            Way("ban", lambda: ok("PUT", ban), unban),
            Way("mute", mute(for_long), mute(None), hides=False),
        ]

    async def _come_back(self) -> None:
        world, victim = self._world, self._victim
        invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {"max_age": 600, "unique": True})
        await victim.ok("POST", f"/invites/{invite['code']}", {})
        await world.owner.ok("PUT", f"{world.path}/members/{victim.user_id}/roles/{self._role}")

    def _of_moderators(self) -> list[Way]:
        order, server_id, user_id = self._moderators.order, int(self._world.server_id), int(self._victim.user_id)

        def freeze(restrained: bool) -> Step:
            return lambda: order(Order(restrained, (server_id,)))

        def suspend(restrained: bool) -> Step:
            return lambda: order(Order(restrained, (server_id, int(self._estate)), user_id))

        return [
            Way("freeze", freeze(True), freeze(False), silences=True),
            Way("suspension", suspend(True), suspend(False)),
        ]

    def _handing_over(self) -> Way:
        estate, victim, heir = f"/guilds/{self._estate}", self._victim, self._owner
        return Way(
            "ownership handed over",
            lambda: victim.ok("PATCH", estate, {"owner_id": heir.user_id}),
            lambda: heir.ok("PATCH", estate, {"owner_id": victim.user_id}),
        )

    def _block(self, blocker: Api) -> Way:
        path = relationship_with(self._victim)
        return Way(
            "block",
            lambda: blocker.ok("PUT", path, {"type": 2}),
            lambda: blocker.ok("DELETE", path),
            hides=False,
        )

    def _of_groups(self, group: str) -> list[Way]:
        ada, victim = self._circle.ada, self._victim
        seat = f"/channels/{group}/recipients/{victim.user_id}"

        async def again() -> None:
            # A block has ended the friendship that it takes.
            if self._circle.ada.user_id not in await self._circle.relationships(victim):
                await self._circle.befriend(ada, victim)
            await ada.ok("PUT", seat)

        return [
            Way("sent out of a group", lambda: ada.ok("DELETE", seat), again),
            Way("left a group", lambda: victim.ok("DELETE", f"/channels/{group}"), again),
        ]
