"""Settings of the REST edge, from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

from services.common.snowflake import parse_worker
from services.rest.rate_limit import Limit

DATABASE: Final = "rest.db"
FILES: Final = "files"
"""The directory of the blobs."""

WORKER: Final = 7


class RateLimits(NamedTuple):
    """How often one caller may do what. Discord's own are per client and secret; these are for a self-hosted bot.

    `route` holds for each route and each server or channel in its path; `everything` for all of a caller's requests
    together. `sign_up` and `bad_tokens` count by address, because there is no caller yet.
    """

    # Ten seconds: a bot that wakes up may do at once what it is allowed on average.
    everything: Limit = Limit(requests=3000, seconds=10)
    route: Limit = Limit(requests=1000, seconds=10)
    sends: Limit = Limit(requests=1000, seconds=10)
    server_creates: Limit = Limit(requests=30, seconds=60)
    # In one server.
    invitations: Limit = Limit(requests=60, seconds=60)
    sign_up: Limit = Limit(requests=120, seconds=60)
    bad_tokens: Limit = Limit(requests=300, seconds=60)
    unrouted: Limit = Limit(requests=300, seconds=60)


@dataclass(frozen=True, slots=True)
class Settings:
    """`port` 0 takes a free one. `gateway_url` is what clients are told to connect to (ws:// or wss://, no query);
    `public_url` is how they reach this edge, with no slash at its end. `worker` is the worker number in its ids: no
    other process or service may have the same.
    """

    gateway_url: str
    host: str = "127.0.0.1"
    port: int = 8080
    # None: no limits at all, for measurements.
    rate_limits: RateLimits | None = RateLimits()  # noqa: RUF009 (a tuple cannot change)
    # Addresses whose X-Forwarded-For is believed (comma-separated, or *); empty: nobody's.
    trusted_proxies: str = ""
    public_url: str = ""
    worker: int = WORKER

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], *, gateway_url: str, host: str, port: int, public_url: str = ""
    ) -> Self:
        """Raises ValueError for a value that means nothing."""
        switch = environment.get("BEEP_RATE_LIMITS", "on")
        if switch not in ("on", "off"):
            raise ValueError(f"BEEP_RATE_LIMITS is on or off, not {switch!r}")
        return cls(
            gateway_url=gateway_url,
            host=host,
            port=port,
            rate_limits=RateLimits() if switch == "on" else None,
            trusted_proxies=environment.get("BEEP_TRUSTED_PROXIES", ""),
            public_url=public_url,
            worker=parse_worker("BEEP_REST_WORKER", environment.get("BEEP_REST_WORKER") or str(WORKER)),
        )
