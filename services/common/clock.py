"""Time as a port: nothing in Beep reads a clock that a test cannot set."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from.

    `now_ms` is for what is stored or shown, `monotonic` for what is measured: the wall clock steps
    when it is corrected, so a duration taken from it can be negative.
    """

    def now_ms(self) -> int:
        """Wall clock, in milliseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary point; never goes back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of `monotonic` time; at once (yielding to the loop) if it is not positive."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
