"""Beep with a stand-in for the moderators' service, which is still to come: it freezes servers and suspends users.

It does what that service will do with a change: first authz has the facts, then the bus has the event that tells the
gateway to look anew, and only then whoever asked has the answer.

Run as `python -m tests.support.moderated_beep up …`; `Moderators` is how a test asks it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from beep.authz.v1 import facts_pb2 as facts
from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from services.cli.__main__ import main
from services.common.bus import AccessChange, Audience, Envelope, server_shard
from services.common.runtime import Runtime
from services.common.snowflake import SnowflakeGenerator
from services.gateway import __main__ as gateway

SOCKET: Final = "moderators.sock"
WORKER: Final = 1000
"""Of the ids that are made here: no service's own."""
SECONDS: Final = 10.0
DONE: Final = b"done\n"

_build = gateway.build


class Order(msgspec.Struct):
    """Restrain a server or, in all of these servers, a user; or release them."""

    restrained: bool
    server_ids: tuple[int, ...]
    user_id: int = 0


class _Stub:
    def __init__(self, runtime: Runtime) -> None:
        self._authz = AuthzServiceStub(runtime.peers["authz"])
        self._bus = runtime.bus
        self._ids = SnowflakeGenerator(WORKER, runtime.clock)
        self._version = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._obey(msgspec.json.decode(await reader.readline(), type=Order))
            writer.write(DONE)
            await writer.drain()
        finally:
            writer.close()

    async def _obey(self, order: Order) -> None:
        self._version += 1
        if order.user_id:
            suspended = facts.SetSuspended(user_id=order.user_id, suspended=order.restrained)
            request = ApplyFactsRequest(version=self._version, changes=[facts.FactChange(set_suspended=suspended)])
            access = AccessChange(user_ids=(order.user_id,))
        else:
            (server_id,) = order.server_ids
            frozen = facts.SetFrozen(server_id=server_id, frozen=order.restrained)
            request = ApplyFactsRequest(
                server_id=server_id, version=self._version, changes=[facts.FactChange(set_frozen=frozen)]
            )
            access = AccessChange(whole_server=True)
        await self._authz.ApplyFacts(request)
        await self._bus.publish([self._event(server_id, access) for server_id in order.server_ids])

    def _event(self, server_id: int, access: AccessChange) -> Envelope:
        return Envelope(
            self._ids.next(),
            server_shard(server_id),
            "RESTRAINED",
            b"{}",
            Audience.NONE,
            server_id=server_id,
            access=access,
        )


@asynccontextmanager
async def _moderated(runtime: Runtime, *arguments: Any, **named: Any) -> AsyncIterator[Any]:
    async with _build(runtime, *arguments, **named) as built:
        server = await asyncio.start_unix_server(_Stub(runtime).serve, runtime.data / SOCKET)
        try:
            yield built
        finally:
            server.close()
            with suppress(FileNotFoundError):
                (runtime.data / SOCKET).unlink()


@dataclass
class Moderators:
    """Those of the Beep that serves this data directory."""

    data: Path

    async def order(self, order: Order) -> None:
        """Return when it is in force."""
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_unix_connection(self.data / SOCKET)
            try:
                writer.write(msgspec.json.encode(order) + b"\n")
                answer = await reader.readline()
            finally:
                writer.close()
                await writer.wait_closed()
        assert answer == DONE, "see Beep's log"


def install() -> None:
    gateway.build = _moderated


if __name__ == "__main__":
    install()
    main()
