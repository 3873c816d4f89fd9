"""A circuit breaker: who does not answer is left alone, but for one question now and then."""

from typing import Final

from services.common.clock import Clock

FAILURES: Final = 5
"""So many failures in a row open it: one is an accident, and each of them makes somebody wait for a deadline."""

PROBE_SECONDS: Final = 0.25
"""Open, it lets one call through this often. Recovery is noticed that soon, and what recovers is not overrun."""


class CircuitBreaker:
    """Closed, everything passes. After `FAILURES` failures in a row it is open: everything is refused at once, except
    one call each `PROBE_SECONDS`. Any success closes it.

    A probe that nobody reports back on (its caller went away) changes nothing: the next one comes in its turn. So there
    is no state between open and closed in which it could be stuck.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._next_probe = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= FAILURES

    def admits(self) -> bool:
        """Whether a call may be made now. While it is open, True makes that call the probe."""
        if not self.is_open:
            return True
        now = self._clock.monotonic()
        if now < self._next_probe:
            return False
        self._next_probe = now + PROBE_SECONDS
        return True

    def succeeded(self) -> bool:
        """A call was answered, whatever it was told. True: that closed it."""
        was_open = self.is_open
        self._failures = 0
        return was_open

    def failed(self) -> bool:
        """A call was not answered. True: that opened it."""
        self._failures += 1
        if self._failures != FAILURES:
            return False
        self._next_probe = self._clock.monotonic() + PROBE_SECONDS
        return True
