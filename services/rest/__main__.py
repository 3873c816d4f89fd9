"""The REST edge: the only place that builds its objects."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from litestar.types import ASGIApp

from services.common.runtime import Runtime
from services.rest.admission import Admission
from services.rest.app import create_app
from services.rest.authentication import Authenticator
from services.rest.config import Settings
from services.rest.front import Front
from services.rest.http_server import WebSocketFactory, listen, serving
from services.rest.request import Edge
from services.rest.services import Services


@dataclass(frozen=True, slots=True)
class RestEdge:
    """`port` is the one that was taken when 0 was asked for."""

    port: int


@asynccontextmanager
async def build(
    runtime: Runtime,
    settings: Settings,
    mounts: Mapping[str, ASGIApp] | None = None,
    listener: socket.socket | None = None,
    websocket: WebSocketFactory | None = None,
) -> AsyncIterator[RestEdge]:
    """Serves the API until the block ends.

    Args:
        runtime: what the process gives every service.
        settings: see `Settings`.
        mounts: apps of others, by the first part of their paths (`/identity`); they get the request as it came.
        listener: a bound socket to serve at instead of `settings.host` and `port`, for whoever had to know the
            address earlier (`http_server.listen`). It is closed here.
        websocket: what serves WebSockets at the same address, when one process is both edges.

    Raises:
        OSError: the address cannot be had.
    """
    services = Services.from_peers(runtime.peers)
    authenticator = Authenticator(services.tokens, runtime.bus, runtime.clock)
    admission = Admission(authenticator, settings.rate_limits, runtime.clock)
    edge = Edge(settings, runtime.peers, services, authenticator, runtime.tokens, runtime.clock)
    front = Front(create_app(edge, admission), mounts or {})
    if listener is None:
        listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    async with asyncio.TaskGroup() as group:
        group.create_task(authenticator.follow_revocations(), name="rest revocations")
        try:
            async with serving(front, listener, settings.trusted_proxies, websocket):
                runtime.server.set_serving(True)
                yield RestEdge(port)
                runtime.server.set_serving(False)
        finally:
            authenticator.close()
