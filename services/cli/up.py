"""`beep up`: every service in one process, with the embedded adapters. The composition root of the whole.

Each service is built by its own `__main__.build` and reaches the others through channels only: in process, or with
BEEP_RPC=grpc over grpc.aio on the loopback. Nothing else differs between the two.
"""

import errno
import fcntl
import logging
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

from services.authz import __main__ as authz
from services.authz.store.engine_claim import engine_before
from services.cli import operator
from services.cli.authz_peers import silent
from services.cli.data import BUS_DATABASE, INTERNAL_KEY, LOCK
from services.cli.engine_change import adopt_engine
from services.cli.errors import UserError
from services.cli.process import prepare, starting, tune_collector
from services.cli.settings import ServiceSettings
from services.cli.telemetry import metrics_exported
from services.common.auth import InternalTokens, Principal, PrincipalKind, load_or_create_key
from services.common.bus import Bus
from services.common.bus.sqlite import SqliteBus
from services.common.clock import Clock, SystemClock
from services.common.rpc import Channel, RpcServer, rotating_channel
from services.common.runtime import Runtime
from services.gateway import __main__ as gateway
from services.messages import __main__ as messages
from services.rest import __main__ as rest
from services.rest.http_server import listen
from services.servers import __main__ as servers
from services.users import __main__ as users
from services.webhooks import __main__ as webhooks

logger = logging.getLogger(__name__)

LOOPBACK: Final = "127.0.0.1:0"

Built = TypeVar("Built")


@dataclass(frozen=True, slots=True)
class UpSettings:
    """What `beep up` was asked for.

    Attributes:
        public_url: how clients reach it, with no slash at its end; empty: as bound.
        authz: where the authz processes listen that decide, `host:port`; none: Beep has its own.
    """

    data: Path
    host: str
    port: int
    public_url: str
    rpc: Literal["inprocess", "grpc"]
    authz: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running Beep is reached."""

    url: str
    api: str
    gateway: str


async def serve(settings: UpSettings, announce: Callable[[Addresses, Sequence[str]], None]) -> None:
    """Serves until SIGINT or SIGTERM. `announce` is called once, when everything answers, with the addresses of authz
    processes that do not: they may be started later."""
    stop = prepare()
    with _exclusive(settings.data), metrics_exported(os.environ):
        async with running(settings) as addresses:
            tune_collector()
            announce(addresses, await silent(settings.authz))
            await stop.wait()


@asynccontextmanager
async def running(settings: UpSettings) -> AsyncIterator[Addresses]:
    """A Beep that answers, from entering to leaving. Stops in the opposite order of starting, the edges first."""
    clock = SystemClock()
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        raise _cannot_listen(settings, error) from None
    addresses = _addresses(settings, listener.getsockname()[1])
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        chosen = ServiceSettings.from_environment(os.environ, url=addresses.url, gateway_url=addresses.gateway)
        with starting("the bus", settings.data):
            bus = await SqliteBus.open(settings.data / BUS_DATABASE, clock)
        stack.push_async_callback(bus.close)
        with starting("the services", settings.data):
            tokens = InternalTokens(load_or_create_key(settings.data / INTERNAL_KEY), clock)
        host = _Host(settings, clock, tokens, bus, stack)

        before, adopted = "", None
        if settings.authz:
            host.use("authz", settings.authz)
        else:
            with starting("authz", settings.data):
                before = engine_before(settings.data, chosen.authz.engine)
            engine = replace(chosen.authz, adopts=bool(before))
            adopted = await host.start("authz", partial(authz.build, settings=engine))
        pages = await host.start("users", partial(users.build, settings=chosen.users))
        await host.start("servers", partial(servers.build, settings=chosen.servers))
        if before and adopted:
            with starting(f"with {chosen.authz.engine} after {before}", settings.data):
                await adopt_engine(before, chosen.authz.engine, adopted, host.peers(operator.NAME), clock)
        await host.start("messages", partial(messages.build, settings=chosen.messages))
        await host.start("webhooks", partial(webhooks.build, settings=chosen.webhooks))
        sessions = await host.start("gateway", partial(gateway.build, settings=chosen.gateway))
        peers = host.peers(operator.NAME)
        with starting("the operator's service", settings.data):
            await stack.enter_async_context(operator.serving(settings.data, tokens, peers, bus, clock))
        edge = partial(
            rest.build, settings=chosen.rest, mounts=pages.mounts, listener=listener, websocket=sessions.connection
        )
        await host.start("rest", edge)
        yield addresses


def _cannot_listen(settings: UpSettings, error: OSError) -> UserError:
    hint = ""
    if error.errno == errno.EADDRINUSE:
        hint = ' Stop what listens there, or choose another --port (make run ARGS="--port 9000"; 0: a free one).'
    return UserError(f"Cannot listen on {settings.host}:{settings.port}: {error.strerror}.{hint}")


def _addresses(settings: UpSettings, port: int) -> Addresses:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    # Bound to every address of the machine, it is reached from here by the loopback.
    reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    url = settings.public_url or f"http://{reached}:{port}"
    # The gateway is at the same address: http becomes ws, https becomes wss (RFC 6455 §3).
    return Addresses(url=url, api=f"{url}/api/v10", gateway=f"ws{url.removeprefix('http')}")


_Reach = Callable[[Principal], Channel]
"""A channel to a service, for whoever calls it."""


class _Peers(Mapping[str, Channel]):
    """The services that are there by now, as one of them calls them."""

    def __init__(self, reached: Mapping[str, _Reach], identity: Principal) -> None:
        self._reached = reached
        self._identity = identity
        self._channels: dict[str, Channel] = {}

    def __getitem__(self, peer: str) -> Channel:
        if peer not in self._channels:
            self._channels[peer] = self._reached[peer](self._identity)
        return self._channels[peer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reached)

    def __len__(self) -> int:
        return len(self._reached)


class _Host:
    """Gives each service its surroundings. A service can call those that were started before it, and later the others
    too: its peers are a view."""

    def __init__(
        self, settings: UpSettings, clock: Clock, tokens: InternalTokens, bus: Bus, stack: AsyncExitStack
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._tokens = tokens
        self._bus = bus
        self._stack = stack
        self._reached: dict[str, _Reach] = {}

    def use(self, name: str, addresses: Sequence[str]) -> None:
        """The service runs in other processes."""
        self._reached[name] = partial(self._connect, name, addresses)

    async def start(self, name: str, build: Callable[[Runtime], AbstractAsyncContextManager[Built]]) -> Built:
        server = RpcServer(name, self._tokens)
        runtime = Runtime(
            data=self._settings.data,
            clock=self._clock,
            tokens=self._tokens,
            bus=self._bus,
            server=server,
            peers=self.peers(name),
        )
        with starting(name, self._settings.data):
            built = await self._stack.enter_async_context(build(runtime))
            if self._settings.rpc == "grpc":
                listening, port = await server.listen(LOOPBACK)
                self._stack.push_async_callback(listening.stop, grace=1.0)
                self.use(name, (f"127.0.0.1:{port}",))
            else:
                self._reached[name] = server.in_process_channel
        return built

    def peers(self, name: str) -> Mapping[str, Channel]:
        """The services that are there by now, as `name` calls them."""
        return _Peers(self._reached, Principal(PrincipalKind.SERVICE, service=name))

    def _connect(self, peer: str, addresses: Sequence[str], identity: Principal) -> Channel:
        channel = rotating_channel(peer, addresses, identity, self._tokens)
        self._stack.push_async_callback(channel.close)
        return channel


@contextmanager
def _exclusive(data: Path) -> Iterator[None]:
    """One Beep for one data directory: two would write the same files."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = (data / LOCK).open("w")
    except OSError as error:
        raise UserError(f"The data directory {data} cannot be written: {error.strerror}.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"Another Beep is running on {data}. Stop it, or choose another --data.") from None
        with starting("on what the last one has left", data):
            operator.forget(data)
        yield
