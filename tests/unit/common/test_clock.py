import asyncio
import time

from services.common.clock import SystemClock
from tests.support.clock import ManualClock


def test_system_clock_tells_the_time_in_milliseconds() -> None:
    assert abs(SystemClock().now_ms() - time.time() * 1000) < 1000


async def test_system_clock_sleeps() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    await clock.sleep(0.01)
    assert clock.monotonic() - before >= 0.009


async def test_manual_clock_wakes_those_who_are_due_in_their_order() -> None:
    clock = ManualClock()
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(seconds)

    sleepers = [asyncio.ensure_future(sleep(seconds)) for seconds in (3, 1, 2)]
    await clock.until_sleeping(3)
    clock.advance(2.5)
    await asyncio.gather(*sleepers[1:])
    assert woken == [1, 2]
    clock.advance(0.5)
    await sleepers[0]
    assert woken == [1, 2, 3]


async def test_manual_clock_wakes_nobody_when_the_wall_clock_is_corrected() -> None:
    clock = ManualClock(now_ms=1_000)
    sleeper = asyncio.ensure_future(clock.sleep(1))
    await clock.until_sleeping()
    clock.step_wall(5_000)
    assert (clock.now_ms(), clock.monotonic()) == (6_000, 0)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(1)
    await sleeper
