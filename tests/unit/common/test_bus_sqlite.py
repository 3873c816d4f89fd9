"""What the embedded bus does beyond the contract, and the interleavings that only its insides can arrange."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope, Record, Subscription
from services.common.bus import sqlite as bus_sqlite
from services.common.bus.sqlite import SqliteBus
from services.common.errors import Unavailable
from tests.support.clock import ManualClock


class InterruptedBus(SqliteBus):
    """Publishes some envelopes in the middle of the next read of the log, and then perhaps never finishes it."""

    publish_before_read: list[Envelope]
    publish_after_read: list[Envelope]
    at_read: Callable[[], None] = staticmethod(lambda: None)
    failures = 0
    hang = False

    async def read(self, shards: Collection[str], after: int, limit: int) -> list[Record]:
        shards = list(shards)
        if self.failures:
            self.failures -= 1
            raise Unavailable("STORE_OVERLOADED")
        self.at_read()
        before, self.publish_before_read = self.publish_before_read, []
        behind, self.publish_after_read = self.publish_after_read, []
        for envelope in before:
            await self.publish([envelope])
        page = await super().read(shards, after, limit)
        for envelope in behind:
            await self.publish([envelope])
        if self.hang:
            self.hang = False
            await asyncio.Event().wait()
        return page


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


@pytest.fixture
async def bus(path: Path) -> AsyncIterator[InterruptedBus]:
    opened = await InterruptedBus.open(path, ManualClock())
    opened.publish_before_read = []
    opened.publish_after_read = []
    yield opened
    await opened.close()


def event(event_id: int, shard: str = "server:1") -> Envelope:
    return Envelope(event_id=event_id, shard=shard, type="X", body=b"{}", audience=Audience.SERVER)


async def receive(subscription: Subscription, count: int) -> list[int]:
    received: list[int] = []
    async with asyncio.timeout(10):
        while len(received) < count:
            received += [record.envelope.event_id for record in await anext(aiter(subscription))]
    return received


async def test_subscriber_gets_the_very_envelope_that_was_published(bus: InterruptedBus) -> None:
    subscription = bus.subscribe(["server:1"])
    published = event(1)
    await bus.publish([published])
    (record,) = await anext(aiter(subscription))
    assert record.envelope is published


async def test_subscriber_is_fed_without_the_disk_again_when_it_has_caught_up(bus: InterruptedBus) -> None:
    await bus.publish([event(1)])
    subscription = bus.subscribe(["server:1"], after=0)
    await receive(subscription, 1)
    published = event(2)
    await bus.publish([published])
    (record,) = await anext(aiter(subscription))
    assert record.envelope is published


async def test_entry_is_delivered_once_when_it_is_both_in_the_page_and_in_the_buffer(bus: InterruptedBus) -> None:
    await bus.publish([event(1)])
    subscription = bus.subscribe(["server:1"], after=0)
    bus.publish_before_read = [event(2)]
    bus.publish_after_read = [event(3)]
    assert await receive(subscription, 3) == [1, 2, 3]
    await bus.publish([event(4)])
    assert await receive(subscription, 1) == [4]


@pytest.mark.parametrize("backlog", [1, 255, 256, 300])
async def test_entry_of_a_shard_that_is_added_while_the_log_is_read_is_not_lost(
    bus: InterruptedBus, backlog: int
) -> None:
    await bus.publish([event(number) for number in range(1, backlog + 1)])
    subscription = bus.subscribe(["server:1"], after=0)
    bus.at_read = lambda: subscription.add("server:2")
    bus.publish_before_read = [event(9_000, "server:2"), event(9_001)]
    assert await receive(subscription, backlog + 2) == [*range(1, backlog + 1), 9_000, 9_001]
    await bus.publish([event(9_002, "server:2")])
    assert await receive(subscription, 1) == [9_002]


async def test_subscriber_goes_on_when_the_log_could_not_be_read_for_a_while(path: Path) -> None:
    clock = ManualClock()
    bus = await InterruptedBus.open(path, clock)
    bus.publish_before_read, bus.publish_after_read, bus.failures = [], [], 2
    await bus.publish([event(1)])
    subscription = bus.subscribe(["server:1"], after=0)
    consumer = asyncio.ensure_future(receive(subscription, 2))
    await bus.publish([event(2)])
    for _ in range(2):
        await clock.until_sleeping(2)
        clock.advance(1)
    assert await consumer == [1, 2]
    await bus.close()


async def test_iteration_ends_when_the_bus_is_closed_while_its_log_cannot_be_read(path: Path) -> None:
    clock = ManualClock()
    bus = await InterruptedBus.open(path, clock)
    bus.publish_before_read, bus.publish_after_read, bus.failures = [], [], 1_000
    consumer = asyncio.ensure_future(anext(aiter(bus.subscribe(["server:1"], after=0))))
    await clock.until_sleeping(2)
    await bus.close()
    clock.advance(1)
    with pytest.raises(StopAsyncIteration):
        async with asyncio.timeout(10):
            await consumer


async def test_subscriber_loses_nothing_when_its_buffer_overflows_in_a_read_that_is_cancelled(
    bus: InterruptedBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bus_sqlite, "_MAX_BUFFERED_ENTRIES", 2)
    await bus.publish([event(1), event(2)])
    subscription = bus.subscribe(["server:1"], after=0)
    bus.publish_after_read = [event(number) for number in range(3, 9)]
    bus.hang = True
    consumer = asyncio.ensure_future(anext(aiter(subscription)))
    while bus.hang:  # noqa: ASYNC110 - until the read has published all and stands still
        await asyncio.sleep(0)
    consumer.cancel()
    await asyncio.gather(consumer, return_exceptions=True)
    assert await receive(subscription, 8) == list(range(1, 9))


async def test_entry_is_delivered_when_its_publisher_is_cancelled_after_the_commit(
    bus: InterruptedBus, path: Path
) -> None:
    subscription = bus.subscribe(["server:1"])
    publisher = asyncio.ensure_future(bus.publish([event(1)]))
    await asyncio.sleep(0)  # it has handed its envelope to the writer
    # The commit reaches the disk while the loop is busy with something else, and the publisher dies before it hears.
    log = sqlite3.connect(path)
    while log.execute("SELECT count(*) FROM log").fetchone() == (0,):
        pass
    log.close()
    publisher.cancel()
    assert await receive(subscription, 1) == [1]
    assert publisher.cancelled()


async def test_closed_bus_refuses(path: Path) -> None:
    bus = await SqliteBus.open(path, ManualClock())
    await bus.close()
    with pytest.raises(Unavailable):
        await bus.publish([event(1)])
    with pytest.raises(Unavailable):
        bus.subscribe(["server:1"])
    await bus.close()


async def test_log_is_trimmed_by_itself_as_time_goes_by(path: Path) -> None:
    clock = ManualClock()
    bus = await SqliteBus.open(path, clock, retention_seconds=600, retention_entries=3)
    offsets = await bus.publish([event(number) for number in range(1, 3_000)])
    await clock.until_sleeping()
    clock.advance(601)
    for _ in range(1_000):
        if len(kept := await bus.fetch(offsets)) == 3:
            break
    assert [record.envelope.event_id for record in kept] == [2_997, 2_998, 2_999]
    await bus.close()


async def test_shards_without_readers_leave_nothing_behind(bus: InterruptedBus) -> None:
    for number in range(100):
        subscription = bus.subscribe([f"server:{number}"])
        subscription.add("server:x")
        subscription.discard("server:x")
        subscription.close()
    assert not bus._by_shard
    assert not bus._subscriptions
