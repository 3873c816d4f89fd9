"""What every outbox promises, and the relay over it (services/common/outbox).

A second adapter is one more entry in `ADAPTERS`.
"""

import asyncio
import itertools
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from services.common.bus import MAX_ENVELOPE_BYTES, Audience, Envelope
from services.common.bus.sqlite import SqliteBus
from services.common.errors import DeadlineExceeded, Internal, InvalidArgument, Unavailable
from services.common.outbox import OUTBOX_DDL, Outbox, OutboxRecord, Relay, SqliteOutbox, append
from services.common.outbox import relay as relay_module
from services.common.sqlite import Database
from tests.support.clock import ManualClock

SHARDS = ["server:1", "server:2", "server:3"]


class OutboxUnderTest(Protocol):
    """What the suite needs beside the port."""

    outbox: Outbox

    async def commit(self, *records: OutboxRecord, on_commit: Callable[[OutboxRecord], None] | None = None) -> None: ...
    async def commit_unreadable(self, record_id: int) -> None: ...
    async def dead_letters(self) -> dict[int, str]: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    def __init__(self, db: Database) -> None:
        self._db = db
        self.outbox = SqliteOutbox(db, ManualClock())

    async def commit(self, *records: OutboxRecord, on_commit: Callable[[OutboxRecord], None] | None = None) -> None:
        def store(conn: sqlite3.Connection) -> None:
            for record in records:
                append(conn, record)

        def notify(_: None) -> None:
            for record in records:
                if on_commit is not None:
                    on_commit(record)

        await self._db.write(store, on_commit=notify)

    async def commit_unreadable(self, record_id: int) -> None:
        await self._db.write(
            lambda conn: conn.execute("INSERT INTO outbox (id, record) VALUES (?, ?)", (record_id, b"\xc1"))
        )

    async def dead_letters(self) -> dict[int, str]:
        return dict(await self._db.read(lambda conn: conn.execute("SELECT id, reason FROM dead_letters").fetchall()))

    async def close(self) -> None:
        await self._db.close()


async def embedded(directory: Path) -> OutboxUnderTest:
    return SqliteUnderTest(await Database.open(directory / "service.db", [OUTBOX_DDL]))


ADAPTERS: list[Callable[[Path], Awaitable[OutboxUnderTest]]] = [embedded]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
async def system(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OutboxUnderTest]:
    under_test = await request.param(tmp_path)
    yield under_test
    await under_test.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator["WatchedBus"]:
    watched = await WatchedBus.open(tmp_path / "bus.db", ManualClock())
    yield watched
    await watched.close()


class WatchedBus(SqliteBus):
    """The embedded bus, which can be taken away and counts how often it is called."""

    away: Exception | None = None
    calls = 0

    async def publish(self, envelopes):  # type: ignore[no-untyped-def]
        self.calls += 1
        if self.away is not None:
            raise self.away
        return await super().publish(envelopes)


class Authz:
    """Applies facts: takes down their order, and refuses as long as a shard is in `failing`."""

    def __init__(self) -> None:
        self.applied: list[int] = []
        self.attempts = 0
        self.failing: set[str] = set()
        self.refusing: set[str] = set()
        """Shards whose facts are refused for what they are, and would be for ever."""
        self.gate = asyncio.Event()
        self.gate.set()

    async def apply(self, record: OutboxRecord) -> None:
        self.attempts += 1
        await self.gate.wait()
        if record.shard in self.failing:
            raise Unavailable("AUTHZ_DOWN")
        if record.shard in self.refusing:
            raise InvalidArgument("INVALID_FACTS")
        self.applied.append(record.id)


Build = Callable[..., Awaitable[Relay]]


@pytest.fixture
def authz() -> Authz:
    return Authz()


@pytest.fixture
async def build(system: OutboxUnderTest, bus: WatchedBus, clock: ManualClock, authz: Authz) -> AsyncIterator[Build]:
    relays: list[Relay] = []

    async def make(**options: int) -> Relay:
        relay = Relay(system.outbox, bus, clock, apply_facts=authz.apply, **options)
        relays.append(relay)
        await relay.start()
        return relay

    yield make
    for relay in relays:
        await relay.close()


def record(record_id: int, shard: str = "server:1", *, facts: bool = False, body: bytes = b"{}") -> OutboxRecord:
    envelope = Envelope(
        event_id=record_id * 10, shard=shard, type="MESSAGE_CREATE", body=body, audience=Audience.SERVER
    )
    return OutboxRecord(record_id, shard, (envelope,), b"facts" if facts else None)


async def log(bus: SqliteBus, *shards: str) -> list[int]:
    """The ids of the records whose envelopes are in the bus, in its order."""
    return [entry.envelope.event_id // 10 for entry in await bus.read(shards or SHARDS, 0, 10_000)]


async def turns(count: int = 50) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1_000_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never came true")


# The port.


async def test_outbox_answers_pending_records_in_order_of_commit(system: OutboxUnderTest) -> None:
    for record_id in (30, 10, 20):
        await system.commit(record(record_id, facts=record_id == 10, body=b"\x00\xff"))
    pending = await system.outbox.pending(0, 10)
    assert [entry.record for entry in pending] == [
        record(30, body=b"\x00\xff"),
        record(10, facts=True, body=b"\x00\xff"),
        record(20, body=b"\x00\xff"),
    ]


async def test_outbox_pages_behind_a_position(system: OutboxUnderTest) -> None:
    await system.commit(*(record(number) for number in range(1, 8)))
    first = await system.outbox.pending(0, 4)
    rest = await system.outbox.pending(first[-1].position, 4)
    assert [entry.record.id for entry in first + rest] == [1, 2, 3, 4, 5, 6, 7]
    assert len(first) == 4


async def test_outbox_forgets_what_is_marked_done_also_twice(system: OutboxUnderTest) -> None:
    await system.commit(record(1), record(2), record(3))
    await system.outbox.mark_done([1, 3])
    await system.outbox.mark_done([1, 3, 99])
    assert [entry.record.id for entry in await system.outbox.pending(0, 10)] == [2]


async def test_outbox_sets_a_dead_letter_apart_with_its_reason(system: OutboxUnderTest) -> None:
    await system.commit(record(1), record(2))
    await system.outbox.dead_letter(1, "TOO_LARGE")
    await system.outbox.dead_letter(1, "AGAIN")
    assert [entry.record.id for entry in await system.outbox.pending(0, 10)] == [2]
    assert await system.dead_letters() == {1: "TOO_LARGE"}


async def test_outbox_sets_unreadable_records_apart_and_still_fills_the_page(system: OutboxUnderTest) -> None:
    await system.commit_unreadable(1)
    await system.commit(record(2), record(3))
    assert [entry.record.id for entry in await system.outbox.pending(0, 2)] == [2, 3]
    assert (await system.dead_letters())[1].startswith("UNREADABLE")


# The relay.


async def test_relay_publishes_right_after_the_commit(system: OutboxUnderTest, bus: WatchedBus, build: Build) -> None:
    relay = await build()
    await system.commit(record(1), on_commit=relay.notify)
    await relay.published(1)  # no clock was advanced: nothing polls
    assert await log(bus) == [1]
    await relay.published(1)


async def test_relay_publishes_what_a_crash_left_behind_before_newer_records(
    system: OutboxUnderTest, bus: WatchedBus, build: Build
) -> None:
    await system.commit(*(record(number, SHARDS[number % 2], facts=number % 3 == 0) for number in range(1, 600)))
    relay = await build()
    await system.commit(record(600), on_commit=relay.notify)
    await system.commit(record(601, "server:2"), on_commit=relay.notify)
    await asyncio.gather(relay.published(600), relay.published(601))
    for shard in SHARDS[:2]:
        entries = await log(bus, shard)
        assert entries == sorted(entries)
    assert sorted(await log(bus)) == list(range(1, 602))


async def test_relay_publishes_once_when_the_crash_came_before_the_mark(
    system: OutboxUnderTest, bus: WatchedBus, build: Build
) -> None:
    await system.commit(record(1), record(2))
    await bus.publish(record(1).envelopes)
    relay = await build()
    await asyncio.gather(relay.published(1), relay.published(2))
    assert await log(bus) == [1, 2]


async def test_relay_applies_facts_before_it_publishes(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, authz: Authz
) -> None:
    relay = await build()
    authz.gate.clear()
    await system.commit(record(1, facts=True), on_commit=relay.notify)
    await system.commit(record(2), on_commit=relay.notify)
    await turns()
    assert await log(bus) == [], "nothing of the shard passes facts that are not applied"
    authz.gate.set()
    await relay.published(2)
    assert authz.applied == [1]
    assert await log(bus) == [1, 2]


async def test_relay_retries_facts_with_growing_pauses_and_never_skips_them(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, authz: Authz, clock: ManualClock
) -> None:
    relay = await build()
    authz.failing.add("server:1")
    await system.commit(record(1, facts=True), record(2, facts=True), on_commit=relay.notify)
    for attempt in range(1, 10):
        await clock.until_sleeping(2)  # the sweeper and the retry
        assert authz.attempts == attempt
        clock.advance(min(relay_module._FIRST_RETRY * 2 ** (attempt - 1), relay_module._LAST_RETRY) - 0.001)
        await turns(5)
        assert authz.attempts == attempt, "not before its pause is over"
        clock.advance(0.002)
        await until(lambda seen=attempt: authz.attempts > seen)
    assert await log(bus) == []
    authz.failing.clear()
    await clock.until_sleeping(2)
    clock.advance(relay_module._LAST_RETRY)
    await until(lambda: authz.applied == [1, 2])
    await relay.published(2)
    assert await log(bus) == [1, 2]


async def test_relay_does_not_delay_a_shard_when_another_is_stuck(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, authz: Authz
) -> None:
    relay = await build()
    authz.failing.add("server:1")
    await system.commit(record(1, facts=True), on_commit=relay.notify)
    await system.commit(record(2), record(3, "server:2", facts=True), record(4, "server:3"), on_commit=relay.notify)
    await asyncio.gather(relay.published(3), relay.published(4))
    assert sorted(await log(bus)) == [3, 4]


async def test_relay_tells_who_waits_when_the_shard_stands_still_and_lets_nobody_else_begin(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, authz: Authz, clock: ManualClock
) -> None:
    relay = await build()
    authz.failing.add("server:1")
    await system.commit(record(1, facts=True), record(2), record(3, "server:2"), on_commit=relay.notify)
    waiting = [asyncio.ensure_future(relay.published(record_id)) for record_id in (1, 2)]
    while not all(one.done() for one in waiting):
        if clock.monotonic() < 0.5:
            relay.require_flowing("server:1")
        await clock.until_sleeping(2)
        clock.advance(0.05)
        await turns(5)
        assert clock.monotonic() < 1.0, "who waits is told within a second"
    for outcome in waiting:
        with pytest.raises(Unavailable, match="CHANGE_WAITS"):
            await outcome
    with pytest.raises(Unavailable, match="CHANGE_WAITS"):
        await relay.published(1)
    with pytest.raises(Unavailable, match="CHANGES_REFUSED"):
        relay.require_flowing("server:1")
    relay.require_flowing("server:2")
    authz.failing.clear()
    await clock.until_sleeping(2)
    clock.advance(relay_module._LAST_RETRY)
    await until(lambda: authz.applied == [1])
    relay.require_flowing("server:1")
    await relay.published(2)
    assert await log(bus, "server:1") == [1, 2]


async def _for(seconds: float, clock: ManualClock) -> None:
    """Let the time pass, and whoever sleeps do what they do."""
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        clock.advance(0.05)
        await turns(5)


async def test_relay_lets_nobody_begin_a_shard_while_nobodys_facts_are_applied(
    system: OutboxUnderTest, build: Build, authz: Authz, clock: ManualClock
) -> None:
    relay = await build()
    relay.require_applying()
    authz.failing.add("server:1")
    await system.commit(record(1, facts=True), on_commit=relay.notify)
    await until(lambda: authz.attempts > 0)
    relay.require_applying()  # it may be over in a moment
    await _for(relay_module._STUCK_SECONDS + 0.1, clock)
    with pytest.raises(Unavailable, match="CHANGES_REFUSED"):
        relay.require_applying()
    authz.failing.clear()
    await _for(relay_module._LAST_RETRY + 0.1, clock)
    assert authz.applied == [1]
    relay.require_applying()


async def test_relay_lets_shards_begin_when_only_one_is_refused(
    system: OutboxUnderTest, build: Build, authz: Authz, clock: ManualClock
) -> None:
    relay = await build()
    authz.refusing.add("server:1")
    await system.commit(record(1, facts=True), on_commit=relay.notify)
    await _for(5.0, clock)
    with pytest.raises(Unavailable):
        relay.require_flowing("server:1")
    relay.require_applying()  # nothing else was applied since, but this is no sign that it would not be

    authz.failing.add("server:2")
    await system.commit(record(2, "server:2", facts=True), on_commit=relay.notify)
    await _for(5.0, clock)
    with pytest.raises(Unavailable):
        relay.require_applying()
    await system.commit(record(3, "server:3", facts=True), on_commit=relay.notify)
    await _for(5.0, clock)
    assert authz.applied == [3]
    relay.require_applying()


async def test_relay_makes_one_append_of_what_is_committed_together(
    system: OutboxUnderTest, bus: WatchedBus, build: Build
) -> None:
    relay = await build()
    await asyncio.gather(
        *(system.commit(record(number, SHARDS[number % 3]), on_commit=relay.notify) for number in range(1, 201))
    )
    await asyncio.gather(*(relay.published(number) for number in range(1, 201)))
    assert bus.calls <= 20
    assert sorted(await log(bus)) == list(range(1, 201))


async def test_relay_waits_for_the_bus_and_loses_nothing_when_it_is_away(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, clock: ManualClock
) -> None:
    relay = await build()
    bus.away = Unavailable("BUS_DOWN")
    await system.commit(record(1), record(2), on_commit=relay.notify)
    await clock.until_sleeping(2)
    assert bus.calls == 1
    with pytest.raises(DeadlineExceeded):
        await relay.published(1, deadline=0.01)
    bus.away = None
    clock.advance(relay_module._FIRST_RETRY)
    await relay.published(2)
    assert await log(bus) == [1, 2]
    assert await system.dead_letters() == {}


async def test_relay_sets_apart_what_the_bus_refuses_and_the_rest_goes_on(
    system: OutboxUnderTest, bus: WatchedBus, build: Build
) -> None:
    relay = await build()
    poison = record(2, body=b"x" * MAX_ENVELOPE_BYTES)
    await system.commit(record(1), poison, record(3), record(4, "server:2"), on_commit=relay.notify)
    await asyncio.gather(relay.published(1), relay.published(3), relay.published(4))
    with pytest.raises(Internal) as caught:
        await relay.published(2)
    assert caught.value.reason == "DEAD_LETTER"
    assert await log(bus, "server:1") == [1, 3]
    assert await log(bus, "server:2") == [4]
    assert list(await system.dead_letters()) == [2]


async def test_relay_marks_many_records_done_with_one_write(
    system: OutboxUnderTest, build: Build, clock: ManualClock
) -> None:
    relay = await build()
    await system.commit(*(record(number) for number in range(1, 51)), on_commit=relay.notify)
    await relay.published(50)
    assert len(await system.outbox.pending(0, 100)) == 50, "lazily: publishing does not wait for it"
    await clock.until_sleeping(2)  # the sweeper and the marker
    clock.advance(relay_module._MARK_SECONDS)
    await until(lambda: relay.queued == 0)
    assert await system.outbox.pending(0, 100) == []


async def test_relay_marks_what_is_done_when_it_is_closed(system: OutboxUnderTest, build: Build) -> None:
    relay = await build()
    await system.commit(record(1), on_commit=relay.notify)
    await relay.published(1)
    await relay.close()
    assert await system.outbox.pending(0, 10) == []


async def test_relay_finds_a_record_that_nobody_told_it_of_when_it_sweeps(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, clock: ManualClock
) -> None:
    relay = await build()
    await system.commit(record(1))
    await clock.until_sleeping(1)
    clock.advance(relay_module._SWEEP_SECONDS)
    await relay.published(1)
    assert await log(bus) == [1]


async def test_relay_applies_facts_once_when_it_sweeps_while_they_wait(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, authz: Authz, clock: ManualClock
) -> None:
    relay = await build()
    authz.gate.clear()
    await system.commit(record(1, facts=True), record(2, facts=True), on_commit=relay.notify)
    for _ in range(3):
        await clock.until_sleeping(1)
        clock.advance(relay_module._SWEEP_SECONDS)
        await turns()
    authz.gate.set()
    await relay.published(2)
    await system.commit(record(3, facts=True), on_commit=relay.notify)
    await relay.published(3)
    assert authz.applied == [1, 2, 3]


async def test_relay_keeps_order_and_bound_when_more_comes_than_it_may_hold(
    system: OutboxUnderTest, bus: WatchedBus, build: Build, clock: ManualClock
) -> None:
    relay = await build(max_queued=10)
    bus.away = Unavailable("BUS_DOWN")
    numbers = itertools.count(1)
    for _ in range(20):
        await system.commit(*(record(next(numbers), SHARDS[i % 3]) for i in range(3)), on_commit=relay.notify)
        assert relay.queued <= 10
    bus.away = None
    # New ones come while the relay reads its way through what it left in the outbox.
    for _ in range(20_000):  # each turn reads the log: real time passes
        clock.advance(relay_module._MARK_SECONDS)
        if (number := next(numbers)) <= 100:
            await system.commit(record(number, SHARDS[number % 3]), on_commit=relay.notify)
        await turns(3)
        assert relay.queued <= 10
        if len(await log(bus)) == 100:
            break
    for shard in SHARDS:
        entries = await log(bus, shard)
        assert entries == sorted(entries)
    assert sorted(await log(bus)) == list(range(1, 101))


async def test_published_gives_up_when_its_deadline_passes(build: Build) -> None:
    relay = await build()
    with pytest.raises(DeadlineExceeded):
        await relay.published(404, deadline=0.01)


async def test_published_says_that_the_relay_closed_when_it_did(build: Build) -> None:
    relay = await build()
    waiting = asyncio.ensure_future(relay.published(404))
    await turns(2)
    await relay.close()
    with pytest.raises(Unavailable):
        await waiting
