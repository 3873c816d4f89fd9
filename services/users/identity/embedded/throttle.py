"""How often something may be tried: guesses of a password, registrations of an address."""

from collections import OrderedDict
from typing import Final

from services.common.clock import Clock

MAX_KEYS: Final = 20_000


class Throttle:
    """At most `limit` attempts per key in each `window_s` seconds, counted from the first of them.

    Kept in memory, for MAX_KEYS keys (the one longest untouched goes first): a restart forgives. An attacker who can
    restart Beep or use 20,000 accounts and addresses needs no guess.
    """

    def __init__(self, *, limit: int, window_s: int, clock: Clock) -> None:
        self._limit = limit
        self._window = window_s
        self._clock = clock
        self._attempts: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def retry_after(self, key: str) -> int:
        """Whole seconds until the key may be tried again; 0: now."""
        count, ends = self._attempts.get(key, (0, 0.0))
        remaining = ends - self._clock.monotonic()
        return int(remaining) + 1 if count >= self._limit and remaining > 0 else 0

    def record(self, key: str) -> None:
        """Count an attempt."""
        now = self._clock.monotonic()
        count, ends = self._attempts.pop(key, (0, 0.0))
        if ends <= now:
            count, ends = 0, now + self._window
        self._attempts[key] = (count + 1, ends)
        if len(self._attempts) > MAX_KEYS:
            self._attempts.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Forget the attempts of a key."""
        self._attempts.pop(key, None)

    def forgive_all(self, prefix: str) -> None:
        """Forget the attempts of all keys that begin so. Looks at every key: for what happens seldom."""
        for key in [key for key in self._attempts if key.startswith(prefix)]:
            del self._attempts[key]
