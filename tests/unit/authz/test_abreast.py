import asyncio

import pytest

from services.authz.abreast import abreast


class Work:
    """Counts how much of it runs at a time, and what has begun."""

    def __init__(self) -> None:
        self.running = self.most = 0
        self.begun: list[int] = []

    async def do(self, number: int, *, fails: bool = False) -> int:
        self.begun.append(number)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for _ in range(1 + number % 3):
                await asyncio.sleep(0)
            if fails:
                raise ValueError(number)
            return number * 10
        finally:
            self.running -= 1


@pytest.mark.parametrize(("width", "most"), [(1, 1), (3, 3), (50, 20)])
async def test_results_come_in_order_and_no_more_run_than_the_width(width: int, most: int) -> None:
    work = Work()
    assert await abreast(width, (work.do(number) for number in range(20))) == [number * 10 for number in range(20)]
    assert work.most == most


@pytest.mark.parametrize("width", [1, 3, 50])
async def test_of_nothing_comes_nothing(width: int) -> None:
    assert await abreast(width, ()) == []


@pytest.mark.parametrize("width", [1, 3])
async def test_nothing_runs_or_begins_any_more_when_a_failure_is_raised(width: int) -> None:
    work = Work()
    with pytest.raises(ValueError, match=r"^4$"):
        await abreast(width, (work.do(number, fails=number == 4) for number in range(100)))
    assert work.running == 0
    assert len(work.begun) <= 4 + 2 * width


async def test_cancelling_stops_all_of_it() -> None:
    work = Work()
    task = asyncio.ensure_future(abreast(3, (work.do(number) for number in range(100))))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert work.running == 3
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.running == 0
    assert len(work.begun) < 20
