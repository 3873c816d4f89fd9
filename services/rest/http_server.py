"""uvicorn inside an event loop that somebody else owns."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from itertools import chain
from typing import Any, Final

import msgspec
import uvicorn
from litestar.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.rest import errors

HEADER_BYTES: Final = 64 * 1024
HEADER_SECONDS: Final = 10
STALLED_SECONDS: Final = 20
# What is still sent of a request that has its answer is thrown away, so that a client which reads only after it has
# written gets to the answer. Not for ever.
DISCARDED_SECONDS: Final = 20
DISCARDED_BYTES: Final = 64 * 1024 * 1024
CONNECTIONS: Final = 4096
# All clients of a gateway come back at once.
BACKLOG: Final = 4096
SHUTDOWN_SECONDS: Final = 1
KEEP_ALIVE_SECONDS: Final = 75

WebSocketFactory = Callable[[], asyncio.Protocol]


class _Refused(Exception):
    """Stops the parser: the connection has got its answer."""


class _BoundedHttp(HttpToolsProtocol):
    """uvicorn takes a request's line and headers of any length, waits for them for ever, and keeps an answer for as
    long as nobody takes it. This ends the connection past `HEADER_BYTES`, past `HEADER_SECONDS`, or when a client takes
    nothing for `STALLED_SECONDS`, or goes on sending what has its answer; and says why in the form of every other
    refusal."""

    _in_headers = True
    _header_bytes = 0
    _patience: asyncio.TimerHandle | None = None
    _taking: asyncio.TimerHandle | None = None
    _discarding: asyncio.TimerHandle | None = None
    _discarded = 0
    _running: Any = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._stop_watching()
        self._stop_discarding()
        if self._running is not None:
            # uvicorn tells the newest request only, and one before it may still be writing.
            self._running.disconnected = True
        super().connection_lost(exc)

    # reading

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._header_bytes += len(data)
            self._await_headers()
        super().data_received(data)
        if self._in_headers and self._header_bytes > HEADER_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        self._await_headers()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        # They may have come in one piece.
        if len(self.url) + sum(map(len, chain.from_iterable(self.headers))) > HEADER_BYTES:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
            raise _Refused
        self._in_headers, self._header_bytes = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._discarding is not None:
            self._discarded += len(body)
            if self._discarded > DISCARDED_BYTES:
                self.transport.abort()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_discarding()
        self._in_headers = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(HTTPStatus.BAD_REQUEST)

    def _await_headers(self) -> None:
        # From their first byte on, not from their last: a byte at a time gets nobody more time.
        if self._patience is None:
            self._patience = self.loop.call_later(HEADER_SECONDS, self._lose_patience)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        body = msgspec.json.encode(errors.plain(status).body)
        self.transport.write(
            b"HTTP/1.1 %d %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
            % (status, status.phrase.encode(), len(body), body)
        )
        self.transport.close()

    def on_response_complete(self) -> None:
        if not self._in_headers and not self.transport.is_closing():
            self._discarded = 0
            self._discarding = self.loop.call_later(DISCARDED_SECONDS, self.transport.abort)
        super().on_response_complete()

    def _stop_discarding(self) -> None:
        if self._discarding is not None:
            self._discarding.cancel()
            self._discarding = None

    # writing

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        self._stop_watching()
        super().resume_writing()

    def _watch(self, left: int) -> None:
        self._taking = self.loop.call_later(STALLED_SECONDS, self._check_progress, left)

    def _check_progress(self, left: int) -> None:
        now = self.transport.get_write_buffer_size()
        if now < left:
            self._watch(now)
        else:
            # Closing would wait for the client to take the rest.
            self.transport.abort()

    def _stop_watching(self) -> None:
        if self._taking is not None:
            self._taking.cancel()
            self._taking = None


class _EmbeddedServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the process, not to one of its servers."""
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket, trusted_proxies: str, websocket: WebSocketFactory | None = None
) -> AsyncIterator[None]:
    """Serves until the block ends, and closes the socket. Requests under way then get a moment to finish.

    `websocket` takes over each connection that asks to become a WebSocket, from the handshake on.
    """
    config = uvicorn.Config(
        _as_any(app),
        http=_BoundedHttp,
        ws="none" if websocket is None else _upgrade_to(websocket),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=trusted_proxies,
        limit_concurrency=CONNECTIONS,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
    )
    server = _EmbeddedServer(config)
    with contextlib.closing(listener):
        async with asyncio.TaskGroup() as group:
            group.create_task(server.serve(sockets=[listener]), name="rest http server")
            await server.accepting.wait()
            try:
                yield
            finally:
                server.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """A socket at that address (port 0: a free one). Raises OSError when it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener


def _upgrade_to(websocket: WebSocketFactory) -> Any:
    """uvicorn hands what it knows to the protocol it upgrades to; ours needs nothing of it."""

    def protocol(**_: Any) -> asyncio.Protocol:
        return websocket()

    return protocol


def _as_any(app: ASGIApp) -> Any:
    """Litestar and uvicorn each declare ASGI's types on their own."""
    return app
