"""Every identity provider that there is, for the suites that all must pass.

An adapter is a factory of a `Provider`: the ports themselves, and what a person does in a mailbox and a browser. The
Keycloak adapter joins the factories; nothing in the suites is about how the embedded one works.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final, Protocol

from services.users.identity.ports import AccountSecurity, AccountState, IdentityProvider, NewAccount
from tests.integration.users.embedded_identity import EmbeddedStack, embedded_stack
from tests.support.clock import ManualClock

ADA: Final = NewAccount("ada@example.org", "ada", "correct horse battery", "Ada")


class Provider(Protocol):
    port: IdentityProvider
    security: AccountSecurity
    clock: ManualClock

    async def mails(self, email: str) -> int:
        """How many mails the address has got."""
        ...

    async def validate(self, email: str) -> None:
        """Open the newest validation link."""
        ...

    async def sign_in(self, account: NewAccount, *, code: str = "") -> dict[str, Any] | None:
        """Authorization code with PKCE, as the public client `beep-cli`; None: a page refused, or asked for a code
        and got none."""
        ...

    async def follow_reset(self, email: str, password: str) -> bool:
        """Open the newest link to reset a password, and set one. False: the link is dead."""
        ...

    async def follow_email_change(self, email: str) -> bool:
        """Open the newest link that a new address has got, and confirm it. False: the link is dead."""
        ...

    async def refresh(self, refresh_token: str) -> dict[str, Any] | None: ...

    async def sign_out(self, tokens: dict[str, Any]) -> None:
        """At the provider, behind our back."""
        ...

    def ended(self) -> list[tuple[str, str]]:
        """What `SessionEnded` has been called with."""
        ...

    def changed(self) -> list[tuple[str, AccountState]]:
        """What `AccountChanged` has been called with."""
        ...


class Embedded:
    def __init__(self, stack: EmbeddedStack) -> None:
        self._stack = stack
        self.port: IdentityProvider = stack.identity
        self.security: AccountSecurity = stack.security
        self.clock = stack.clock

    async def mails(self, email: str) -> int:
        return len(await self._stack.mails(email))

    async def validate(self, email: str) -> None:
        await self._stack.validate(email)

    async def sign_in(self, account: NewAccount, *, code: str = "") -> dict[str, Any] | None:
        form = await self._stack.open_form()
        answer = await form.submit(account.email, account.password)
        if answer.status_code == 200 and code:
            answer = await form.enter_code(answer, code)
        if answer.status_code != 303:
            return None
        tokens: dict[str, Any] = (await self._stack.exchange(form, form.code(answer))).json()
        return tokens

    async def refresh(self, refresh_token: str) -> dict[str, Any] | None:
        answer = await self._stack.refresh(refresh_token)
        return answer.json() if answer.status_code == 200 else None

    async def sign_out(self, tokens: dict[str, Any]) -> None:
        await self._stack.http.get("/identity/end-session", params={"id_token_hint": tokens["id_token"]})

    async def follow_reset(self, email: str, password: str) -> bool:
        return await self._follow(email, "/password/reset", new_password=password)

    async def follow_email_change(self, email: str) -> bool:
        return await self._follow(email, "/email/confirm")

    async def _follow(self, email: str, page: str, **fields: str) -> bool:
        token = (await self._stack.tokens(email, page))[0]
        sent = await self._stack.http.post(f"/identity{page}", data={"token": token, **fields})
        assert sent.status_code in (200, 410), sent.text
        return sent.status_code == 200

    def ended(self) -> list[tuple[str, str]]:
        return self._stack.ended

    def changed(self) -> list[tuple[str, AccountState]]:
        return self._stack.changed


@asynccontextmanager
async def _embedded(path: Path) -> AsyncIterator[Provider]:
    async with embedded_stack(path) as stack:
        yield Embedded(stack)


FACTORIES: Final[Mapping[str, Callable[[Path], AbstractAsyncContextManager[Provider]]]] = {"embedded": _embedded}
