"""What one service tells another is done, in order, and neither forgotten nor allowed to stop what comes behind it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.common.bus import INBOX_DDL, Audience, Envelope, Inbox, service_shard
from services.common.bus.inbox import INTERNAL_TRIES
from services.common.bus.sqlite import SqliteBus
from services.common.errors import Internal, NotFound, Unavailable
from services.common.runtime import running
from services.common.sqlite import Database
from tests.support.clock import ManualClock

Handle = Callable[[Envelope], Awaitable[None]]


def event(number: int) -> Envelope:
    return Envelope(number, service_shard("tests"), "DO", b"{}", Audience.NONE)


class Office:
    """An inbox whose directory outlives it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.done: list[int] = []
        self._news = asyncio.Event()

    @asynccontextmanager
    async def open(self, handle: Handle) -> AsyncIterator[SqliteBus]:
        async def noted(envelope: Envelope) -> None:
            await handle(envelope)
            self.done.append(envelope.event_id)
            self._news.set()

        bus = await SqliteBus.open(self._directory / "bus.db", ManualClock())
        db = await Database.open(self._directory / "tests.db", (INBOX_DDL,))
        try:
            async with running(Inbox("tests", bus, db, noted, _ImpatientClock()).run()):
                yield bus
        finally:
            await bus.close()
            await db.close()

    async def until(self, number: int) -> None:
        async with asyncio.timeout(5):
            while number not in self.done:
                self._news.clear()
                await self._news.wait()

    async def dead_letters(self) -> list[tuple[int, str]]:
        db = await Database.open(self._directory / "tests.db", (INBOX_DDL,))
        rows = await db.read(
            lambda conn: conn.execute("SELECT event_id, reason FROM inbox_dead_letters ORDER BY event_id").fetchall()
        )
        await db.close()
        return rows


class _ImpatientClock(ManualClock):
    """Pauses take no time."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture
def office(tmp_path: Path) -> Office:
    return Office(tmp_path)


async def fine(envelope: Envelope) -> None:
    pass


async def test_inbox_goes_on_where_it_was_after_a_restart(office: Office) -> None:
    async with office.open(fine) as bus:
        await bus.publish([event(1)])
        await office.until(1)
        await bus.publish([event(2)])
        await office.until(2)
    async with office.open(fine) as bus:
        await bus.publish([event(3)])
        await office.until(3)
    # The last one may come twice: where the inbox is, is saved behind the handling.
    assert office.done in ([1, 2, 3], [1, 2, 2, 3])


async def test_event_waits_for_what_is_down_and_all_behind_it(office: Office) -> None:
    refused = 0

    async def down_at_first(envelope: Envelope) -> None:
        nonlocal refused
        if envelope.event_id == 1 and refused < 3 * INTERNAL_TRIES:
            refused += 1
            raise Unavailable("DOWN")

    async with office.open(down_at_first) as bus:
        await bus.publish([event(1), event(2)])
        await office.until(2)
    assert office.done == [1, 2]
    assert await office.dead_letters() == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [(NotFound("UNKNOWN_CHANNEL"), "UNKNOWN_CHANNEL"), (Internal("BROKEN"), "INTERNAL"), (KeyError("id"), "KeyError")],
)
async def test_event_that_nobody_can_handle_is_put_away_and_stops_nothing(
    office: Office, error: Exception, reason: str
) -> None:
    async def cannot(envelope: Envelope) -> None:
        if envelope.event_id == 1:
            raise error

    async with office.open(cannot) as bus:
        await bus.publish([event(1), event(2)])
        await office.until(2)
    assert office.done == [2]
    assert await office.dead_letters() == [(1, reason)]
