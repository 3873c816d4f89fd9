"""Some of Beep's services in this process: what `beep up` gives each of them, with no socket and a data directory of
the test's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from joserfc.jwk import OKPKey

from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.bus.sqlite import SqliteBus
from services.common.clock import Clock
from services.common.rpc import Channel, RpcServer
from services.common.runtime import Runtime


def user(user_id: int) -> Principal:
    return Principal(PrincipalKind.USER, user_id=user_id)


def bot(user_id: int) -> Principal:
    return Principal(PrincipalKind.BOT, user_id=user_id)


def service(name: str) -> Principal:
    return Principal(PrincipalKind.SERVICE, service=name)


class InProcess:
    """An RPC server for each service, on one bus. A stand-in is registered at `servers[name]` like the real one."""

    def __init__(self, data: Path, clock: Clock, bus: SqliteBus, names: tuple[str, ...]) -> None:
        self.data = data
        self.clock = clock
        self.bus = bus
        self.tokens = InternalTokens(OKPKey.generate_key("Ed25519", private=True), clock)
        self.servers = {name: RpcServer(name, self.tokens) for name in names}

    def channel(self, name: str, caller: Principal) -> Channel:
        """To the service of that name, for a stub that calls as `caller`."""
        return self.servers[name].in_process_channel(caller)

    def runtime(self, name: str, **instead: Channel) -> Runtime:
        """What the service is built with. `instead`: channels that it gets in the place of those to its peers."""
        peers = {peer: self.channel(peer, service(name)) for peer in self.servers}
        return Runtime(self.data, self.clock, self.tokens, self.bus, self.servers[name], peers | instead)


@asynccontextmanager
async def in_process(data: Path, clock: Clock, *names: str) -> AsyncIterator[InProcess]:
    bus = await SqliteBus.open(data / "bus.db", clock)
    try:
        yield InProcess(data, clock, bus, names)
    finally:
        await bus.close()
