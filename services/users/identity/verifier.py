"""Verification of access tokens (RFC 7519, RFC 9068) against a provider's published keys.

The one place where the signature of an outside token is judged, whichever provider signed it.
"""

import base64
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from services.common.clock import Clock
from services.common.errors import Unauthenticated

MAX_TOKEN_BYTES: Final = 8192
KEYS_REFETCH_MS: Final = 10_000
"""The least time between two fetches of the keys, so that tokens with invented key ids cost the provider nothing."""
CLOCK_SKEW_S: Final = 30

ALGORITHM: Final = "ES256"
"""The only one, here and in the realm that is imported into Keycloak. With an HMAC beside it, a public key could be
used as a shared secret."""


class _Header(msgspec.Struct):
    alg: str
    kid: str
    typ: str = ""


class _RealmAccess(msgspec.Struct):
    roles: list[str] = []


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    aud: str | list[str]
    exp: int
    iat: int
    sid: str = ""
    typ: str = ""
    scope: str = ""
    nbf: int = 0
    preferred_username: str = ""
    name: str = ""
    email: str = ""
    email_verified: bool = False
    realm_access: _RealmAccess = msgspec.field(default_factory=_RealmAccess)


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a valid access token says. `sid` is empty for a service's token (client credentials)."""

    subject: str
    sid: str
    issued_at_s: int
    expires_at_s: int
    username: str
    global_name: str
    email: str
    email_verified: bool
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


def _refused(why: str) -> Unauthenticated:
    return Unauthenticated("INVALID_TOKEN", f"The access token is not valid: {why}.")


class TokenVerifier:
    """Verifies access tokens of one provider for one audience. `issuers`: its names, also those that it once had."""

    def __init__(
        self, *, issuers: Collection[str], audience: str, keys: Callable[[], Awaitable[Mapping[str, Any]]], clock: Clock
    ) -> None:
        self._issuers = frozenset(issuers)
        self._audience = audience
        self._fetch = keys
        self._clock = clock
        self._keys: dict[str, ECKey] = {}
        self._fetched_at_ms: int | None = None

    async def verify(self, token: str) -> VerifiedToken:
        """The claims of a token whose signature, issuer, audience, type and times are right; else Unauthenticated.

        Whether its session was signed out is not asked here.
        """
        if len(token) > MAX_TOKEN_BYTES or not token.isascii() or token.count(".") != 2:
            raise _refused("it is not a JWT")
        header = _decode_header(token.split(".", 1)[0])
        if header.alg != ALGORITHM:
            raise _refused(f"it is not signed with {ALGORITHM}")
        key = await self._key(header.kid)
        try:
            payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
        except (JoseError, ValueError):
            raise _refused("the signature is wrong") from None
        try:
            claims = msgspec.json.decode(payload, type=_Claims)
        except (msgspec.ValidationError, msgspec.DecodeError):
            raise _refused("its claims are malformed") from None
        self._check(header, claims)
        return VerifiedToken(
            subject=claims.sub,
            sid=claims.sid,
            issued_at_s=claims.iat,
            expires_at_s=claims.exp,
            username=claims.preferred_username,
            global_name=claims.name,
            email=claims.email,
            email_verified=claims.email_verified,
            roles=tuple(claims.realm_access.roles),
            scopes=tuple(claims.scope.split()),
        )

    def _check(self, header: _Header, claims: _Claims) -> None:
        now = self._clock.now_ms() // 1000
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if claims.iss not in self._issuers:
            raise _refused("another issuer made it")
        if self._audience not in audiences:
            raise _refused("it is meant for another audience")
        # RFC 9068 says it in the header, Keycloak in a claim. Without the check an ID token would open the API.
        if header.typ != "at+jwt" and claims.typ != "Bearer":
            raise _refused("it is not an access token")
        if not claims.sub or len(claims.sub) > 255 or len(claims.sid) > 255:
            raise _refused("its subject is malformed")
        if claims.exp <= now:
            raise Unauthenticated("TOKEN_EXPIRED", "The access token has expired.")
        if max(claims.iat, claims.nbf) > now + CLOCK_SKEW_S:
            raise _refused("it is not valid yet")

    async def _key(self, kid: str) -> ECKey:
        if kid not in self._keys:
            await self._refresh()
        if kid not in self._keys:
            raise _refused("no such key")
        return self._keys[kid]

    async def _refresh(self) -> None:
        now = self._clock.now_ms()
        if self._fetched_at_ms is not None and 0 <= now - self._fetched_at_ms < KEYS_REFETCH_MS:
            return
        found: dict[str, ECKey] = {}
        for jwk in (await self._fetch())["keys"]:
            if jwk.get("crv") == "P-256" and jwk.get("use", "sig") == "sig" and jwk.get("kid"):
                found[jwk["kid"]] = ECKey.import_key(jwk)
        self._keys = found
        # Only now: a provider that did not answer (Unavailable) is asked again by the next request.
        self._fetched_at_ms = now


def _decode_header(segment: str) -> _Header:
    try:
        raw = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
        return msgspec.json.decode(raw, type=_Header)
    except (ValueError, msgspec.MsgspecError):
        raise _refused("its header is malformed") from None
