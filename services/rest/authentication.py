"""Whose token this is: asked once, remembered for a moment, forgotten when it is revoked."""

import hashlib
import logging
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from beep.users.v1.tokens_service_pb2 import (
    TOKEN_SCHEME_ANY,
    TOKEN_SCHEME_BEARER,
    TOKEN_SCHEME_BOT,
    AuthenticateRequest,
    TokenScheme,
)
from services.common.auth import Principal, PrincipalKind
from services.common.bus import ACCOUNT_REVOKED, SESSION_REVOKED, Bus, HistoryLost, shard_id, user_shard
from services.common.clock import Clock
from services.common.errors import Unauthenticated

if TYPE_CHECKING:
    from beep.users.v1.tokens_service_pb2 import AuthenticateResponse
    from beep.users.v1.tokens_service_pb2_grpc import TokensServiceAsyncStub
    from beep.users.v1.user_pb2 import User

logger = logging.getLogger(__name__)

REMEMBER_SECONDS: Final = 30.0
REMEMBERED_TOKENS: Final = 10_000
TOKEN_BYTES: Final = 8192
# A revocation may arrive while a token is being checked; then it is checked again. This many in a row mean a storm,
# in which the answer is used once and not remembered.
_TRIES: Final = 3

_SCHEMES: Final = {"bot": TOKEN_SCHEME_BOT, "bearer": TOKEN_SCHEME_BEARER}


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose token counts."""

    principal: Principal
    user: "User"

    @property
    def user_id(self) -> int:
        return self.principal.user_id


def parse_authorization(header: str) -> tuple[TokenScheme.ValueType, str]:
    """`Bearer T`, `Bot T`, or T alone, which is how Discord's own clients send a person's token (RFC 9110 §11.6.2).

    Raises Unauthenticated.
    """
    word, _, rest = header.strip().partition(" ")
    scheme = _SCHEMES.get(word.lower()) if rest else TOKEN_SCHEME_ANY
    token = rest.strip() if rest else word
    if scheme is None or not token or len(token) > TOKEN_BYTES or not token.isascii() or not token.isprintable():
        raise Unauthenticated("UNAUTHENTICATED", "There is no usable token in this request.")
    return scheme, token


class Authenticator:
    """Remembers who a token belongs to, for at most `REMEMBER_SECONDS`, by its digest: never the token itself.

    A revocation is seen at once. What this process signed out is dropped before the sign-out is acknowledged
    (`forget`); what others did arrives by the bus (`follow_revocations`). So that nothing slips in between, the user's
    shard is followed first and the token checked after that, and whatever was being checked while any revocation
    arrived is checked again.
    """

    def __init__(self, tokens: "TokensServiceAsyncStub", bus: Bus, clock: Clock) -> None:
        self._tokens = tokens
        self._bus = bus
        self._clock = clock
        self._remembered: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._by_user: dict[int, set[bytes]] = {}
        self._revocations = 0
        self._subscription = bus.subscribe(())

    @property
    def followed_users(self) -> int:
        """Of how many users revocations are followed."""
        return len(self._by_user)

    def remembered(self, header: str) -> Caller | None:
        """The caller, when this very header was good a moment ago."""
        entry = self._remembered.get(_digest(header))
        return entry[0] if entry is not None and entry[1] > self._clock.monotonic() else None

    async def authenticate(self, header: str) -> Caller:
        """Raises Unauthenticated, or Unavailable when nobody can tell."""
        scheme, token = parse_authorization(header)
        user_id = 0
        try:
            for _ in range(_TRIES):
                revocations = self._revocations
                answer = await self._tokens.Authenticate(AuthenticateRequest(token=token, scheme=scheme))
                user_id = answer.user.id
                if user_id not in self._by_user:
                    self._by_user[user_id] = set()
                    self._subscription.add(user_shard(user_id))
                    # It may have been revoked between the check and the subscription: only a second check can tell.
                    continue
                if revocations == self._revocations:
                    self._remember(_digest(header), user_id, answer)
                    break
            return _caller(answer)
        finally:
            self._unfollow_unless_needed(user_id)

    def forget(self, user_id: int) -> None:
        """Check this user's tokens again from now on."""
        self._revocations += 1
        for digest in self._by_user.get(user_id, ()):
            self._remembered.pop(digest, None)
        if self._by_user.pop(user_id, None) is not None:
            self._subscription.discard(user_shard(user_id))

    async def follow_revocations(self) -> None:
        """Runs until `close`."""
        while True:
            try:
                async for batch in self._subscription:
                    for record in batch:
                        if record.envelope.type in (SESSION_REVOKED, ACCOUNT_REVOKED):
                            self.forget(shard_id(record.envelope.shard))
                return
            except HistoryLost:
                logger.warning("rest_revocations_missed")
                self._forget_everybody()

    def close(self) -> None:
        self._subscription.close()

    def _remember(self, digest: bytes, user_id: int, answer: "AuthenticateResponse") -> None:
        seconds = REMEMBER_SECONDS
        if answer.expires_at_ms:
            seconds = min(seconds, (answer.expires_at_ms - self._clock.now_ms()) / 1000)
        self._remembered[digest] = (_caller(answer), self._clock.monotonic() + seconds)
        self._remembered.move_to_end(digest)
        self._by_user[user_id].add(digest)
        if len(self._remembered) > REMEMBERED_TOKENS:
            oldest, (caller, _) = self._remembered.popitem(last=False)
            self._by_user[caller.user_id].discard(oldest)
            self._unfollow_unless_needed(caller.user_id)

    def _unfollow_unless_needed(self, user_id: int) -> None:
        if self._by_user.get(user_id) == set():
            del self._by_user[user_id]
            self._subscription.discard(user_shard(user_id))

    def _forget_everybody(self) -> None:
        self._revocations += 1
        self._remembered.clear()
        self._by_user.clear()
        self._subscription.close()
        self._subscription = self._bus.subscribe(())


def _digest(header: str) -> bytes:
    return hashlib.blake2b(header.encode(), digest_size=16).digest()


def _caller(answer: "AuthenticateResponse") -> Caller:
    user = answer.user
    return Caller(
        Principal(
            kind=PrincipalKind.BOT if user.bot else PrincipalKind.USER,
            user_id=user.id,
            auth_session_id=answer.auth_session_id,
            global_roles=tuple(answer.global_roles),
        ),
        user,
    )
