"""The REST edge: the only place that builds its objects."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from litestar.types import ASGIApp

from services.common.bus import Inbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.rest.admission import Admission
from services.rest.app import create_app
from services.rest.authentication import Authenticator
from services.rest.blobs.directory import DirectoryBlobs
from services.rest.config import DATABASE, FILES, Settings
from services.rest.files.pending import MIGRATIONS, PendingUploads
from services.rest.files.pictures import Pictures
from services.rest.files.uploads import Uploads
from services.rest.front import Front
from services.rest.http_server import WebSocketFactory, listen, serving
from services.rest.request import Edge
from services.rest.services import Services

# 128 bits, as hexadecimal digits: what cannot be guessed in a URL.
_new_token: Final = partial(secrets.token_hex, 16)


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
    if listener is None:
        listener = listen(settings.host, settings.port)
    port = listener.getsockname()[1]
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        stack.callback(listener.close)
        blobs = await DirectoryBlobs.open(runtime.data / FILES)
        stack.push_async_callback(blobs.close)
        await blobs.sweep()
        database = await Database.open(runtime.data / DATABASE, MIGRATIONS)
        stack.push_async_callback(database.close)
        ids = SnowflakeGenerator(settings.worker, runtime.clock)
        uploads = Uploads(blobs, PendingUploads(database), services, ids, runtime.clock, _new_token)
        await stack.enter_async_context(running(uploads.settling()))
        inbox = Inbox("rest", runtime.bus, database, uploads.handle, runtime.clock)
        await stack.enter_async_context(running(inbox.run()))
        pictures = Pictures(blobs, _new_token)
        edge = Edge(
            settings, runtime.peers, services, authenticator, runtime.tokens, runtime.clock, blobs, uploads, pictures
        )
        front = Front(create_app(edge, admission), mounts or {})
        group.create_task(authenticator.follow_revocations(), name="rest revocations")
        try:
            async with serving(front, listener, settings.trusted_proxies, websocket):
                runtime.server.set_serving(True)
                yield RestEdge(port)
                runtime.server.set_serving(False)
        finally:
            authenticator.close()
