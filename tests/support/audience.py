"""Everybody of a world with an open socket: to see who is told of something, and that nobody else is."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from services.common.permissions import Permission
from tests.support.gateway_client import GatewayClient
from tests.support.world import NAMES, World


@dataclass(frozen=True, slots=True)
class Audience:
    """`sessions` are by the names of the world's people; every member can see `square`, and nothing is said there."""

    world: World
    sessions: Mapping[str, GatewayClient]
    square: str

    @classmethod
    async def gather(cls, world: World, **options: Any) -> Self:
        everybody_sees = {"id": world.server_id, "type": 0, "allow": str(int(Permission.VIEW_CHANNEL)), "deny": "0"}
        square = await world.channel("square", permission_overwrites=[everybody_sees])
        opened = await asyncio.gather(*(world.connect(getattr(world, name), **options) for name in NAMES))
        return cls(world, dict(zip(NAMES, opened, strict=True)), square)

    async def told(self, kind: str, /, **fields: Any) -> dict[str, int]:
        """How often each of those who were told of such an event was told, by name; the others are left out.

        Messages' events come in the order of their writes, so whoever has the one that is sent here has, or never
        gets, all that were sent before. Whoever is no member gets nothing of the server at all.
        """
        marker = await self.world.owner.send(self.square, "that was all")
        for name, session in self.sessions.items():
            if name == "stranger":
                await session.heartbeat()
                assert [event["t"] for event in session.dispatches] == ["READY"]
            else:
                await session.wait_for_message(marker)
        counts = {name: len(self.events(name, kind, **fields)) for name in self.sessions}
        return {name: count for name, count in counts.items() if count}

    def events(self, name: str, kind: str, /, **fields: Any) -> list[Any]:
        """The bodies of the events of this kind that `name` has got, with these values in them."""
        return [body for body in self.sessions[name].of_kind(kind) if fields.items() <= body.items()]
