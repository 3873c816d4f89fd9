from array import array
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.replay import (
    EVENTS,
    NOT_REPLAYABLE,
    RESUMED,
    WORDS,
    missed,
    record,
    recorded_after,
)
from services.gateway.store.replay_file import RINGS_PER_CHUNK, ReplayFile


def ring_of(count: int) -> memoryview:
    """Sequence number n has offset 10 n."""
    ring = memoryview(array("Q", bytes(WORDS * 8)))
    for sequence in range(1, count + 1):
        record(ring, sequence, sequence * 10)
    return ring


@given(st.integers(1, EVENTS * 2), st.integers(0, EVENTS * 2 + 5))
def test_missed_is_exactly_what_came_after_or_unknown(count: int, received: int) -> None:
    answer = missed(ring_of(count), received)
    if not 0 < received <= count or count - received > EVENTS:
        assert answer is None
    else:
        assert answer == [sequence * 10 for sequence in range(received + 1, count + 1)]


def test_missed_is_unknown_when_something_in_it_cannot_be_replayed() -> None:
    ring = ring_of(5)
    record(ring, 6, NOT_REPLAYABLE)
    record(ring, 7, 70)
    assert missed(ring, 5) is None
    assert missed(ring, 6) == [70]


def test_resumed_is_replayed_as_itself() -> None:
    ring = ring_of(2)
    record(ring, 3, RESUMED)
    assert missed(ring, 2) == [RESUMED]
    assert recorded_after(ring, 0) == {10, 20}


def test_recorded_is_unknown_when_the_ring_may_have_overwritten_some() -> None:
    ring = ring_of(EVENTS + 10)
    assert recorded_after(ring, 100) is None
    later = recorded_after(ring, (EVENTS + 5) * 10)
    assert later == {(EVENTS + n) * 10 for n in range(6, 11)}


Open = Callable[[str, str], ReplayFile]


@pytest.fixture
def open_file(tmp_path: Path) -> Iterator[Open]:
    """Open the same file, as often as asked. None is closed before the test ends: so does kill -9 leave it."""
    opened: list[ReplayFile] = []

    def open_again(boot: str, epoch: str) -> ReplayFile:
        opened.append(ReplayFile(tmp_path / "replay", boot=boot, epoch=epoch))
        return opened[-1]

    yield open_again
    for file in opened:
        file.close()


def test_rings_survive_when_the_file_is_opened_again(open_file: Open) -> None:
    first = open_file("b", "e")
    slots = [first.allocate() for _ in range(RINGS_PER_CHUNK + 3)]
    for slot in slots:
        record(first.ring(slot), 1, slot + 100)
    first.watermark = 42
    second = open_file("b", "e")
    assert second.restored
    assert second.watermark == 42
    assert all(missed(second.ring(slot), 1) == [] and second.ring(slot)[2] == slot + 100 for slot in slots)
    second.reserve(set(slots[1:]))
    taken = {second.allocate() for _ in range(RINGS_PER_CHUNK * 2 - len(slots) + 1)}
    assert taken.isdisjoint(slots[1:])
    assert second.ring(slots[0])[0] == 0


def test_rings_are_empty_when_the_machine_or_the_bus_began_anew(open_file: Open) -> None:
    first = open_file("b", "e")
    first.allocate()
    first.watermark = 42
    for boot, epoch in (("other", "e"), ("other", "f")):
        again = open_file(boot, epoch)
        assert not again.restored
        assert again.watermark == 0
        assert not again.has(0)


def test_file_is_empty_when_it_is_torn(open_file: Open, tmp_path: Path) -> None:
    (tmp_path / "replay").write_bytes(b"beep")
    assert not open_file("b", "e").restored
