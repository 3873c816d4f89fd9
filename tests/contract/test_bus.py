"""What every bus promises (services/common/bus/ports.py). A second adapter is one more entry in `ADAPTERS`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from services.common.bus import (
    MAX_ENVELOPE_BYTES,
    Audience,
    Bus,
    Envelope,
    EnvelopeRejected,
    HistoryLost,
    Record,
    Subscription,
)
from services.common.bus import sqlite as bus_sqlite
from services.common.bus.sqlite import SqliteBus
from tests.support.clock import ManualClock

KEPT_SECONDS = 600
KEPT_ENTRIES = 5


class BusUnderTest(Protocol):
    """What the suite needs beside the port."""

    bus: Bus
    clock: ManualClock

    async def restart(self) -> None: ...
    async def lose_history(self) -> None: ...
    async def trim(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    bus: SqliteBus

    def __init__(self, directory: Path) -> None:
        self._path = directory / "bus.db"
        self.clock = ManualClock()

    async def open(self) -> "SqliteUnderTest":
        self.bus = await SqliteBus.open(
            self._path, self.clock, retention_seconds=KEPT_SECONDS, retention_entries=KEPT_ENTRIES
        )
        return self

    async def restart(self) -> None:
        await self.bus.close()
        await self.open()

    async def lose_history(self) -> None:
        await self.bus.close()
        self._path.unlink()
        await self.open()

    async def trim(self) -> None:
        await self.bus.trim()

    async def close(self) -> None:
        await self.bus.close()


async def embedded(directory: Path) -> BusUnderTest:
    return await SqliteUnderTest(directory).open()


ADAPTERS: list[Callable[[Path], Awaitable[BusUnderTest]]] = [embedded]


@pytest.fixture(params=ADAPTERS, ids=lambda adapter: adapter.__name__)
async def system(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[BusUnderTest]:
    under_test = await request.param(tmp_path)
    yield under_test
    await under_test.close()


@pytest.fixture
def bus(system: BusUnderTest) -> Bus:
    return system.bus


def event(event_id: int, shard: str = "server:1", body: bytes = b"{}") -> Envelope:
    return Envelope(event_id=event_id, shard=shard, type="MESSAGE_CREATE", body=body, audience=Audience.SERVER)


def ids(records: list[Record]) -> list[int]:
    return [record.envelope.event_id for record in records]


async def receive(subscription: Subscription, count: int) -> list[Record]:
    """The next `count` records; fails rather than hangs when they do not come."""
    records: list[Record] = []
    iterator = aiter(subscription)
    async with asyncio.timeout(10):
        while len(records) < count:
            batch = await anext(iterator)
            assert batch, "a batch is never empty"
            records += batch
    return records


async def nothing_waits(subscription: Subscription) -> bool:
    """Whether the consumer would wait: nothing arrives in many turns of the loop."""
    pending = asyncio.ensure_future(anext(aiter(subscription)))
    for _ in range(100):
        await asyncio.sleep(0)
    waits = not pending.done()
    pending.cancel()
    await asyncio.gather(pending, return_exceptions=True)
    return waits


async def test_subscription_gets_what_is_published_in_offset_order(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1", "server:2"])
    offsets = await bus.publish([event(1), event(2, "server:2"), event(3)])
    records = await receive(subscription, 3)
    assert ids(records) == [1, 2, 3]
    assert [record.offset for record in records] == offsets == sorted(set(offsets))


async def test_subscription_gets_only_its_shards(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1"])
    await bus.publish([event(1, "server:2"), event(2), event(3, "user:1")])
    assert ids(await receive(subscription, 1)) == [2]
    assert await nothing_waits(subscription)


async def test_concurrent_publishers_keep_the_order_of_their_own_calls(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1"])
    calls = [[event(call * 10 + number) for number in range(3)] for call in range(20)]
    answers = await asyncio.gather(*(bus.publish(call) for call in calls))
    records = await receive(subscription, 60)
    by_id = {record.envelope.event_id: record.offset for record in records}
    assert [[by_id[envelope.event_id] for envelope in call] for call in calls] == answers
    assert [record.offset for record in records] == sorted(by_id.values())
    assert all(answer == sorted(answer) for answer in answers)


async def test_publish_drops_a_duplicate_and_answers_its_first_offset(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1"])
    first = await bus.publish([event(1), event(2)])
    again = await bus.publish([event(2), event(3), event(3), event(1)])
    assert [again[0], again[3]] == [first[1], first[0]]
    assert again[1] == again[2]
    assert ids(await receive(subscription, 3)) == [1, 2, 3]
    assert await nothing_waits(subscription)


async def test_publish_drops_a_duplicate_when_the_process_restarted_in_between(system: BusUnderTest) -> None:
    first = await system.bus.publish([event(1)])
    await system.restart()
    assert await system.bus.publish([event(1)]) == first
    assert ids(await system.bus.read(["server:1"], 0, 10)) == [1]


async def test_publish_accepts_nothing_of_a_call_when_one_envelope_is_too_large(bus: Bus) -> None:
    with pytest.raises(EnvelopeRejected):
        await bus.publish([event(1), event(2, body=b"x" * MAX_ENVELOPE_BYTES)])
    assert await bus.read(["server:1"], 0, 10) == []


async def test_publish_of_nothing_answers_nothing(bus: Bus) -> None:
    assert await bus.publish([]) == []


async def test_entries_and_offsets_survive_a_restart(system: BusUnderTest) -> None:
    epoch = system.bus.epoch
    offsets = await system.bus.publish([event(1, body=b'{"content":"\xc3\xa9"}'), event(2)])
    await system.restart()
    assert system.bus.epoch == epoch
    assert system.bus.head() == offsets[-1]
    assert (await system.bus.fetch(offsets))[0].envelope.body == b'{"content":"\xc3\xa9"}'
    assert (await system.bus.publish([event(3)]))[0] > offsets[-1]


async def test_epoch_differs_when_history_was_lost(system: BusUnderTest) -> None:
    epoch = system.bus.epoch
    await system.lose_history()
    assert system.bus.epoch != epoch


async def test_head_is_where_a_new_subscription_begins(bus: Bus) -> None:
    assert bus.head() == 0
    await bus.publish([event(1)])
    head, subscription = bus.head(), bus.subscribe(["server:1"])
    await bus.publish([event(2)])
    assert ids(await receive(subscription, 1)) == [2]
    assert ids(await bus.read(["server:1"], head, 10)) == [2]


async def test_subscription_continues_behind_an_offset_without_gap_or_overlap(bus: Bus) -> None:
    offsets = await bus.publish([event(number) for number in range(1, 8)])
    subscription = bus.subscribe(["server:1"], after=offsets[2])
    publisher = asyncio.ensure_future(bus.publish([event(8)]))  # races with the reading of the log
    records = await receive(subscription, 5)
    await publisher
    await bus.publish([event(9)])
    records += await receive(subscription, 1)
    assert ids(records) == [4, 5, 6, 7, 8, 9]


async def test_what_is_published_during_the_first_read_of_the_log_wakes_the_consumer(bus: Bus) -> None:
    """And not what comes after it: in a quiet shard that may be never."""
    for number in range(1, 101):
        subscription = bus.subscribe([f"server:{number}"], after=bus.head())
        received = asyncio.ensure_future(receive(subscription, 1))
        # It is the read and the commit that race: begin them in turn.
        for _ in range(number % 4):
            await asyncio.sleep(0)
        await bus.publish([event(number, f"server:{number}")])
        assert ids(await received) == [number]
        subscription.close()


async def test_subscription_loses_nothing_when_it_catches_up_under_load(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sqlite, "_PAGE", 3)
    monkeypatch.setattr(bus_sqlite, "_MAX_BUFFERED_ENTRIES", 4)
    await bus.publish([event(number) for number in range(1, 30)])
    subscription = bus.subscribe(["server:1"], after=0)

    async def publish_on() -> None:
        for number in range(30, 300):
            await bus.publish([event(number), event(10_000 + number, "server:2")])

    publisher = asyncio.ensure_future(publish_on())
    assert ids(await receive(subscription, 299)) == list(range(1, 300))
    await publisher
    assert await nothing_waits(subscription)


async def test_slow_subscriber_reads_again_what_did_not_fit_into_its_buffer(
    bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sqlite, "_MAX_BUFFERED_ENTRIES", 4)
    slow, quick = bus.subscribe(["server:1"]), bus.subscribe(["server:1"])
    for number in range(1, 50):
        await bus.publish([event(number)])
        assert ids(await receive(quick, 1)) == [number]
    assert ids(await receive(slow, 49)) == list(range(1, 50))
    await bus.publish([event(50)])
    assert ids(await receive(slow, 1)) == [50]


async def test_quiet_subscriber_misses_nothing_when_a_burst_comes_after_a_trim(
    system: BusUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sqlite, "_MAX_BUFFERED_ENTRIES", 4)
    subscription = system.bus.subscribe(["server:1"])
    await system.bus.publish([event(number, "server:2") for number in range(1, 30)])
    system.clock.advance(KEPT_SECONDS + 1)
    await system.trim()
    await system.bus.publish([event(number) for number in range(30, 50)])
    assert ids(await receive(subscription, 20)) == list(range(30, 50))


async def test_subscription_loses_nothing_when_its_consumer_is_cancelled(bus: Bus) -> None:
    await bus.publish([event(1), event(2)])
    subscription = bus.subscribe(["server:1"], after=0)
    for turns in range(12):  # wherever the consumer is in reading the log
        consumer = asyncio.ensure_future(anext(aiter(subscription)))
        for _ in range(turns % 3):
            await asyncio.sleep(0)
        consumer.cancel()
        assert isinstance((await asyncio.gather(consumer, return_exceptions=True))[0], asyncio.CancelledError)
    await bus.publish([event(3)])
    assert ids(await receive(subscription, 3)) == [1, 2, 3]


async def test_added_shard_is_delivered_from_then_on(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1"])
    await bus.publish([event(1, "server:2")])
    subscription.add("server:2")
    subscription.add("server:2")
    await bus.publish([event(2, "server:2"), event(3)])
    assert ids(await receive(subscription, 2)) == [2, 3]


async def test_added_shard_is_delivered_from_then_on_when_the_log_is_being_read(bus: Bus) -> None:
    await bus.publish([event(1), event(2, "server:2")])
    subscription = bus.subscribe(["server:1"], after=0)
    subscription.add("server:2")
    await bus.publish([event(3, "server:2")])
    assert ids(await receive(subscription, 2)) == [1, 3]


async def test_discarded_shard_is_not_delivered_not_even_what_waits(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1", "server:2"])
    await bus.publish([event(1), event(2, "server:2")])
    subscription.discard("server:2")
    subscription.discard("server:99")
    await bus.publish([event(3, "server:2"), event(4)])
    assert ids(await receive(subscription, 2)) == [1, 4]


async def test_iteration_ends_when_the_subscription_is_closed(bus: Bus) -> None:
    subscription = bus.subscribe(["server:1"])
    consumer = asyncio.ensure_future(anext(aiter(subscription), None))
    await asyncio.sleep(0)
    subscription.close()
    async with asyncio.timeout(10):
        assert await consumer is None
    await bus.publish([event(1)])
    assert [batch async for batch in subscription] == []


async def test_iteration_ends_when_the_bus_is_closed(system: BusUnderTest) -> None:
    subscription = system.bus.subscribe(["server:1"])
    consumer = asyncio.ensure_future(anext(aiter(subscription), None))
    await asyncio.sleep(0)
    await system.bus.close()
    async with asyncio.timeout(10):
        assert await consumer is None


async def test_read_pages_through_some_shards(bus: Bus) -> None:
    await bus.publish([event(number, f"server:{number % 3}") for number in range(1, 10)])
    first = await bus.read(["server:0", "server:1"], 0, 4)
    rest = await bus.read(["server:0", "server:1"], first[-1].offset, 4)
    assert ids(first) + ids(rest) == [1, 3, 4, 6, 7, 9]


async def test_fetch_answers_in_offset_order_and_leaves_out_what_it_does_not_have(bus: Bus) -> None:
    offsets = await bus.publish([event(1), event(2), event(3)])
    assert ids(await bus.fetch([offsets[2], offsets[0], offsets[2] + 1000])) == [1, 3]
    assert await bus.fetch([]) == []


async def test_trim_keeps_what_is_young_or_among_the_newest(system: BusUnderTest) -> None:
    old = await system.bus.publish([event(number) for number in range(1, 11)])
    await system.trim()
    assert len(await system.bus.fetch(old)) == 10, "young entries stay, however many they are"
    system.clock.advance(KEPT_SECONDS + 1)
    await system.bus.publish([event(11)])
    await system.trim()
    assert ids(await system.bus.fetch(old)) == [7, 8, 9, 10], "with the newest one, five are kept, however old"


async def test_read_says_that_history_is_lost_when_it_was_trimmed(system: BusUnderTest) -> None:
    offsets = await system.bus.publish([event(number) for number in range(1, 11)])
    system.clock.advance(KEPT_SECONDS + 1)
    await system.trim()
    with pytest.raises(HistoryLost):
        await system.bus.read(["server:1"], offsets[3], 10)
    assert ids(await system.bus.read(["server:1"], offsets[4], 10)) == [6, 7, 8, 9, 10]
    with pytest.raises(HistoryLost):
        await receive(system.bus.subscribe(["server:1"], after=offsets[3]), 1)


async def test_read_says_that_history_is_lost_when_the_offset_is_ahead_of_the_log(bus: Bus) -> None:
    offsets = await bus.publish([event(1)])
    with pytest.raises(HistoryLost):
        await bus.read(["server:1"], offsets[0] + 1, 10)


async def test_offsets_rise_on_when_all_but_the_newest_entries_were_trimmed(system: BusUnderTest) -> None:
    last = (await system.bus.publish([event(number) for number in range(1, 11)]))[-1]
    system.clock.advance(KEPT_SECONDS + 1)
    await system.trim()
    await system.restart()
    assert (await system.bus.publish([event(99)]))[0] > last
