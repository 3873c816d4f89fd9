"""Windows that count requests: pure, with the time as an argument.

A window opens at the first request and lets `limit.requests` through until it closes. That is what Discord's headers
describe (https://docs.discord.com/developers/topics/rate-limits), so its clients can pace themselves by them.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

WINDOWS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Limit:
    requests: int
    seconds: float


@dataclass(slots=True)
class _Window:
    used: int
    closes: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """`reset_after` is in seconds from now, and never 0 when the request is refused."""

    allowed: bool
    limit: int
    remaining: int
    reset_after: float


class Windows:
    """At most `capacity` windows. When full, the one that was used least recently is forgotten, which only ever lets
    somebody do more: memory is the harder limit.
    """

    def __init__(self, capacity: int = WINDOWS) -> None:
        self._capacity = capacity
        self._windows: OrderedDict[Hashable, _Window] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def take(self, key: Hashable, limit: Limit, now: float) -> Verdict:
        """Counts one request. A refused request is not counted: waiting as told always helps.

        Args:
            key: whose window, for what.
            limit: the same at every call with this key.
            now: monotonic seconds.
        """
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = _Window(0, now + limit.seconds)
            if len(self._windows) > self._capacity:
                self._windows.popitem(last=False)
        else:
            self._windows.move_to_end(key)
            if window.closes <= now:
                window.used, window.closes = 0, now + limit.seconds
        allowed = window.used < limit.requests
        window.used += allowed
        return Verdict(allowed, limit.requests, limit.requests - window.used, window.closes - now)

    def would_allow(self, key: Hashable, limit: Limit, now: float) -> Verdict:
        """What `take` would answer, without counting."""
        window = self._windows.get(key)
        if window is None or window.closes <= now:
            return Verdict(True, limit.requests, limit.requests, limit.seconds)
        remaining = limit.requests - window.used
        return Verdict(remaining > 0, limit.requests, remaining, window.closes - now)


def whole_seconds(seconds: float) -> int:
    """For headers that are integers: never less than what is left."""
    return math.ceil(seconds)
