"""Beep with little patience and small limits, so that a test meets them without waiting: nothing else differs.

Run as `python -m tests.support.impatient_beep up …`.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from services.cli.__main__ import main
from services.gateway.config import Settings
from services.rest import config, front, http_server
from services.rest.rate_limit import Limit

SECONDS: Final = 1.0
"""For a handshake, an IDENTIFY, a request; and until a client that takes nothing is given up."""
BACKLOG_EVENTS: Final = 100
WINDOW: Final = Limit(requests=20, seconds=1)
"""Of each route, and of sending."""

_from_environment: Final = Settings.from_environment


def _impatient(environment: Mapping[str, str], **options: Any) -> Settings:
    return replace(
        _from_environment(environment, **options),
        handshake_timeout=SECONDS,
        identify_timeout=SECONDS,
        stalled_after=SECONDS,
        backlog_events=BACKLOG_EVENTS,
    )


if __name__ == "__main__":
    Settings.from_environment = _impatient  # type: ignore[method-assign]
    front.REQUEST_SECONDS = SECONDS  # type: ignore[misc, assignment]
    http_server.HEADER_SECONDS = SECONDS  # type: ignore[misc, assignment]
    http_server.DISCARDED_SECONDS = SECONDS  # type: ignore[misc, assignment]
    http_server.STALLED_SECONDS = SECONDS  # type: ignore[misc, assignment]
    config.RateLimits = partial(config.RateLimits, route=WINDOW, sends=WINDOW)  # type: ignore[misc, assignment]
    main()
