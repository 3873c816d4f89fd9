"""Pages for who cannot sign in, or follows the link of a mail: a forgotten password, a new address."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler

from services.common.errors import InvalidArgument, ResourceExhausted
from services.users.domain.email import normalise_email
from services.users.domain.password import check_password
from services.users.identity.embedded.pages import (
    confirm_page,
    forgotten_password_page,
    message_page,
    new_password_page,
)
from services.users.identity.embedded.security import EmbeddedSecurity
from services.users.identity.embedded.web import (
    AnyRequest,
    FormTokens,
    body,
    dead_link,
    expired_form,
    handler,
    page_response,
    query,
)
from services.users.identity.ports import DeadLink


class _Pages:
    def __init__(self, security: EmbeddedSecurity, issuer: str, tokens: FormTokens) -> None:
        self._security = security
        self._path = urlsplit(issuer).path
        self._tokens = tokens

    async def show_forgotten(self, request: AnyRequest) -> Response[str]:
        csrf, cookie = self._tokens.issue(request)
        page = forgotten_password_page(action=f"{self._path}/password/forgot", csrf=csrf)
        return page_response(page, cookies=[cookie])

    async def send_reset(self, request: AnyRequest) -> Response[str]:
        fields = await body(request)
        if not self._tokens.accepts(request, fields):
            return expired_form()
        try:
            await self._security.send_password_reset(normalise_email(fields.get("email", "")))
        except InvalidArgument as error:
            return page_response(message_page("Not an address", error.violations[0].message), 400)
        except ResourceExhausted as error:
            return page_response(message_page("Too many mails", error.message), 429)
        text = "If this address has an account, a link to set a new password is there."
        return page_response(message_page("Look into your mailbox", text))

    async def show_reset(self, request: AnyRequest) -> Response[str]:
        token = query(request).parameters.get("token", "")
        account = await self._security.account_of_reset(token)
        return dead_link() if account is None else self._new_password(token, account[1])

    async def reset(self, request: AnyRequest) -> Response[str]:
        fields = await body(request)
        token, password = fields.get("token", ""), fields.get("new_password", "")
        account = await self._security.account_of_reset(token)
        if account is None:
            return dead_link()
        email, username = account
        try:
            check_password(password, email=email, username=username)
            await self._security.reset_password(token, password)
        except InvalidArgument as error:
            return self._new_password(token, username, error=error.violations[0].message)
        except DeadLink:
            return dead_link()
        text = "You can sign in with it now. You were signed out everywhere."
        return page_response(message_page("Your password is set", text))

    async def show_new_address(self, request: AnyRequest) -> Response[str]:
        token = query(request).parameters.get("token", "")
        change = await self._security.address_of_change(token)
        if change is None:
            return dead_link()
        email, username = change
        action = f"{self._path}/email/confirm"
        return page_response(confirm_page(action=action, token=token, email=email, username=username))

    async def confirm_new_address(self, request: AnyRequest) -> Response[str]:
        try:
            await self._security.confirm_email_change((await body(request)).get("token", ""))
        except DeadLink:
            return dead_link()
        return page_response(message_page("Your address is confirmed", "You sign in with it from now on."))

    def _new_password(self, token: str, username: str, *, error: str = "") -> Response[str]:
        action = f"{self._path}/password/reset"
        page = new_password_page(action=action, token=token, username=username, error=error)
        return page_response(page, 400 if error else 200)


def account_routes(security: EmbeddedSecurity, issuer: str, tokens: FormTokens) -> Sequence[HTTPRouteHandler]:
    """The routes, below the issuer's path."""
    pages = _Pages(security, issuer, tokens)
    routes: list[Any] = [
        get("/password/forgot")(handler(pages.show_forgotten)),
        post("/password/forgot")(handler(pages.send_reset)),
        get("/password/reset")(handler(pages.show_reset)),
        post("/password/reset")(handler(pages.reset)),
        get("/email/confirm")(handler(pages.show_new_address)),
        post("/email/confirm")(handler(pages.confirm_new_address)),
    ]
    return routes
