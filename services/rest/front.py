"""What stands before Litestar: the oldest URLs, what others mount, what every answer carries, and a bound on time."""

import asyncio
import re
from collections.abc import Mapping
from typing import Any, Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from services.rest.admission import HEADERS, RawHeaders

REQUEST_SECONDS: Final = 30
"""From a request's headers to the beginning of its answer; a body that comes a byte at a time gets no longer."""

BODY_BYTES_PER_SECOND: Final = 16 * 1024
"""A body that comes faster than this is waited for."""

# Anybody's page may call the API: a token comes in a header, never by itself in a cookie, so an origin proves nothing.
_CORS: Final[RawHeaders] = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"*"),
]
_PREFLIGHT: Final[RawHeaders] = [
    *_CORS,
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Idempotency-Key, X-Audit-Log-Reason"),
    (b"access-control-max-age", b"86400"),
]
_COMMON: Final[RawHeaders] = [*_CORS, (b"x-content-type-options", b"nosniff")]
_TIMED_OUT: Final = b'{"message":"408: Request Timeout","code":0}'
_VERSION: Final = re.compile(r"v\d+")


def canonical_path(path: str) -> str:
    """The path under which the route is registered: /api/v9/… and /api/… are /api/v10/…, and share its buckets."""
    if not path.startswith("/api/") or path.startswith("/api/v10/"):
        return path
    if path.startswith("/api/v9/"):
        return "/api/v10/" + path.removeprefix("/api/v9/")
    first = path.removeprefix("/api/").partition("/")[0]
    if first == "beep" or _VERSION.fullmatch(first):
        return path
    return "/api/v10/" + path.removeprefix("/api/")


class Front:
    """`mounts` are apps of others, by the first part of their paths (`/identity`). They get the request as it came."""

    def __init__(self, app: ASGIApp, mounts: Mapping[str, ASGIApp]) -> None:
        self._app = app
        self._mounts = dict(mounts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            raise TypeError("this is served over HTTP only")
        path = scope["path"]
        mount = "/" + path.split("/", 2)[1] if path.startswith("/") else ""
        if mount in self._mounts:
            await _bounded(self._mounts[mount], scope, receive, send, [])
        elif scope["method"] == "OPTIONS":
            await _answer(send, 204, b"", _PREFLIGHT)
        else:
            scope["path"] = canonical_path(path)
            # Whoever handles the request adds to it until the answer starts.
            headers = scope[HEADERS] = list(_COMMON)  # type: ignore[typeddict-unknown-key]  # Litestar names its own keys only
            await _bounded(self._app, scope, receive, send, headers)


async def _bounded(app: ASGIApp, scope: Scope, receive: Receive, send: Send, headers: RawHeaders) -> None:
    unpaid = 0

    async def receive_in_time() -> Any:
        nonlocal unpaid
        message: Any = await receive()
        earned, unpaid = divmod(unpaid + len(message.get("body", b"")), BODY_BYTES_PER_SECOND)
        if earned and (until := timer.when()) is not None:
            timer.reschedule(until + earned)
        return message

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            # From here on the time is the client's, who may be slow: `http_server` sees to it that it takes something.
            timer.reschedule(None)
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    try:
        async with asyncio.timeout(REQUEST_SECONDS) as timer:
            await app(scope, receive_in_time, send_with_headers)
    except TimeoutError:
        if not timer.expired():
            raise
        await _answer(send, 408, _TIMED_OUT, [(b"content-type", b"application/json"), (b"connection", b"close")])


async def _answer(send: Send, status: int, body: bytes, headers: RawHeaders) -> None:
    length: Any = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})
