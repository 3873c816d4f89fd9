"""Requests and answers that all of the provider's HTTP side shares."""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import MediaType, Request, Response
from litestar.datastructures import Cookie

from services.users.identity.embedded.oauth import FormRequest
from services.users.identity.embedded.pages import message_page
from services.users.identity.embedded.requests import MalformedForm, parse_form
from services.users.page import STYLE_HASH

AnyRequest = Request[Any, Any, Any]

NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
USER_AGENT: Final = 256

_COOKIE: Final = "beep_form"
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"


class FormTokens:
    """Ties a form to the browser that got it: a cookie, and in the form a token that only we can make of it."""

    def __init__(self, issuer: str) -> None:
        self._path = urlsplit(issuer).path
        self._secure = issuer.startswith("https://")
        # Of this process: a form that was open across a restart is shown again.
        self._key = secrets.token_bytes(32)

    def issue(self, request: AnyRequest) -> tuple[str, Cookie]:
        """The token for a form, and the cookie that goes with it."""
        binding = request.cookies.get(_COOKIE) or secrets.token_urlsafe(24)
        cookie = Cookie(_COOKIE, value=binding, path=self._path, httponly=True, secure=self._secure, samesite="strict")
        return self._token(binding), cookie

    def accepts(self, request: AnyRequest, fields: Mapping[str, str]) -> bool:
        binding = request.cookies.get(_COOKIE, "")
        given = fields.get("csrf", "").encode()
        return bool(binding) and hmac.compare_digest(given, self._token(binding).encode())

    def _token(self, binding: str) -> str:
        return hmac.new(self._key, binding.encode(), hashlib.sha256).hexdigest()


def address(request: AnyRequest) -> str:
    # The peer, never X-Forwarded-For, which anybody can write. Behind a proxy all share its limit per address, and
    # still each account has its own; the server in front of this app may set the peer from a proxy that it trusts.
    return request.client.host if request.client is not None else ""


def query(request: AnyRequest) -> FormRequest:
    return FormRequest(request.method, parse_form(request.scope["query_string"]), user_agent=_user_agent(request))


async def body(request: AnyRequest) -> Mapping[str, str]:
    if request.headers.get("content-type", "").encode().split(b";")[0].strip().lower() != _FORM_TYPE:
        raise MalformedForm
    return parse_form(await request.body())


async def form_request(request: AnyRequest) -> FormRequest:
    return FormRequest(request.method, await body(request), request.headers.get("authorization"), _user_agent(request))


def page_response(
    html: str, status: int = 200, *, form_target: str = "", cookies: list[Cookie] | None = None
) -> Response[str]:
    policy = (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {form_target}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        **NO_STORE,
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        # A link of a mail must not leave in a Referer header.
        "Referrer-Policy": "no-referrer",
    }
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers, cookies=cookies)


def dead_link() -> Response[str]:
    text = (
        "It was used already or has expired. Try to sign in: it may have worked, and if not, ask there for a new one."
    )
    return page_response(message_page("This link does not work", text), 410)


def expired_form() -> Response[str]:
    return page_response(message_page("Please go back", "The form had expired. Go back and try again."), 400)


def handler(endpoint: Callable[[AnyRequest], Awaitable[Response[Any]]]) -> Callable[..., Awaitable[Response[Any]]]:
    """A plain function around a bound method: Litestar deep-copies its handlers, and would copy the provider too."""

    async def call(request: AnyRequest) -> Response[Any]:
        return await endpoint(request)

    return call


def _user_agent(request: AnyRequest) -> str:
    given = request.headers.get("user-agent", "")[:USER_AGENT]
    return "".join(character for character in given if character.isprintable())
