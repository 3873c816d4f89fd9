"""The job that indexes beside the send path: woken by commits, late, in bounded batches, until nothing is left."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.common.errors import Unavailable
from services.messages.indexing import BATCH, LEFT_FOR_LATER, PAUSE_SECONDS, Indexer
from tests.support.clock import ManualClock


class Notes:
    """Implements `IndexesLater`: so many changes wait."""

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        self.batches: list[int] = []
        self.failures = 0

    async def index(self, *, limit: int) -> int:
        if self.failures:
            self.failures -= 1
            raise Unavailable("STORE_OVERLOADED", "Too many requests wait.")
        taken = min(limit, self.waiting)
        self.waiting -= taken
        self.batches.append(taken)
        return taken if taken == limit else 0


@asynccontextmanager
async def running(notes: Notes) -> AsyncIterator[tuple[Indexer, ManualClock]]:
    clock = ManualClock()
    indexer = Indexer(notes, clock)
    task = asyncio.create_task(indexer.run())
    await clock.until_sleeping()
    yield indexer, clock
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def pass_pause(clock: ManualClock) -> None:
    clock.advance(PAUSE_SECONDS)
    await clock.until_sleeping()


async def test_indexer_begins_with_what_was_left_behind_in_bounded_batches() -> None:
    notes = Notes(waiting=2 * BATCH + 1)
    async with running(notes):
        assert notes.batches == [BATCH, BATCH, 1]


async def test_indexer_waits_for_company_when_woken() -> None:
    notes = Notes(waiting=0)
    async with running(notes) as (indexer, clock):
        for _ in range(3):
            notes.waiting += 1
            indexer.wake()
        await pass_pause(clock)
        assert notes.batches == [0]
        await pass_pause(clock)
        assert notes.batches == [0, 3]


async def test_indexer_lets_senders_go_first_but_not_for_ever() -> None:
    notes = Notes(waiting=0)
    async with running(notes) as (indexer, clock):
        for _ in range(3):
            notes.waiting += 1
            indexer.wake()
            await pass_pause(clock)
        assert notes.batches == [0]
        for _ in range(LEFT_FOR_LATER):
            indexer.wake()
        await pass_pause(clock)
        assert notes.batches == [0, 3]


async def test_indexer_rests_when_nothing_was_committed() -> None:
    notes = Notes(waiting=0)
    async with running(notes) as (_, clock):
        clock.advance(PAUSE_SECONDS)
        for _ in range(5):
            await asyncio.sleep(0)
        assert notes.batches == [0]


async def test_indexer_tries_again_when_the_store_failed() -> None:
    notes = Notes(waiting=1)
    notes.failures = 1
    async with running(notes) as (_, clock):
        assert notes.batches == []
        await pass_pause(clock)
        assert notes.batches == [1]
