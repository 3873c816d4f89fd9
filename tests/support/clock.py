"""A clock that only moves when a test says so."""

import asyncio
import heapq
import itertools


class ManualClock:
    """Implements `services.common.clock.Clock`; sleepers wake in the order in which they are due."""

    def __init__(self, now_ms: int = 1_767_225_600_000) -> None:
        self._now_ms = float(now_ms)
        self._monotonic = 0.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._asleep = asyncio.Event()

    def now_ms(self) -> int:
        return int(self._now_ms)

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), wake))
        self._asleep.set()
        await wake

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both clocks and wake whoever is due; they run when the caller next awaits."""
        self._monotonic += seconds
        self._now_ms += seconds * 1000
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, wake = heapq.heappop(self._sleepers)
            if not wake.done():
                wake.set_result(None)

    def step_wall(self, milliseconds: int) -> None:
        """Correct the wall clock, as NTP does: the monotonic clock and the sleepers do not notice."""
        self._now_ms += milliseconds

    async def until_sleeping(self, sleepers: int = 1) -> None:
        """Wait until at least so many tasks sleep: what makes `advance` free of races."""
        while sum(not wake.done() for _, _, wake in self._sleepers) < sleepers:
            self._asleep.clear()
            await self._asleep.wait()
