"""The embedded identity provider behind its HTTP side, and a browser and a client to use it with."""

import base64
import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx
from argon2 import PasswordHasher
from litestar import Litestar

from services.common.sqlite import Database
from services.users.identity.embedded import keys, schema
from services.users.identity.embedded.announcements import Announcements
from services.users.identity.embedded.clients import registered_clients
from services.users.identity.embedded.code_check import CodeCheck
from services.users.identity.embedded.http import identity_router
from services.users.identity.embedded.oauth import Rules
from services.users.identity.embedded.passwords import Passwords
from services.users.identity.embedded.provider import EmbeddedIdentity
from services.users.identity.embedded.second_factor import SecretBox
from services.users.identity.embedded.security import EmbeddedSecurity
from services.users.identity.embedded.sign_in_guesses import SignInGuesses
from services.users.identity.ports import AccountState, NewAccount
from services.users.identity.verifier import TokenVerifier
from services.users.mail.directory import MailDirectory, ReceivedMail
from services.users.mail.outbox import MailRelay
from tests.support.clock import ManualClock

ORIGIN: Final = "http://localhost:8080"
ISSUER: Final = f"{ORIGIN}/identity"
CLI_REDIRECT: Final = "http://127.0.0.1:43210/callback"
WEB_REDIRECT: Final = f"{ORIGIN}/app/callback"
PASSWORD: Final = "correct horse battery"
SERVICE_SECRET: Final = "a-service-secret-of-some-length"


class Browser:
    """A person's browser and the client that sent it, at a provider's HTTP side."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def open_form(self, **parameters: str) -> "SignInForm":
        """The sign-in page of an authorization request; parameters given as empty are left out."""
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": "beep-cli",
            "redirect_uri": CLI_REDIRECT,
            "scope": "openid profile email",
            "state": "the state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | parameters
        query = {name: value for name, value in query.items() if value}
        return SignInForm(self.http, query, verifier, await self.http.get("/identity/authorize", params=query))

    async def sign_in(self, email: str = "ada@example.org", **parameters: str) -> dict[str, Any]:
        """The tokens of a new session."""
        form = await self.open_form(**parameters)
        answer = await form.submit(email, PASSWORD)
        assert answer.status_code == 303, answer.text
        tokens = await self.exchange(form, form.code(answer))
        assert tokens.status_code == 200, tokens.text
        found: dict[str, Any] = tokens.json()
        return found

    async def exchange(self, form: "SignInForm", code: str, **changes: str) -> httpx.Response:
        return await self.post_token(
            grant_type="authorization_code",
            code=code,
            **{
                "client_id": form.query["client_id"],
                "redirect_uri": form.query["redirect_uri"],
                "code_verifier": form.verifier,
                **changes,
            },
        )

    async def refresh(self, refresh_token: str, client_id: str = "beep-cli") -> httpx.Response:
        return await self.post_token(grant_type="refresh_token", refresh_token=refresh_token, client_id=client_id)

    async def post_token(self, **form: str) -> httpx.Response:
        fields = {name: value for name, value in form.items() if value}
        return await self.http.post("/identity/token", data=fields)


class EmbeddedStack(Browser):
    """One provider. `ended` lists the sessions whose end it told of."""

    def __init__(
        self,
        identity: EmbeddedIdentity,
        security: EmbeddedSecurity,
        clock: ManualClock,
        relay: MailRelay,
        mailbox: MailDirectory,
    ) -> None:
        self.identity = identity
        self.security = security
        self.clock = clock
        self.ended: list[tuple[str, str]] = []
        self.changed: list[tuple[str, AccountState]] = []
        self.crash_when_told = False
        self._relay = relay
        self._mailbox = mailbox
        app = Litestar([identity_router(identity, security)], openapi_config=None)
        super().__init__(httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN))
        self.verifier = TokenVerifier(issuers={ISSUER}, audience="beep", keys=identity.keys, clock=clock)

    async def mails(self, to: str) -> Sequence[ReceivedMail]:
        await self._relay.drain()
        return await self._mailbox.list(to)

    async def validation_tokens(self, email: str) -> list[str]:
        """The tokens of the validation links that the address has got, newest first."""
        return await self.tokens(email, "/validate")

    async def tokens(self, email: str, page: str) -> list[str]:
        """The tokens of the links to a page that the address has got, newest first."""
        found = [re.search(rf"{re.escape(page)}\?token=(\S+)", mail.text) for mail in await self.mails(email)]
        return [match[1] for match in found if match]

    async def validate(self, email: str) -> None:
        (token, *_) = await self.validation_tokens(email)
        page = await self.http.post("/identity/validate", data={"token": token})
        assert page.status_code == 200, page.text

    async def register(self, email: str = "ada@example.org", username: str = "ada") -> None:
        await self.identity.register(NewAccount(email, username, PASSWORD, "Ada"))

    async def member(self, email: str = "ada@example.org", username: str = "ada") -> None:
        """An account that works."""
        await self.register(email, username)
        await self.validate(email)


class SignInForm:
    """The page that asks for a password, as a browser without scripts sees it."""

    def __init__(self, http: httpx.AsyncClient, query: dict[str, str], verifier: str, page: httpx.Response) -> None:
        self.query = query
        self.verifier = verifier
        self.page = page
        self._http = http

    async def submit(self, email: str, password: str) -> httpx.Response:
        action = re.search(r'action="([^"]+)"', self.page.text)
        csrf = re.search(r'name="csrf" value="([^"]+)"', self.page.text)
        assert action, self.page.text
        assert csrf
        return await self._http.post(unescape(action[1]), data={"csrf": csrf[1], "email": email, "password": password})

    async def enter_code(self, page: httpx.Response, code: str) -> httpx.Response:
        """Sends the second page."""
        fields = {
            name: unescape(match[1])
            for name in ("csrf", "ticket")
            if (match := re.search(rf'name="{name}" value="([^"]+)"', page.text))
        }
        action = re.search(r'action="([^"]+)"', page.text)
        assert action, page.text
        return await self._http.post(unescape(action[1]), data=fields | {"otp": code})

    def code(self, answer: httpx.Response) -> str:
        target = urlsplit(answer.headers["location"])
        assert f"{target.scheme}://{target.netloc}{target.path}" == self.query["redirect_uri"]
        parameters = parse_qs(target.query)
        assert parameters["state"] == [self.query["state"]]
        return parameters["code"][0]


@asynccontextmanager
async def embedded_stack(path: Path) -> AsyncIterator[EmbeddedStack]:
    clock = ManualClock()
    db = await Database.open(path / "identity.db", schema.MIGRATIONS)
    mailbox = MailDirectory(path / "mail", clock)
    relay = MailRelay(db, mailbox, clock)
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    rules = Rules(
        issuer=ISSUER,
        audience="beep",
        clients=registered_clients(
            web_redirect_uris=frozenset({WEB_REDIRECT}), service_secrets={"beep-importer": SERVICE_SECRET}
        ),
        key=keys.load_or_create(path / "identity.pem"),
        access_lifetime_s=8 * 3600,
        refresh_lifetime_s=30 * 24 * 3600,
    )

    async def session_ended(sid: str, subject: str) -> None:
        if stack.crash_when_told:
            raise ConnectionAbortedError
        stack.ended.append((sid, subject))

    async def account_changed(subject: str, state: AccountState) -> None:
        stack.changed.append((subject, state))

    box = SecretBox(bytes(32))
    guesses = SignInGuesses(clock)
    codes = CodeCheck(db, box, clock)
    announcements = Announcements(db, session_ended, clock)
    identity = EmbeddedIdentity(
        db=db,
        rules=rules,
        passwords=passwords,
        mail=relay,
        guesses=guesses,
        codes=codes,
        announcements=announcements,
        clock=clock,
    )
    security = EmbeddedSecurity(
        db=db,
        issuer=ISSUER,
        passwords=passwords,
        mail=relay,
        box=box,
        sign_ins=guesses,
        codes=codes,
        announcements=announcements,
        account_changed=account_changed,
        clock=clock,
    )
    stack = EmbeddedStack(identity, security, clock, relay, mailbox)
    await identity.start()
    try:
        yield stack
    finally:
        await stack.http.aclose()
        await relay.close()
        passwords.close()
        await db.close()
