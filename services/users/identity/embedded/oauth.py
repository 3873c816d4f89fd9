"""The OAuth 2.1 and OpenID rules, which are Authlib's, and what they read and write, which is ours.

A `Provider` is made for one request and works on one connection, inside one write transaction of `identity.db`
(docs/adr/0006): so a code or refresh token is consumed in the same atomic step in which its successor is made. Nothing
in here waits for anything but SQLite; passwords were checked before.

Authlib is untyped: its classes are Any to the type checker, hence the ignores on every base class.
"""

import logging
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oauth2 import AuthorizationServer, OAuth2Request
from authlib.oauth2.rfc6749 import InvalidRequestError, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode
from authlib.oidc.rpinitiated import EndSessionEndpoint
from joserfc.jwk import KeySet

from services.users.identity.embedded import accounts, sessions
from services.users.identity.embedded.accounts import StoredAccount
from services.users.identity.embedded.clients import Client
from services.users.identity.embedded.keys import SigningKey
from services.users.identity.embedded.secrets import digest, new_secret
from services.users.identity.embedded.sessions import Code, RefreshToken, Session
from services.users.identity.embedded.tokens import (
    person_access_claims,
    person_claims,
    sid_of_signed,
    sign_access_token,
)
from services.users.identity.verifier import ALGORITHM

# At DEBUG Authlib logs every token that it issues.
logging.getLogger("authlib").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for every request.

    `audience` is who access tokens are for; lifetimes are in seconds.
    """

    issuer: str
    audience: str
    clients: Mapping[str, Client]
    key: SigningKey
    access_lifetime_s: int
    refresh_lifetime_s: int


@dataclass(frozen=True, slots=True)
class FormRequest:
    """A request as the HTTP side has parsed and bounded it: single-valued parameters of query or form."""

    method: str
    parameters: Mapping[str, str]
    authorization: str | None = None
    user_agent: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send: a JSON object, or nothing but headers (a redirect)."""

    status: int
    body: Mapping[str, Any] | None
    headers: Mapping[str, str]

    @property
    def location(self) -> str | None:
        return self.headers.get("Location")


class _Request(OAuth2Request):  # type: ignore[misc]
    def __init__(self, issuer: str, request: FormRequest) -> None:
        headers = {} if request.authorization is None else {"Authorization": request.authorization}
        # Authlib refuses plain http. Whether a deployment is reachable without TLS is decided by its public URL, and a
        # proxy may end TLS before us: the request's own scheme says nothing.
        super().__init__(request.method, issuer.replace("http://", "https://", 1), headers=headers)
        self.payload = BasicOAuth2Payload(dict(request.parameters))
        self._parameters = dict(request.parameters)
        self.user_agent = request.user_agent
        self.session: Session | None = None

    @property
    def form(self) -> dict[str, str]:
        return self._parameters

    @property
    def args(self) -> dict[str, str]:
        return self._parameters


class Provider(AuthorizationServer):  # type: ignore[misc]
    """Authlib's authorization server over one transaction. `now_ms` is the time of the request."""

    def __init__(self, rules: Rules, conn: sqlite3.Connection, now_ms: int) -> None:
        super().__init__()
        self.rules: Final = rules
        self.conn: Final = conn
        self.now_ms: Final = now_ms
        self.register_token_generator("default", self._issue)
        self.register_grant(_CodeGrant, [_S256Only(required=True), _IdToken(self)])
        self.register_grant(_RefreshGrant)
        self.register_grant(_ServiceGrant)
        self.register_endpoint(_Revocation)
        self.register_endpoint(_EndSession)

    @property
    def refresh_expiry_ms(self) -> int:
        return self.now_ms + self.rules.refresh_lifetime_s * 1000

    def query_client(self, client_id: str) -> Client | None:
        return self.rules.clients.get(client_id)

    def create_oauth2_request(self, request: FormRequest) -> _Request:
        return _Request(self.rules.issuer, request)

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        return Answer(status, body or None, dict(headers))

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def save_token(self, token: Mapping[str, Any], request: _Request) -> None:
        if "refresh_token" in token and request.session is not None:
            scope = token.get("scope", "")
            sessions.add_refresh_token(self.conn, token["refresh_token"], request.session.sid, scope)

    def _issue(
        self,
        *,
        grant_type: str,
        client: Client,
        user: "SignedIn | None",
        scope: str | None,
        expires_in: int | None,
        include_refresh_token: bool,
    ) -> dict[str, Any]:
        granted = client.get_allowed_scope(scope)
        lifetime = expires_in or self.rules.access_lifetime_s
        now = self.now_ms // 1000
        claims: dict[str, Any] = {
            "iss": self.rules.issuer,
            "aud": self.rules.audience,
            "sub": client.client_id,
            "azp": client.client_id,
            "client_id": client.client_id,
            "iat": now,
            "exp": now + lifetime,
            "jti": new_secret(),
            "scope": granted,
        }
        if user is not None:
            claims |= person_access_claims(user.account, user.session, granted)
        token = {
            "token_type": "Bearer",
            "access_token": sign_access_token(self.rules.key, claims),
            "expires_in": lifetime,
            "scope": granted,
        }
        return token | ({"refresh_token": new_secret()} if include_refresh_token else {})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Authlib's "user": an account in one session."""

    account: StoredAccount
    session: Session


class _CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def save_authorization_code(self, code: str, request: _Request) -> None:
        data, user = request.payload.data, request.user
        sessions.forget_expired(
            self.server.conn, now_ms=self.server.now_ms, grace_ms=self.server.rules.access_lifetime_s * 1000
        )
        session = Session(
            new_secret(), user.subject, request.client.client_id, request.scope,
            self.server.now_ms // 1000, self.server.refresh_expiry_ms,
            user_agent=request.user_agent, second_factor=request.user.second_factor,
        )  # fmt: skip
        sessions.begin(self.server.conn, session)
        issued = Code(digest(code), session, data["redirect_uri"], data["code_challenge"], data.get("nonce", ""))
        sessions.add_code(self.server.conn, issued, now_ms=self.server.now_ms)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        return sessions.find_code(self.server.conn, code, client.client_id, now_ms=self.server.now_ms)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        # Kept, as used, so that a second use is seen.
        sessions.use_code(self.server.conn, authorization_code, now_ms=self.server.now_ms)

    def authenticate_user(self, authorization_code: Code) -> SignedIn | None:
        return _signed_in(self, authorization_code.session)


class _S256Only(CodeChallenge):  # type: ignore[misc]
    """PKCE (RFC 7636) always, and never `plain`: the challenge then is a secret that redirects carry in the open."""

    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: _CodeGrant, redirect_uri: str) -> None:
        data = grant.request.payload.data
        if not data.get("code_challenge") or data.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: send code_challenge and code_challenge_method=S256.")
        super().validate_code_challenge(grant, redirect_uri)


class _IdToken(OpenIDCode):  # type: ignore[misc]
    """The ID token of OpenID Connect Core §2, when the scope has `openid`."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(require_nonce=False)
        self._provider = provider

    def exists_nonce(self, nonce: str, request: _Request) -> bool:
        # A nonce binds the ID token to the client's browser session and is the client's to check (Core §15.5.2).
        return False

    def resolve_client_private_key(self, client: Client) -> Any:
        return self._provider.rules.key.private

    def get_encode_header(self, client: Client) -> dict[str, str]:
        return {"alg": ALGORITHM, "kid": self._provider.rules.key.kid, "typ": "JWT"}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        now = self._provider.now_ms // 1000
        lifetime = self._provider.rules.access_lifetime_s
        return {"iss": self._provider.rules.issuer, "aud": client.client_id, "iat": now, "exp": now + lifetime}

    def generate_user_info(self, user: SignedIn, scope: str) -> dict[str, Any]:
        return {**person_claims(user.account, scope), "sid": user.session.sid, "typ": "ID"}


class _RefreshGrant(grants.RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshToken | None:
        return sessions.find_refresh_token(
            self.server.conn, refresh_token, self.request.client.client_id, now_ms=self.server.now_ms
        )

    def authenticate_user(self, refresh_token: RefreshToken) -> SignedIn | None:
        return _signed_in(self, refresh_token.session)

    def revoke_old_credential(self, refresh_token: RefreshToken) -> None:
        sessions.use_refresh_token(
            self.server.conn, refresh_token, now_ms=self.server.now_ms, expires_at_ms=self.server.refresh_expiry_ms
        )


def _signed_in(grant: _CodeGrant | _RefreshGrant, session: Session) -> SignedIn | None:
    account = accounts.find(grant.server.conn, session.subject)
    grant.request.session = session
    return SignedIn(account, session) if account is not None and account.works else None


class _ServiceGrant(grants.ClientCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic", "client_secret_post")


class _Revocation(RevocationEndpoint):  # type: ignore[misc]
    """RFC 7009 for refresh tokens, and for access tokens of sessions: either ends the whole session."""

    CLIENT_AUTH_METHODS = ("none",)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Session | None:
        sid = sid_of_signed(self.server.rules.key, token_string)
        if sid is not None:
            return sessions.find(self.server.conn, sid, now_ms=self.server.now_ms)
        return sessions.of_refresh_token(self.server.conn, token_string)

    def revoke_token(self, token: Session, request: _Request) -> None:
        sessions.end(self.server.conn, token.sid, now_ms=self.server.now_ms)


class _EndSession(EndSessionEndpoint):  # type: ignore[misc]
    """RP-initiated logout 1.0."""

    def get_server_jwks(self) -> KeySet:
        return KeySet([self.server.rules.key.private])

    def get_algorithms(self) -> list[str]:
        return [ALGORITHM]

    def validate_request(self, request: _Request) -> Any:
        try:
            return super().validate_request(request)
        except ValueError:
            raise InvalidRequestError("The id_token_hint is not a token.") from None

    def end_session(self, end_session_request: Any) -> None:
        sid = (end_session_request.id_token_claims or {}).get("sid")
        if isinstance(sid, str):
            sessions.end(self.server.conn, sid, now_ms=self.server.now_ms)
