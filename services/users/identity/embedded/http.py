"""The provider's HTTP side: OpenID endpoints and pages, mounted at the issuer's path on the REST port.

No cookie carries a session here: a person types the password once per sign-in, and the client keeps the tokens. So
there is nothing that another site could make a browser do in somebody's name but to sign in as somebody else, which
the form's own token stops.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from litestar import MediaType, Request, Response, Router, get, post
from litestar.datastructures import Cookie

from services.common.errors import BeepError, InvalidArgument, ResourceExhausted, Unauthenticated
from services.users.domain.email import normalise_email
from services.users.identity.embedded.clients import SCOPES
from services.users.identity.embedded.oauth import Answer, FormRequest
from services.users.identity.embedded.pages import confirm_page, message_page, sign_in_page
from services.users.identity.embedded.provider import EmbeddedIdentity, SignInRefusal
from services.users.identity.embedded.requests import MAX_BODY_BYTES, MalformedForm, parse_form
from services.users.identity.verifier import ALGORITHM
from services.users.page import STYLE_HASH

AnyRequest = Request[Any, Any, Any]

_COOKIE: Final = "beep_form"
_FORM_TYPE: Final = b"application/x-www-form-urlencoded"
_NO_STORE: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class _Endpoints:
    def __init__(self, identity: EmbeddedIdentity) -> None:
        self._identity = identity
        self._path = urlsplit(identity.issuer).path
        self._secure = identity.issuer.startswith("https://")
        # Of this process: a form that was open across a restart is shown again.
        self._csrf_key = secrets.token_bytes(32)

    async def discovery(self, request: AnyRequest) -> Response[Any]:
        return Response(self._metadata(), headers={"Cache-Control": "max-age=300"})

    async def jwks(self, request: AnyRequest) -> Response[Any]:
        return Response(await self._identity.keys(), headers={"Cache-Control": "max-age=300"})

    def _metadata(self) -> dict[str, Any]:
        issuer = self._identity.issuer
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "userinfo_endpoint": f"{issuer}/userinfo",
            "jwks_uri": f"{issuer}/jwks",
            "revocation_endpoint": f"{issuer}/revoke",
            "end_session_endpoint": f"{issuer}/end-session",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "revocation_endpoint_auth_methods_supported": ["none"],
            "scopes_supported": sorted(SCOPES),
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "claims_supported": ["sub", "sid", "preferred_username", "name", "email", "email_verified"],
        }

    async def show_sign_in(self, request: AnyRequest) -> Response[Any]:
        form = _query(request)
        allowed = await self._identity.check_authorization(form)
        if isinstance(allowed, Answer):
            return _answer_to_browser(allowed)
        return self._sign_in_form(request, allowed.redirect_uri)

    async def sign_in(self, request: AnyRequest) -> Response[Any]:
        form = _query(request)
        allowed = await self._identity.check_authorization(form)
        if isinstance(allowed, Answer):
            return _answer_to_browser(allowed)
        fields = await _body(request)
        if not self._has_csrf_token(request, fields):
            return self._sign_in_form(request, allowed.redirect_uri, error="The form had expired. Please try again.")
        email = fields.get("email", "")
        outcome = await self._identity.sign_in(
            form, email=email, password=fields.get("password", ""), address=_address(request)
        )
        if isinstance(outcome, Answer):
            return _answer_to_browser(outcome)
        return self._sign_in_form(
            request,
            allowed.redirect_uri,
            email=email,
            error=outcome.value,
            status=429 if outcome is SignInRefusal.TOO_MANY else 401,
            resend=outcome is SignInRefusal.NOT_VALIDATED,
        )

    async def resend(self, request: AnyRequest) -> Response[str]:
        fields = await _body(request)
        if not self._has_csrf_token(request, fields):
            return _page(message_page("Please go back", "The form had expired. Go back and try again."), 400)
        try:
            await self._identity.resend_validation(normalise_email(fields.get("email", "")))
        except InvalidArgument as error:
            return _page(message_page("Not an address", error.violations[0].message), 400)
        except ResourceExhausted as error:
            return _page(message_page("Too many mails", error.message), 429)
        return _page(
            message_page("Look into your mailbox", "If this address waits for validation, a new link is there.")
        )

    async def show_validation(self, request: AnyRequest) -> Response[str]:
        token = _query(request).parameters.get("token", "")
        account = await self._identity.awaiting_validation(token)
        if account is None:
            return _dead_link()
        return _page(
            confirm_page(action=f"{self._path}/validate", token=token, email=account.email, username=account.username)
        )

    async def validate(self, request: AnyRequest) -> Response[str]:
        if await self._identity.validate((await _body(request)).get("token", "")) is None:
            return _dead_link()
        return _page(message_page("Your address is confirmed", "Your account works now. You can sign in."))

    async def token(self, request: AnyRequest) -> Response[Any]:
        return _answer(await self._identity.token(await _form_request(request)))

    async def revoke(self, request: AnyRequest) -> Response[Any]:
        return _answer(await self._identity.revoke(await _form_request(request)))

    async def sign_out(self, request: AnyRequest) -> Response[Any]:
        form = _query(request) if request.method == "GET" else await _form_request(request)
        answer = await self._identity.sign_out(form)
        if answer is None:
            return _page(message_page("Signed out", "You can close this page."))
        return _answer_to_browser(answer)

    async def userinfo(self, request: AnyRequest) -> Response[Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = await self._identity.userinfo(token) if scheme.lower() == "bearer" else None
        except Unauthenticated:
            claims = None
        if claims is None:
            headers = {**_NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
            return Response({"error": "invalid_token"}, status_code=401, headers=headers)
        return Response(claims, headers=_NO_STORE)

    def _sign_in_form(
        self,
        request: AnyRequest,
        redirect_uri: str,
        *,
        email: str = "",
        error: str = "",
        status: int = 200,
        resend: bool = False,
    ) -> Response[str]:
        binding = request.cookies.get(_COOKIE) or secrets.token_urlsafe(24)
        page = sign_in_page(
            action=f"{self._path}/authorize?{request.scope['query_string'].decode('ascii')}",
            csrf=self._csrf_token(binding),
            email=email,
            error=error,
            resend_action=f"{self._path}/validate/resend" if resend else "",
        )
        cookie = Cookie(_COOKIE, value=binding, path=self._path, httponly=True, secure=self._secure, samesite="strict")
        target = urlsplit(redirect_uri)
        # Browsers apply form-action to the redirect that answers the form, too.
        return _page(page, status, form_target=f"{target.scheme}://{target.netloc}", cookies=[cookie])

    def _csrf_token(self, binding: str) -> str:
        return hmac.new(self._csrf_key, binding.encode(), hashlib.sha256).hexdigest()

    def _has_csrf_token(self, request: AnyRequest, fields: Mapping[str, str]) -> bool:
        binding = request.cookies.get(_COOKIE, "")
        given = fields.get("csrf", "").encode()
        return bool(binding) and hmac.compare_digest(given, self._csrf_token(binding).encode())


def _address(request: AnyRequest) -> str:
    # The peer, never X-Forwarded-For, which anybody can write. Behind a proxy all share its limit per address, and
    # still each account has its own; the server in front of this app may set the peer from a proxy that it trusts.
    return request.client.host if request.client is not None else ""


def _query(request: AnyRequest) -> FormRequest:
    return FormRequest(request.method, parse_form(request.scope["query_string"]))


async def _body(request: AnyRequest) -> Mapping[str, str]:
    if request.headers.get("content-type", "").encode().split(b";")[0].strip().lower() != _FORM_TYPE:
        raise MalformedForm
    return parse_form(await request.body())


async def _form_request(request: AnyRequest) -> FormRequest:
    return FormRequest(request.method, await _body(request), request.headers.get("authorization"))


def _page(html: str, status: int = 200, *, form_target: str = "", cookies: list[Cookie] | None = None) -> Response[str]:
    policy = (
        f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self' {form_target}; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    headers = {
        **_NO_STORE,
        "Content-Security-Policy": policy,
        "X-Frame-Options": "DENY",
        # A validation link must not leave in a Referer header.
        "Referrer-Policy": "no-referrer",
    }
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=headers, cookies=cookies)


def _dead_link() -> Response[str]:
    return _page(message_page("This link does not work", "It was used already or has expired. Ask for a new one."), 410)


def _answer(answer: Answer) -> Response[Any]:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Response(answer.body or {}, status_code=answer.status, headers={**headers, **_NO_STORE})


def _answer_to_browser(answer: Answer) -> Response[Any]:
    if answer.location is not None:
        # 303: the browser must not repeat the POST, which holds the password, at the client (RFC 9700 §4.12).
        headers = {**_NO_STORE, "Location": answer.location, "Referrer-Policy": "no-referrer"}
        return Response("", status_code=303, media_type=MediaType.TEXT, headers=headers)
    description = (answer.body or {}).get("error_description") or (answer.body or {}).get("error", "")
    text = f"The program that sent you here asked for something that cannot be: {description}"
    return _page(message_page("This request is not valid", text), answer.status)


def _malformed(_: AnyRequest, __: MalformedForm) -> Response[Any]:
    body = {"error": "invalid_request", "error_description": "The request is malformed."}
    return Response(body, status_code=400, headers=_NO_STORE)


def _failed(_: AnyRequest, error: BeepError) -> Response[Any]:
    busy = isinstance(error, ResourceExhausted)
    body = {"error": "slow_down" if busy else "temporarily_unavailable", "error_description": error.message}
    return Response(body, status_code=429 if busy else 503, headers=_NO_STORE)


def _handler(endpoint: Callable[[AnyRequest], Awaitable[Response[Any]]]) -> Callable[..., Awaitable[Response[Any]]]:
    """A plain function around a bound method: Litestar deep-copies its handlers, and would copy the provider too."""

    async def call(request: AnyRequest) -> Response[Any]:
        return await endpoint(request)

    return call


def identity_router(identity: EmbeddedIdentity) -> Router:
    """The routes, at the issuer's path."""
    endpoints = _Endpoints(identity)
    return Router(
        urlsplit(identity.issuer).path,
        route_handlers=[
            get("/.well-known/openid-configuration")(_handler(endpoints.discovery)),
            get("/jwks")(_handler(endpoints.jwks)),
            get("/authorize")(_handler(endpoints.show_sign_in)),
            post("/authorize")(_handler(endpoints.sign_in)),
            post("/token")(_handler(endpoints.token)),
            post("/revoke")(_handler(endpoints.revoke)),
            get("/userinfo")(_handler(endpoints.userinfo)),
            get("/end-session")(_handler(endpoints.sign_out)),
            post("/end-session")(_handler(endpoints.sign_out)),
            get("/validate")(_handler(endpoints.show_validation)),
            post("/validate")(_handler(endpoints.validate)),
            post("/validate/resend")(_handler(endpoints.resend)),
        ],
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={MalformedForm: _malformed, BeepError: _failed},
        include_in_schema=False,
    )
