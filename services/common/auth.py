"""Who calls: the principal, and the internal token that carries it from service to service.

An edge authenticates an outside token once and then speaks for that principal with a short-lived token of Beep's own: a
JWT (RFC 7519) signed with Ed25519 (RFC 8037, RFC 9864), whose audience is the one service that may accept it. A service
that calls another on its own behalf is a principal too, so nothing inside is ever called by nobody.
"""

import os
from collections import OrderedDict
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, TypeVar

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from services.common.clock import Clock
from services.common.errors import PermissionDenied, Unauthenticated

ISSUER: Final = "beep"
UNVERIFIED: Final = "INVALID_INTERNAL_TOKEN"
"""The reason why a call is refused whose internal token does not count."""
ALGORITHMS: Final = ["Ed25519"]
LIFETIME_SECONDS: Final = 120
# A token is minted anew when less than this is left of it, so that no call starts with one about to expire.
RENEW_SECONDS: Final = 40
CACHE_ENTRIES: Final = 20_000

K = TypeVar("K")
V = TypeVar("V")


class PrincipalKind(Enum):
    USER = "user"
    BOT = "bot"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody whose identity has been verified. A service has a name and no user id."""

    kind: PrincipalKind
    user_id: int = 0
    service: str = ""
    auth_session_id: str = ""
    global_roles: tuple[str, ...] = ()

    @property
    def is_service(self) -> bool:
        return self.kind is PrincipalKind.SERVICE


_current: ContextVar[Principal] = ContextVar("principal")


def current_principal() -> Principal:
    """The verified caller of the RPC that is being served."""
    try:
        return _current.get()
    except LookupError:
        raise Unauthenticated("NO_PRINCIPAL", "This call carries no identity.") from None


class Serving:
    """Makes `principal` the current one while an RPC is served. Only `services.common.rpc` uses this.

    A send passes three of them: a class, because a generator as a context costs three times as much.
    """

    __slots__ = ("_principal", "_scope")

    def __init__(self, principal: Principal) -> None:
        self._principal = principal

    def __enter__(self) -> None:
        self._scope = _current.set(self._principal)

    def __exit__(self, *_: object) -> None:
        _current.reset(self._scope)


def current_user_id() -> int:
    """The id of the verified calling user or bot. Raises PermissionDenied for a service."""
    principal = current_principal()
    if principal.is_service:
        raise PermissionDenied("USER_REQUIRED", "Only a user or a bot can do this.")
    return principal.user_id


def require_service() -> Principal:
    """The verified calling service. Raises PermissionDenied for users and bots."""
    principal = current_principal()
    if not principal.is_service:
        raise PermissionDenied("SERVICE_REQUIRED", "Only a service of Beep can do this.")
    return principal


def load_or_create_key(path: Path) -> OKPKey:
    """The installation's key for internal tokens: made at the first start, readable by its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = OKPKey.generate_key("Ed25519", private=True)
        pending = path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key.as_pem(private=True))
            file.flush()
            os.fsync(file.fileno())
        # Of several processes that start at the same time one makes the key, and all read it.
        with suppress(FileExistsError):
            path.hardlink_to(pending)
        pending.unlink()
    return OKPKey.import_key(path.read_bytes())


class InternalTokens:
    """Mints and verifies internal tokens, remembering both results: a warm call costs two dictionary look-ups."""

    def __init__(self, key: OKPKey, clock: Clock) -> None:
        self._key = key
        self._clock = clock
        self._minted: OrderedDict[tuple[Principal, str], tuple[str, int]] = OrderedDict()
        self._verified: OrderedDict[tuple[str, str], tuple[Principal, int]] = OrderedDict()

    def mint(self, principal: Principal, audience: str) -> str:
        now = self._clock.now_ms() // 1000
        cached = self._minted.get((principal, audience))
        if cached is not None and cached[1] - now > RENEW_SECONDS:
            return cached[0]
        expires = now + LIFETIME_SECONDS
        claims: dict[str, object] = {
            "iss": ISSUER,
            "aud": audience,
            "sub": principal.service if principal.is_service else str(principal.user_id),
            "knd": principal.kind.value,
            "sid": principal.auth_session_id,
            "rol": list(principal.global_roles),
            "exp": expires,
        }
        token = jwt.encode({"alg": ALGORITHMS[0]}, claims, self._key, algorithms=ALGORITHMS)
        _remember(self._minted, (principal, audience), (token, expires))
        return token

    def verify(self, token: str, audience: str) -> Principal:
        """Raises Unauthenticated unless the token is ours, for this audience, and not expired."""
        now = self._clock.now_ms() // 1000
        cached = self._verified.get((token, audience))
        if cached is not None:
            if cached[1] > now:
                return cached[0]
            del self._verified[token, audience]
        try:
            claims = jwt.decode(token, self._key, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError):
            raise Unauthenticated(UNVERIFIED, "The internal token is not valid.") from None
        expires = claims.get("exp")
        if (
            claims.get("iss") != ISSUER
            or claims.get("aud") != audience
            or not isinstance(expires, int)
            or expires <= now
        ):
            raise Unauthenticated(UNVERIFIED, "The internal token is expired or not meant for this service.")
        kind = PrincipalKind(claims["knd"])
        is_service = kind is PrincipalKind.SERVICE
        principal = Principal(
            kind=kind,
            user_id=0 if is_service else int(claims["sub"]),
            service=claims["sub"] if is_service else "",
            auth_session_id=claims["sid"],
            global_roles=tuple(claims["rol"]),
        )
        _remember(self._verified, (token, audience), (principal, expires))
        return principal


def _remember(cache: OrderedDict[K, V], key: K, value: V) -> None:
    cache[key] = value
    if len(cache) > CACHE_ENTRIES:
        cache.popitem(last=False)
