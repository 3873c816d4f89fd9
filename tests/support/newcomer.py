"""Somebody who signs up and signs in, step by step, as a browser and a client do (RFC 6749, RFC 7636, OpenID Connect).

`services/cli/client.py` does it in one go, because there nothing is to go wrong.
"""

import asyncio
import base64
import hashlib
import html
import re
import secrets
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlsplit

import httpx

CLIENT_ID: Final = "beep-cli"
REDIRECT_URI: Final = "http://127.0.0.1:1/callback"
MAIL_SECONDS: Final = 10.0

_ACTION: Final = re.compile(r'<form[^>]*\baction="([^"]*)"')
_CSRF: Final = re.compile(r'name="csrf" value="([^"]*)"')
_TICKET: Final = re.compile(r'name="ticket" value="([^"]*)"')
_LINK: Final = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True)
class Account:
    email: str
    password: str
    username: str
    user_id: str
    token: str


@dataclass
class Newcomer:
    """Has an address and a password, and nothing at Beep yet. `verifier` is the secret of PKCE."""

    http: httpx.AsyncClient
    username: str
    email: str
    password: str
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    @classmethod
    def at(cls, url: str, name: str = "newcomer") -> Self:
        # Names are unique in a Beep, and tests share one.
        username = f"{name}_{secrets.token_hex(4)}"
        http = httpx.AsyncClient(base_url=url, timeout=20, verify=False)
        return cls(http, username, f"{username}@example.com", secrets.token_urlsafe(12))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def become_user(self) -> Account:
        """All of the steps below, without a misstep."""
        await self.register()
        await self.open_link(await self.validation_link())
        tokens = await self.exchange(await self.sign_in())
        token = tokens.json()["access_token"]
        user = (await self.http.get("/api/v10/users/@me", headers={"Authorization": token})).json()
        return Account(self.email, self.password, self.username, user["id"], token)

    async def register(self, **changed: str) -> httpx.Response:
        form = {"email": self.email, "username": self.username, "password": self.password}
        return await self.http.post("/api/beep/v1/auth/register", json=form | changed)

    async def mails(self, number: int = 1) -> list[dict[str, str]]:
        """The newest first, once there are as many: mail leaves after the answer to whoever caused it."""
        async with asyncio.timeout(MAIL_SECONDS):
            while True:
                asked = await self.http.get("/mail", params={"to": self.email}, headers={"Accept": "application/json"})
                found: list[dict[str, str]] = asked.json()
                if len(found) >= number:
                    return found

    async def validation_link(self, number: int = 1) -> str:
        """The link in the newest of so many mails."""
        link = _LINK.search((await self.mails(number))[0]["text"])
        assert link is not None
        return link[0]

    async def link(self, subject: str) -> str:
        """The link in the newest mail with this subject."""
        async with asyncio.timeout(MAIL_SECONDS):
            while True:
                for mail in await self.mails():
                    if mail["subject"] == subject:
                        found = _LINK.search(mail["text"])
                        assert found is not None
                        return found[0]

    async def open_link(self, link: str) -> httpx.Response:
        """Opens the page behind the link, and presses its button."""
        token = parse_qs(urlsplit(link).query)["token"][0]
        return await self.http.post(urlsplit(link).path, data={"token": token})

    async def authorize(self, **changed: str) -> httpx.Response:
        """Asks for the sign-in page. A parameter that is changed to "" is left out."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": CLIENT_ID,
            "redirect_uri": REDIRECT_URI,
            "scope": "openid profile email",
            "state": "the state",
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        } | changed
        return await self.http.get("/identity/authorize", params={key: value for key, value in asked.items() if value})

    async def submit(self, page: httpx.Response, password: str = "") -> httpx.Response:
        """Fills in the sign-in page and sends it."""
        action, csrf = _ACTION.search(page.text), _CSRF.search(page.text)
        assert action is not None, page.text
        assert csrf is not None, page.text
        fields = {"csrf": html.unescape(csrf[1]), "email": self.email, "password": password or self.password}
        return await self.http.post(html.unescape(action[1]), data=fields)

    async def enter_code(self, page: httpx.Response, code: str) -> httpx.Response:
        """Fills in the second page of a sign-in and sends it."""
        action, csrf, ticket = _ACTION.search(page.text), _CSRF.search(page.text), _TICKET.search(page.text)
        assert action is not None, page.text
        assert csrf is not None, page.text
        assert ticket is not None, page.text
        fields = {"csrf": html.unescape(csrf[1]), "ticket": html.unescape(ticket[1]), "otp": code}
        return await self.http.post(html.unescape(action[1]), data=fields)

    async def sign_in(self) -> str:
        """The code that the browser is sent back with."""
        return self.code(await self.submit(await self.authorize()))

    async def tokens(self) -> dict[str, Any]:
        """Those of one more session."""
        answer = await self.exchange(await self.sign_in())
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def code(self, answer: httpx.Response) -> str:
        """The code in the answer to a sign-in that succeeded."""
        assert answer.status_code == 303, answer.text
        callback = parse_qs(urlsplit(answer.headers["location"]).query)
        assert callback["state"] == ["the state"]
        return callback["code"][0]

    async def exchange(self, code: str, **changed: str) -> httpx.Response:
        """The client trades the code for tokens."""
        form = {
            "grant_type": "authorization_code",
            "client_id": CLIENT_ID,
            "code": code,
            "redirect_uri": REDIRECT_URI,
            "code_verifier": self.verifier,
        }
        return await self.token(**form | changed)

    async def refresh(self, refresh_token: str) -> httpx.Response:
        return await self.token(grant_type="refresh_token", client_id=CLIENT_ID, refresh_token=refresh_token)

    async def token(self, *, auth: Any = None, **form: str) -> httpx.Response:
        """A call to the token endpoint."""
        return await self.http.post("/identity/token", data=form, auth=auth or httpx.USE_CLIENT_DEFAULT)

    async def whoami(self, access_token: str) -> httpx.Response:
        return await self.http.get("/api/v10/users/@me", headers={"Authorization": f"Bearer {access_token}"})
