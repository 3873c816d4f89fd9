"""The world that `beep demo` makes, with its people as clients."""

from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient


@dataclass
class Demo:
    """`owner` owns the server, `sender` may only view and send, `guest` has no role, `bot` is an administrator."""

    beep: BeepProcess
    made: dict[str, Any]
    stack: AsyncExitStack
    owner: Api
    sender: Api
    guest: Api
    bot: Api

    @classmethod
    async def make(cls, beep: BeepProcess, stack: AsyncExitStack) -> Self:
        return await cls.of(beep, beep.demo(), stack)

    @classmethod
    async def of(cls, beep: BeepProcess, made: dict[str, Any], stack: AsyncExitStack) -> Self:
        """One that was made before, by other tests of the same Beep."""
        owner, sender, guest = (Api(beep.url, user["token"], user_id=user["user_id"]) for user in made["users"])
        bot = Api(beep.url, f"Bot {made['bot']['token']}", user_id=made["bot"]["user_id"])
        for api in (owner, sender, guest, bot):
            await stack.enter_async_context(api)
        return cls(beep, made, stack, owner, sender, guest, bot)

    @property
    def server_id(self) -> str:
        return str(self.made["server_id"])

    @property
    def channel_id(self) -> str:
        return str(self.made["channel_id"])

    @property
    def messages(self) -> str:
        """The path of the channel's messages."""
        return f"/channels/{self.channel_id}/messages"

    async def connect(self, who: Api, **options: Any) -> GatewayClient:
        """A new, identified gateway session; closed when the test ends."""
        client = GatewayClient(self.beep.gateway, who.token, **options)
        return await self.stack.enter_async_context(client)

    async def role(self, name: str, permissions: int, *holders: Api) -> str:
        """A new role with these permission bits, given to these members. Returns its id."""
        return await self.owner.make_role(self.server_id, name, permissions, *holders)

    async def channel(self, name: str, **fields: Any) -> str:
        return await self.owner.make_channel(self.server_id, name, **fields)

    async def history(self, who: Api | None = None) -> list[Any]:
        """The whole channel, oldest first."""
        found: list[Any] = []
        page = await (who or self.owner).ok("GET", f"{self.messages}?limit=100")
        while page:
            found += page
            page = await (who or self.owner).ok("GET", f"{self.messages}?limit=100&before={page[-1]['id']}")
        return found[::-1]
