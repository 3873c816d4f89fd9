"""What a handler returns, as the answer's bytes."""

from typing import Any, Final

from litestar import Response
from litestar.serialization import encode_json
from litestar.types import Receive, Scope, Send

_NO_CONTENT: Final = 204


class JsonResponse(Response[Any]):
    """Litestar makes one of whatever a handler returns that is no `Response` itself: JSON, or nothing.

    Litestar's own is ready for cookies, background tasks and encoders by type, none of which is used here; making it
    so took longer than to decide whether a message may be sent.
    """

    def __init__(self, content: object, *, status_code: int, **_: object) -> None:
        self.content = content
        self.status_code: int = status_code

    # All that Litestar does with what this returns is to call it.
    def to_asgi_response(self, app: object, request: object, **_: object) -> "_Sent":  # type: ignore[override]
        return _Sent(self.status_code, b"" if self.status_code == _NO_CONTENT else encode_json(self.content))


class _Sent:
    """The ASGI application that answers with these bytes."""

    __slots__ = ("_body", "_status")

    def __init__(self, status: int, body: bytes) -> None:
        self._status = status
        self._body = body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers: list[tuple[bytes, bytes]] = []
        if self._status != _NO_CONTENT:
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": self._status, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
