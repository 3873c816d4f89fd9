"""Somebody who does no harm, beside somebody who does: the first must not notice, and Beep must not swell."""

from dataclasses import dataclass
from typing import Final, Self

import psutil

from services.common.permissions import Permission
from tests.support.gateway_client import GatewayClient
from tests.support.world import World

MEMORY: Final = 64 * 1024 * 1024
"""What all that a test does may cost: the caches that it fills among it."""


@dataclass
class Bystanders:
    """The owner, who sends, and a member, who reads."""

    world: World
    reader: GatewayClient
    memory_before: int

    @classmethod
    async def beside(cls, world: World) -> Self:
        await world.role("reader", Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY, world.member)
        reader = await world.connect(world.member)
        bystanders = cls(world, reader, 0)
        await bystanders.talk()
        bystanders.memory_before = bystanders.memory()
        return bystanders

    async def talk(self) -> None:
        """A message is sent and read."""
        sent = await self.world.owner.send(self.world.channel_id, "all is well")
        await self.reader.wait_for_message(sent)
        self.reader.dispatches.clear()

    def memory(self) -> int:
        """What the process holds, in bytes."""
        return psutil.Process(self.world.beep.pid).memory_info().rss

    async def assert_undisturbed(self) -> None:
        await self.talk()
        assert self.reader.close_code is None
        assert self.world.beep.process is not None
        assert self.world.beep.process.poll() is None
        grown = self.memory() - self.memory_before
        assert grown < MEMORY, f"{grown >> 20} MiB more than before"
