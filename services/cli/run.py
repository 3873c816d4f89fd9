"""`beep run authz`: authz in a process of its own, on the data directory that it shares with the others of its Beep."""

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from services.authz import __main__ as authz
from services.cli.data import INTERNAL_KEY
from services.cli.errors import UserError
from services.cli.process import prepare, starting, tune_collector
from services.cli.settings import authz_settings
from services.cli.telemetry import metrics_exported
from services.common.auth import InternalTokens, load_or_create_key
from services.common.bus import Bus
from services.common.clock import SystemClock
from services.common.rpc import RpcServer
from services.common.runtime import Runtime

NO_BUS: Final = cast(Bus, None)
"""authz neither publishes nor follows, and the bus of a data directory belongs to the process that serves the rest."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What `beep run authz` was asked for."""

    data: Path
    host: str
    port: int

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def serve(settings: RunSettings, announce: Callable[[str], None]) -> None:
    """Serves until SIGINT or SIGTERM. `announce` is called once with the address, when it listens."""
    stop = prepare()
    with metrics_exported(os.environ):
        async with running(settings):
            tune_collector()
            announce(settings.address)
            await stop.wait()


@asynccontextmanager
async def running(settings: RunSettings) -> AsyncIterator[None]:
    """An authz that answers, from entering to leaving."""
    clock = SystemClock()
    chosen = replace(authz_settings(os.environ), address=settings.address)
    _require_free(settings)
    async with AsyncExitStack() as stack:
        with starting("authz", settings.data):
            settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
            tokens = InternalTokens(load_or_create_key(settings.data / INTERNAL_KEY), clock)
            server = RpcServer("authz", tokens)
            runtime = Runtime(settings.data, clock, tokens, NO_BUS, server, peers={})
            await stack.enter_async_context(authz.build(runtime, chosen))
            listening, _ = await server.listen(settings.address)
        stack.push_async_callback(listening.stop, grace=1.0)
        yield


def _require_free(settings: RunSettings) -> None:
    """Before it takes part in anything, and in better words than gRPC's, which go straight to standard error."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            raise UserError(f"Cannot listen on {settings.address}: {error.strerror}. Choose another --port.") from None
