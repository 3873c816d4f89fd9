"""`beep up`: every service in one process, with the embedded adapters. The composition root of the whole.

Each service is built by its own `__main__.build` and reaches the others through channels only: in process, or with
BEEP_RPC=grpc over grpc.aio on the loopback. Nothing else differs between the two.
"""

import asyncio
import errno
import fcntl
import gc
import logging
import os
import resource
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, Literal, TypeVar

from services.authz import __main__ as authz
from services.cli.data import BUS_DATABASE, INTERNAL_KEY, LOCK
from services.cli.errors import UserError
from services.cli.settings import ServiceSettings
from services.cli.telemetry import metrics_exported
from services.common.auth import InternalTokens, Principal, PrincipalKind, load_or_create_key
from services.common.bus import Bus
from services.common.bus.sqlite import SqliteBus
from services.common.clock import Clock, SystemClock
from services.common.errors import BeepError
from services.common.rpc import Channel, RpcServer, grpc_channel
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
OPEN_FILES: Final = 65_536

Built = TypeVar("Built")


@dataclass(frozen=True, slots=True)
class UpSettings:
    """What `beep up` was asked for. `public_url` is how clients reach it, with no slash at its end; empty: as bound."""

    data: Path
    host: str
    port: int
    public_url: str
    rpc: Literal["inprocess", "grpc"]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running Beep is reached."""

    url: str
    api: str
    gateway: str


async def serve(settings: UpSettings, announce: Callable[[Addresses], None]) -> None:
    """Serves until SIGINT or SIGTERM. `announce` is called once, when everything answers."""
    # Also in a directory that was there before, what Beep writes is for its owner alone.
    os.umask(0o077)
    _allow_open_files()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    with _exclusive(settings.data), metrics_exported(os.environ):
        async with running(settings) as addresses:
            tune_collector()
            announce(addresses)
            await stop.wait()


def tune_collector() -> None:
    """For a Beep that has started, and is alone in its process."""
    # What was made until now stays. Without this the collector looks through all of it again and again, and everybody
    # waits 80 ms each time.
    gc.freeze()
    # A request makes hundreds of objects and hardly a cycle. Looking for cycles after every 700 objects, as Python
    # does, takes a fiftieth of all CPU time.
    gc.set_threshold(10_000)


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
        with _starting("the bus", settings.data):
            bus = await SqliteBus.open(settings.data / BUS_DATABASE, clock)
        stack.push_async_callback(bus.close)
        with _starting("the services", settings.data):
            tokens = InternalTokens(load_or_create_key(settings.data / INTERNAL_KEY), clock)
        host = _Host(settings, clock, tokens, bus, stack)

        await host.start("authz", partial(authz.build, settings=chosen.authz))
        pages = await host.start("users", partial(users.build, settings=chosen.users))
        await host.start("servers", partial(servers.build, settings=chosen.servers))
        await host.start("messages", partial(messages.build, settings=chosen.messages))
        await host.start("webhooks", partial(webhooks.build, settings=chosen.webhooks))
        sessions = await host.start("gateway", partial(gateway.build, settings=chosen.gateway))
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


class _Peers(Mapping[str, Channel]):
    """The services that are started by now, as one of them calls them."""

    def __init__(self, started: Mapping[str, RpcServer], channel: Callable[[str], Channel]) -> None:
        self._started = started
        self._channel = channel
        self._channels: dict[str, Channel] = {}

    def __getitem__(self, peer: str) -> Channel:
        if peer not in self._started:
            raise KeyError(peer)
        if peer not in self._channels:
            self._channels[peer] = self._channel(peer)
        return self._channels[peer]

    def __iter__(self) -> Iterator[str]:
        return iter(self._started)

    def __len__(self) -> int:
        return len(self._started)


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
        self._started: dict[str, RpcServer] = {}
        self._addresses: dict[str, str] = {}

    async def start(self, name: str, build: Callable[[Runtime], AbstractAsyncContextManager[Built]]) -> Built:
        server = RpcServer(name, self._tokens)
        identity = Principal(PrincipalKind.SERVICE, service=name)
        runtime = Runtime(
            data=self._settings.data,
            clock=self._clock,
            tokens=self._tokens,
            bus=self._bus,
            server=server,
            peers=_Peers(self._started, partial(self._channel, identity=identity)),
        )
        with _starting(name, self._settings.data):
            built = await self._stack.enter_async_context(build(runtime))
        if self._settings.rpc == "grpc":
            listening, port = await server.listen(LOOPBACK)
            self._stack.push_async_callback(listening.stop, grace=1.0)
            self._addresses[name] = f"127.0.0.1:{port}"
        self._started[name] = server
        return built

    def _channel(self, peer: str, identity: Principal) -> Channel:
        if self._settings.rpc == "inprocess":
            return self._started[peer].in_process_channel(identity)
        channel = grpc_channel(peer, self._addresses[peer], identity, self._tokens)
        self._stack.push_async_callback(channel.close)
        return channel


@contextmanager
def _starting(part: str, data: Path) -> Iterator[None]:
    """Tells a person that a part will not start on this data: a damaged file, a full disk, a key that is none."""
    try:
        yield
    except (BeepError, OSError, ValueError) as error:
        logger.debug("cannot_start", exc_info=error, extra={"part": part})
        reason = error.message if isinstance(error, BeepError) else str(error)
        raise UserError(
            f"Beep cannot start {part}: {reason.rstrip('.')}. See `beep doctor --data {data}`, and BEEP_LOG=debug."
        ) from error


def _allow_open_files() -> None:
    """Each client is an open file, and the 1,024 that a shell usually allows would be all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems have a lower limit than the one that they name; then it stays as it was.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


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
        yield
