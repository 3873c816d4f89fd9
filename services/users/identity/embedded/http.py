"""The provider's HTTP side: OpenID endpoints and pages, mounted at the issuer's path on the REST port.

No cookie carries a session here: a person types the password once per sign-in, and the client keeps the tokens. So
there is nothing that another site could make a browser do in somebody's name but to sign in as somebody else, which
the form's own token stops.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from litestar import MediaType, Response, Router, get, post

from services.common.errors import BeepError, InvalidArgument, ResourceExhausted, Unauthenticated
from services.users.domain.email import normalise_email
from services.users.identity.embedded.account_http import account_routes
from services.users.identity.embedded.clients import SCOPES
from services.users.identity.embedded.oauth import Answer, FormRequest
from services.users.identity.embedded.pages import code_page, confirm_page, message_page, sign_in_page
from services.users.identity.embedded.provider import EmbeddedIdentity, SecondStep, SignInRefusal
from services.users.identity.embedded.requests import MAX_BODY_BYTES, MalformedForm
from services.users.identity.embedded.security import EmbeddedSecurity
from services.users.identity.embedded.web import (
    NO_STORE,
    AnyRequest,
    FormTokens,
    address,
    body,
    dead_link,
    expired_form,
    form_request,
    handler,
    page_response,
    query,
)
from services.users.identity.verifier import ALGORITHM


class _Endpoints:
    def __init__(self, identity: EmbeddedIdentity, tokens: FormTokens) -> None:
        self._identity = identity
        self._path = urlsplit(identity.issuer).path
        self._tokens = tokens

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
        form = query(request)
        allowed = await self._identity.check_authorization(form)
        if isinstance(allowed, Answer):
            return _answer_to_browser(allowed)
        return self._sign_in_form(request, allowed.redirect_uri)

    async def sign_in(self, request: AnyRequest) -> Response[Any]:
        form = query(request)
        allowed = await self._identity.check_authorization(form)
        if isinstance(allowed, Answer):
            return _answer_to_browser(allowed)
        fields = await body(request)
        if not self._tokens.accepts(request, fields):
            return self._sign_in_form(request, allowed.redirect_uri, error="The form had expired. Please try again.")
        if "ticket" in fields:
            return await self._second_step(request, form, allowed.redirect_uri, fields)
        email = fields.get("email", "")
        outcome = await self._identity.sign_in(
            form, email=email, password=fields.get("password", ""), address=address(request)
        )
        if isinstance(outcome, Answer):
            return _answer_to_browser(outcome)
        if isinstance(outcome, SecondStep):
            return self._code_form(request, allowed.redirect_uri, outcome.ticket)
        return self._sign_in_form(
            request,
            allowed.redirect_uri,
            email=email,
            error=outcome.value,
            status=429 if outcome is SignInRefusal.TOO_MANY else 401,
            resend=outcome is SignInRefusal.NOT_VALIDATED,
        )

    async def _second_step(
        self, request: AnyRequest, form: FormRequest, redirect_uri: str, fields: Mapping[str, str]
    ) -> Response[Any]:
        ticket = fields["ticket"]
        outcome = await self._identity.second_step(form, ticket=ticket, code=fields.get("otp", ""))
        if isinstance(outcome, Answer):
            return _answer_to_browser(outcome)
        if outcome is SignInRefusal.START_AGAIN:
            return self._sign_in_form(request, redirect_uri, error=outcome.value, status=401)
        status = 429 if outcome is SignInRefusal.TOO_MANY else 401
        return self._code_form(request, redirect_uri, ticket, error=outcome.value, status=status)

    async def resend(self, request: AnyRequest) -> Response[str]:
        fields = await body(request)
        if not self._tokens.accepts(request, fields):
            return expired_form()
        try:
            await self._identity.resend_validation(normalise_email(fields.get("email", "")))
        except InvalidArgument as error:
            return page_response(message_page("Not an address", error.violations[0].message), 400)
        except ResourceExhausted as error:
            return page_response(message_page("Too many mails", error.message), 429)
        return page_response(
            message_page("Look into your mailbox", "If this address waits for validation, a new link is there.")
        )

    async def show_validation(self, request: AnyRequest) -> Response[str]:
        token = query(request).parameters.get("token", "")
        account = await self._identity.awaiting_validation(token)
        if account is None:
            return dead_link()
        return page_response(
            confirm_page(action=f"{self._path}/validate", token=token, email=account.email, username=account.username)
        )

    async def validate(self, request: AnyRequest) -> Response[str]:
        if await self._identity.validate((await body(request)).get("token", "")) is None:
            return dead_link()
        text = "Your account works now. Go back to where you signed up and sign in."
        return page_response(message_page("Your address is confirmed", text))

    async def token(self, request: AnyRequest) -> Response[Any]:
        return _answer(await self._identity.token(await form_request(request)))

    async def revoke(self, request: AnyRequest) -> Response[Any]:
        return _answer(await self._identity.revoke(await form_request(request)))

    async def sign_out(self, request: AnyRequest) -> Response[Any]:
        form = query(request) if request.method == "GET" else await form_request(request)
        answer = await self._identity.sign_out(form)
        if answer is None:
            return page_response(message_page("Signed out", "You can close this page."))
        return _answer_to_browser(answer)

    async def userinfo(self, request: AnyRequest) -> Response[Any]:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            claims = await self._identity.userinfo(token) if scheme.lower() == "bearer" else None
        except Unauthenticated:
            claims = None
        if claims is None:
            headers = {**NO_STORE, "WWW-Authenticate": 'Bearer error="invalid_token"'}
            return Response({"error": "invalid_token"}, status_code=401, headers=headers)
        return Response(claims, headers=NO_STORE)

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
        csrf, cookie = self._tokens.issue(request)
        page = sign_in_page(
            action=self._action(request),
            csrf=csrf,
            forgotten=f"{self._path}/password/forgot",
            email=email,
            error=error,
            resend_action=f"{self._path}/validate/resend" if resend else "",
        )
        return page_response(page, status, form_target=_origin(redirect_uri), cookies=[cookie])

    def _code_form(
        self, request: AnyRequest, redirect_uri: str, ticket: str, *, error: str = "", status: int = 200
    ) -> Response[str]:
        csrf, cookie = self._tokens.issue(request)
        page = code_page(action=self._action(request), csrf=csrf, ticket=ticket, error=error)
        return page_response(page, status, form_target=_origin(redirect_uri), cookies=[cookie])

    def _action(self, request: AnyRequest) -> str:
        return f"{self._path}/authorize?{request.scope['query_string'].decode('ascii')}"


def _origin(redirect_uri: str) -> str:
    """Browsers apply form-action to the redirect that answers the form, too."""
    target = urlsplit(redirect_uri)
    return f"{target.scheme}://{target.netloc}"


def _answer(answer: Answer) -> Response[Any]:
    headers = {name: value for name, value in answer.headers.items() if name.lower() != "content-type"}
    return Response(answer.body or {}, status_code=answer.status, headers={**headers, **NO_STORE})


def _answer_to_browser(answer: Answer) -> Response[Any]:
    if answer.location is not None:
        # 303: the browser must not repeat the POST, which holds the password, at the client (RFC 9700 §4.12).
        headers = {**NO_STORE, "Location": answer.location, "Referrer-Policy": "no-referrer"}
        return Response("", status_code=303, media_type=MediaType.TEXT, headers=headers)
    description = (answer.body or {}).get("error_description") or (answer.body or {}).get("error", "")
    text = f"The program that sent you here asked for something that cannot be: {description}"
    return page_response(message_page("This request is not valid", text), answer.status)


def _malformed(_: AnyRequest, __: MalformedForm) -> Response[Any]:
    body = {"error": "invalid_request", "error_description": "The request is malformed."}
    return Response(body, status_code=400, headers=NO_STORE)


def _failed(_: AnyRequest, error: BeepError) -> Response[Any]:
    busy = isinstance(error, ResourceExhausted)
    body = {"error": "slow_down" if busy else "temporarily_unavailable", "error_description": error.message}
    return Response(body, status_code=429 if busy else 503, headers=NO_STORE)


def identity_router(identity: EmbeddedIdentity, security: EmbeddedSecurity) -> Router:
    """The routes, at the issuer's path."""
    tokens = FormTokens(identity.issuer)
    endpoints = _Endpoints(identity, tokens)
    return Router(
        urlsplit(identity.issuer).path,
        route_handlers=[
            get("/.well-known/openid-configuration")(handler(endpoints.discovery)),
            get("/jwks")(handler(endpoints.jwks)),
            get("/authorize")(handler(endpoints.show_sign_in)),
            post("/authorize")(handler(endpoints.sign_in)),
            post("/token")(handler(endpoints.token)),
            post("/revoke")(handler(endpoints.revoke)),
            get("/userinfo")(handler(endpoints.userinfo)),
            get("/end-session")(handler(endpoints.sign_out)),
            post("/end-session")(handler(endpoints.sign_out)),
            get("/validate")(handler(endpoints.show_validation)),
            post("/validate")(handler(endpoints.validate)),
            post("/validate/resend")(handler(endpoints.resend)),
            *account_routes(security, identity.issuer, tokens),
        ],
        request_max_body_size=MAX_BODY_BYTES,
        exception_handlers={MalformedForm: _malformed, BeepError: _failed},
        include_in_schema=False,
    )
