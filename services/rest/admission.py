"""Who may have a request handled at all: a known caller, within the limits."""

import hashlib
import ipaddress
from functools import lru_cache
from typing import Any, Final

from litestar import Request
from litestar.exceptions import HTTPException
from litestar.types import Scope

from services.common.clock import Clock
from services.common.errors import Unauthenticated
from services.rest.authentication import Authenticator, Caller
from services.rest.config import RateLimits
from services.rest.rate_limit import Limit, Verdict, Windows, whole_seconds
from services.rest.request import CALLER

# Put in a route's `opt`.
OPEN: Final = "open"
"""True: no token needed."""
LIMIT: Final = "limit"
"""The name of the RateLimits field for this route; without it, `route`."""

HEADERS: Final = "beep.headers"
"""In the scope: what `front` adds to the answer, whichever it is."""

# A limit holds for each of these in a path, and for all others together: https://docs.discord.com/developers/topics/rate-limits
_MAJOR: Final = ("channel_id", "server_id", "webhook_id")

_ID_DIGITS: Final = 20

RawHeaders = list[tuple[bytes, bytes]]


class TooManyRequests(HTTPException):
    """Answered with 429."""

    status_code = 429

    def __init__(self, retry_after: float, scope: str) -> None:
        super().__init__()
        self.retry_after: Final = retry_after
        self.scope: Final = scope


class Admission:
    """Runs before every handler (`before_request`), and for what has no handler (`count_unrouted`)."""

    def __init__(self, authenticator: Authenticator, limits: RateLimits | None, clock: Clock) -> None:
        self._authenticator = authenticator
        self._limits = limits
        self._clock = clock
        self._routes = Windows()
        # Apart, so that somebody who makes up channel ids does not push out anybody's total.
        self._totals = Windows()

    async def admit(self, request: Request[Any, Any, Any]) -> None:
        """Raises Unauthenticated or TooManyRequests."""
        scope, route = request.scope, request.route_handler.opt
        header = request.headers.get("authorization")
        caller = await self._identify(scope, header) if header and not route.get(OPEN) else None
        if caller is None and not route.get(OPEN):
            raise Unauthenticated("UNAUTHENTICATED", "This needs a token.")
        scope[CALLER] = caller  # type: ignore[typeddict-unknown-key]  # Litestar names its own keys only
        if self._limits is None:
            return
        who = caller.user_id if caller is not None else address(scope)
        now = self._clock.monotonic()
        total = self._totals.take(who, self._limits.everything, now)
        if not total.allowed:
            raise TooManyRequests(total.reset_after, "global")
        name = route.get(LIMIT, "route")
        limit: Limit = getattr(self._limits, name)
        parameters = scope["path_params"]
        # Cut, because it is not known to be an id yet.
        major = next((parameters[key][:_ID_DIGITS] for key in _MAJOR if key in parameters), "")
        bucket = f"{scope['method']} {scope['path_template']}"
        verdict = self._routes.take((who, bucket, major), limit, now)
        _headers(scope).extend(self._describe(verdict, bucket))
        if not verdict.allowed:
            raise TooManyRequests(verdict.reset_after, "user")

    def count_unrouted(self, scope: Scope) -> Verdict | None:
        """For a path or a method that does not exist: by address."""
        if self._limits is None:
            return None
        verdict = self._totals.take(("unrouted", address(scope)), self._limits.unrouted, self._clock.monotonic())
        _headers(scope).extend(self._describe(verdict, "unrouted"))
        return verdict

    async def _identify(self, scope: Scope, header: str) -> Caller:
        caller = self._authenticator.remembered(header)
        if caller is not None:
            return caller
        if self._limits is None:
            return await self._authenticator.authenticate(header)
        guesses = ("bad tokens", address(scope))
        verdict = self._totals.would_allow(guesses, self._limits.bad_tokens, self._clock.monotonic())
        if not verdict.allowed:
            raise TooManyRequests(verdict.reset_after, "user")
        try:
            return await self._authenticator.authenticate(header)
        except Unauthenticated:
            self._totals.take(guesses, self._limits.bad_tokens, self._clock.monotonic())
            raise

    def _describe(self, verdict: Verdict, bucket: str) -> RawHeaders:
        reset = self._clock.now_ms() / 1000 + verdict.reset_after
        return [
            (b"x-ratelimit-limit", b"%d" % verdict.limit),
            (b"x-ratelimit-remaining", b"%d" % verdict.remaining),
            (b"x-ratelimit-reset", b"%d" % whole_seconds(reset)),
            (b"x-ratelimit-reset-after", b"%.3f" % verdict.reset_after),
            (b"x-ratelimit-bucket", _bucket_id(bucket)),
        ]


@lru_cache(maxsize=1024)
def _bucket_id(bucket: str) -> bytes:
    """Opaque, and the same in every process."""
    return hashlib.blake2b(bucket.encode(), digest_size=8).hexdigest().encode()


def address(scope: Scope) -> str:
    """The client's; of IPv6 the network, because one customer gets a whole /64."""
    client = scope["client"]
    if client is None:
        return ""
    host: str = client[0]
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False))
    except ValueError:
        return host


def _headers(scope: Scope) -> RawHeaders:
    headers: RawHeaders = scope.get(HEADERS, [])  # type: ignore[assignment]  # Litestar names its own keys only
    return headers
