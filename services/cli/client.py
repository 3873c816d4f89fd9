"""A person at the public API: signs up, validates the mail, signs in. What `beep demo` and `beep token` are made of.

Only what anybody may call is called here; the sign-in walks through the provider's own page as a browser would
(authorization code with PKCE: RFC 6749 §4.1, RFC 7636; loopback redirect: RFC 8252 §7.3).
"""

import base64
import hashlib
import html
import re
import secrets
import time
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import httpx

from services.cli.errors import Refused, UserError

CLIENT_ID: Final = "beep-cli"
# Never listened on: the code is read from the redirect itself.
REDIRECT_URI: Final = "http://127.0.0.1:1/callback"
TIMEOUT_SECONDS: Final = 10.0
MAIL_TRIES: Final = 50
RATE_LIMIT_TRIES: Final = 5
MAIL_WAIT_SECONDS: Final = 0.1

_FORM_ACTION: Final = re.compile(r'<form[^>]*\baction="([^"]*)"', re.IGNORECASE)
_HIDDEN_INPUT: Final = re.compile(r"<input[^>]*>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r'([\w-]+)="([^"]*)"')
_ALERT: Final = re.compile(r'<p[^>]*\brole="alert"[^>]*>(.*?)</p>', re.DOTALL)
_MAIN: Final = re.compile(r"<(?:main|body)[^>]*>(.*?)</(?:main|body)>", re.DOTALL)
_LINK: Final = re.compile(r"https?://\S+")


class BeepClient:
    """One running Beep, by its public URL. Use it as a context manager. `transport`: instead of the network."""

    def __init__(self, url: str, transport: httpx.BaseTransport | None = None) -> None:
        if not url.startswith(("http://", "https://")):
            raise UserError(f"--url is http://HOST:PORT or https://HOST, not {url!r}.")
        if urlsplit(url).path.strip("/"):
            raise UserError(f"--url is Beep's address without a path: {urljoin(url, '/').rstrip('/')}, not {url}.")
        self.url = url.rstrip("/")
        self.api = f"{self.url}/api/v10"
        self._http = httpx.Client(timeout=TIMEOUT_SECONDS, headers={"User-Agent": "beep-cli"}, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def call(self, method: str, path: str, token: str = "", body: Any = None) -> Any:
        """One call to the API. `path` begins with `/api/`, or with another `/` for what is below /api/v10.

        Returns:
            The decoded JSON, or None when the answer has no body.

        Raises:
            Refused: with its status, and what the API said.
        """
        target = self.url + path if path.startswith("/api/") else self.api + path
        headers = {"Authorization": token} if token else {}
        options = {"headers": headers} if body is None else {"headers": headers, "json": body}
        for _ in range(RATE_LIMIT_TRIES):
            response = self._send(method, target, **options)
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            time.sleep(float(response.headers.get("Retry-After", "1")))
        if token and response.status_code == httpx.codes.UNAUTHORIZED:
            raise Refused("The token is not valid (any more). Get one: beep token EMAIL", response.status_code)
        if response.is_error:
            said = f"{method} {path} was refused with {response.status_code}: {_page_text(response)}"
            raise Refused(said, response.status_code)
        return self._json(response) if response.content else None

    def sign_up(self, email: str, username: str, password: str, global_name: str) -> None:
        """Registers an account and validates its address by the link in the local mail page."""
        self.call(
            "POST",
            "/api/beep/v1/auth/register",
            body={"email": email, "username": username, "password": password, "global_name": global_name},
        )
        self._follow_validation_link(email)

    def sign_in(self, email: str, password: str) -> str:
        """Returns an access token."""
        verifier = secrets.token_urlsafe(48)
        state = secrets.token_urlsafe(16)
        query = urlencode(
            {
                "response_type": "code",
                "client_id": CLIENT_ID,
                "redirect_uri": REDIRECT_URI,
                "scope": "openid profile email",
                "state": state,
                "code_challenge": _s256(verifier),
                "code_challenge_method": "S256",
            }
        )
        discovery = self._json(self._send("GET", f"{self.url}/identity/.well-known/openid-configuration"))
        try:
            authorize, exchange = discovery["authorization_endpoint"], discovery["token_endpoint"]
        except (KeyError, TypeError):
            raise self._not_beep() from None
        page = self._send("GET", f"{authorize}?{query}")
        action, fields = _login_form(page)
        answer = self._send("POST", action, data=fields | {"email": email, "password": password})
        location = answer.headers.get("location", "")
        if not location.startswith(REDIRECT_URI):
            raise UserError(f"Signing in as {email} was refused: {_page_text(answer)}")
        callback = parse_qs(urlsplit(location).query)
        if callback.get("state") != [state] or "code" not in callback:
            raise UserError(f"Signing in as {email} failed: {callback.get('error_description', callback.get('error'))}")
        tokens = self._send(
            "POST",
            exchange,
            data={
                "grant_type": "authorization_code",
                "client_id": CLIENT_ID,
                "code": callback["code"][0],
                "redirect_uri": REDIRECT_URI,
                "code_verifier": verifier,
            },
        )
        if tokens.is_error:
            raise UserError(f"Signing in as {email} failed: {_page_text(tokens)}")
        access_token: str = self._json(tokens)["access_token"]
        return access_token

    def _follow_validation_link(self, email: str) -> None:
        """Reads the link from the mail page that the embedded Beep shows to its own machine, and confirms it."""
        for _ in range(MAIL_TRIES):
            answer = self._send("GET", f"{self.url}/mail", params={"to": email}, headers={"Accept": "application/json"})
            if answer.is_error:
                raise UserError(
                    f"{self.url}/mail answered {answer.status_code}. Only a Beep with the embedded mail directory "
                    "shows its mails, and only to its own machine."
                )
            links = [link for mail in self._json(answer) for link in _LINK.findall(mail["text"]) if "token=" in link]
            if links:
                page, query = urlsplit(links[0]), parse_qs(urlsplit(links[0]).query)
                confirmed = self._send("POST", f"{self.url}{page.path}", data={"token": query["token"][0]})
                if confirmed.is_error:
                    raise UserError(f"The address {email} was not validated: {_page_text(confirmed)}")
                return
            # Mail leaves through a queue, so it may not be there yet.
            time.sleep(MAIL_WAIT_SECONDS)
        raise UserError(f"No validation mail for {email} arrived.")

    def _send(self, method: str, url: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **options)
        except httpx.HTTPError as error:
            raise UserError(
                f"No Beep answers at {self.url} ({error}). Start one with `beep up`, or name its --url."
            ) from None

    def _json(self, response: httpx.Response) -> Any:
        try:
            return response.json()
        except ValueError:
            raise self._not_beep() from None

    def _not_beep(self) -> UserError:
        return UserError(f"What answers at {self.url} is not Beep. --url is the address that `beep up` printed.")


def _s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _login_form(page: httpx.Response) -> tuple[str, dict[str, str]]:
    action = _FORM_ACTION.search(page.text)
    if page.is_error or action is None:
        raise UserError(f"The sign-in page answered {page.status_code}: {_page_text(page)}")
    inputs = [dict(_ATTRIBUTE.findall(tag)) for tag in _HIDDEN_INPUT.findall(page.text)]
    fields = {
        html.unescape(tag["name"]): html.unescape(tag.get("value", "")) for tag in inputs if tag.get("type") == "hidden"
    }
    return urljoin(str(page.url), html.unescape(action[1])), fields


def _page_text(page: httpx.Response) -> str:
    """What a page says: its alert if it has one, else its main part, without the mark-up."""
    said = _ALERT.search(page.text) or _MAIN.search(page.text)
    text = said[1] if said else page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).split())[:300]
