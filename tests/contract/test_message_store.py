"""What every store of messages promises (services/messages/store/ports.py).

A second adapter is one more entry in `ADAPTERS`.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from services.common import limits
from services.common.bus import Audience, Envelope
from services.common.limits import NONCE_LIFETIME
from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.snowflake import MAX_SNOWFLAKE, at_ms
from services.common.sqlite import Database
from services.messages.domain.attachment import Attachment
from services.messages.domain.errors import TooFast, TooManyPins, UnknownMessage
from services.messages.domain.history import Window, after, around, before, newest
from services.messages.domain.mentions import Mentions
from services.messages.domain.message import Message, MessageType
from services.messages.domain.search import Has, Order, Search, parse_terms
from services.messages.store.ports import IdTooLow, MessageStore
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore
from tests.support.clock import ManualClock

SERVER, CHANNEL, OTHER_CHANNEL, ANN, BOB = 1, 2, 3, 4, 5
START = at_ms(ManualClock().now_ms())
DAY = at_ms(ManualClock().now_ms() + NONCE_LIFETIME * 1000) - START


class StoreUnderTest(Protocol):
    """What the suite needs beside the port."""

    store: MessageStore
    committed: list[int]
    """The ids of the records that the store has told of, in order."""

    async def recorded(self) -> list[int]:
        """The ids of the records in the outbox, in order."""
        ...

    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.committed: list[int] = []

    async def restart(self) -> None:
        if hasattr(self, "_db"):
            await self._db.close()
        self._db = await Database.open(self._path, MIGRATIONS)
        self.store: MessageStore = SqliteMessageStore(self._db, lambda record: self.committed.append(record.id))

    async def recorded(self) -> list[int]:
        return [pending.record.id for pending in await SqliteOutbox(self._db, ManualClock()).pending(0, 10_000)]

    async def close(self) -> None:
        await self._db.close()


async def open_sqlite(path: Path) -> StoreUnderTest:
    under_test = SqliteUnderTest(path / "messages.db")
    await under_test.restart()
    return under_test


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoreUnderTest]]] = {"sqlite": open_sqlite}


@pytest.fixture(params=ADAPTERS)
async def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreUnderTest]:
    opened = await ADAPTERS[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def store(under_test: StoreUnderTest) -> MessageStore:
    return under_test.store


_record_ids = itertools.count(1)


def record() -> OutboxRecord:
    event_id = next(_record_ids)
    shard = f"server:{SERVER}"
    return OutboxRecord(event_id, shard, (Envelope(event_id, shard, "MESSAGE_CREATE", b"{}", Audience.CHANNEL),))


def message(n: int, *, channel_id: int = CHANNEL, author_id: int = ANN, content: str = "hello") -> Message:
    return Message(
        id=START + n,
        channel_id=channel_id,
        server_id=SERVER,
        author_id=author_id,
        type=MessageType.DEFAULT,
        content=content,
    )


def attachment(n: int, content_type: str = "text/plain") -> Attachment:
    return Attachment(id=n, filename="f", content_type=content_type, size=1, token="t", description="d")


def changed(old: Message, **fields: object) -> Message:
    return replace(old, revision=old.revision + 1, **fields)


async def fill(store: MessageStore, count: int, *, channel_id: int = CHANNEL) -> list[Message]:
    return [await store.insert(message(n, channel_id=channel_id), record()) for n in range(1, count + 1)]


# Atomic, durable


async def test_insert_stores_message_and_record_across_a_restart(under_test: StoreUnderTest) -> None:
    full = replace(
        message(1, content="h\u00e9llo \N{WAVING HAND SIGN}"),
        type=MessageType.REPLY,
        embeds=b'[{"title":"x"}]',
        flags=4,
        tts=True,
        mentions=Mentions(user_ids=(7, MAX_SNOWFLAKE), role_ids=(8,), everyone=True),
        reference_id=9,
        edited_at_ms=10,
        pinned_at_ms=11,
        revision=12,
        parent_id=13,
        attachments=(attachment(14), attachment(15, "image/png")),
    )
    told = record()
    await under_test.store.insert(full, told)
    await under_test.restart()
    assert await under_test.store.get(CHANNEL, full.id) == full
    assert await under_test.recorded() == [told.id]


async def test_record_is_told_of_when_and_only_when_something_was_written(under_test: StoreUnderTest) -> None:
    store, told = under_test.store, [record() for _ in range(9)]
    first = await store.insert(message(1), told[0], nonce="n")
    await store.insert(message(2), told[1], nonce="n")
    with pytest.raises(IdTooLow):
        await store.insert(message(1), told[2])
    await store.replace(changed(first, content="x"), told[3])
    await store.replace(changed(first, content="y"), told[4])
    await store.delete(CHANNEL, [first.id], told[5])
    await store.delete(CHANNEL, [first.id], told[6])
    assert under_test.committed == await under_test.recorded() == [told[0].id, told[3].id, told[5].id]


# Order


async def test_writes_take_effect_in_the_order_of_the_calls(under_test: StoreUnderTest) -> None:
    """Each call takes its place before it first waits, so of calls made one after another none overtakes."""
    told = [record() for _ in range(64)]
    await asyncio.gather(*(under_test.store.insert(message(n + 1), told[n]) for n in range(64)))
    assert under_test.committed == await under_test.recorded() == [one.id for one in told]


@pytest.mark.parametrize("n", [4, 5])
async def test_insert_refuses_an_id_that_is_not_the_highest(store: MessageStore, n: int) -> None:
    await store.insert(message(5), record())
    await store.insert(message(9, channel_id=OTHER_CHANNEL), record())
    with pytest.raises(IdTooLow) as refused:
        await store.insert(message(n, content="late"), record(), nonce="n")
    assert refused.value.highest == START + 5
    # Its nonce went with it: the same message under a better id is not a retry.
    assert (await store.insert(message(6), record(), nonce="n")).id == START + 6


# Nonces


async def test_concurrent_inserts_with_one_nonce_make_one_message(under_test: StoreUnderTest) -> None:
    store = under_test.store
    stored = await asyncio.gather(*(store.insert(message(n), record(), nonce="n") for n in range(1, 33)))
    assert {one.id for one in stored} == {START + 1}
    assert await store.page(CHANNEL, newest(100)) == [message(1)]
    assert len(await under_test.recorded()) == 1


async def test_nonce_finds_the_first_message_as_it_is_now_also_after_a_restart(under_test: StoreUnderTest) -> None:
    first = await under_test.store.insert(message(1), record(), nonce="n")
    await under_test.store.replace(changed(first, content="edited"), record())
    await under_test.restart()
    again = await under_test.store.insert(message(2), record(), nonce="n")
    assert (again.id, again.content) == (first.id, "edited")
    assert await under_test.store.find_by_nonce(CHANNEL, ANN, "n") == again
    assert await under_test.store.find_by_nonce(CHANNEL, BOB, "n") is None


async def test_nonce_belongs_to_one_author_in_one_channel(store: MessageStore) -> None:
    await store.insert(message(1), record(), nonce="n")
    for other in (message(2, author_id=BOB), message(3, channel_id=OTHER_CHANNEL)):
        assert await store.insert(other, record(), nonce="n") == other


async def test_nonce_counts_for_its_lifetime(store: MessageStore) -> None:
    first = await store.insert(message(1), record(), nonce="n")
    last_moment = await store.insert(message(DAY), record(), nonce="n")
    assert last_moment.id == first.id
    too_late = message(DAY + (1 << 23))
    assert await store.insert(too_late, record(), nonce="n") == too_late
    assert (await store.insert(message(DAY + (1 << 24)), record(), nonce="n")).id == too_late.id


async def test_nonce_of_a_deleted_message_makes_no_second_one(under_test: StoreUnderTest) -> None:
    first = await under_test.store.insert(message(1), record(), nonce="n")
    await under_test.store.delete(CHANNEL, [first.id], record())
    with pytest.raises(UnknownMessage):
        await under_test.store.insert(message(2), record(), nonce="n")
    assert await under_test.store.find_by_nonce(CHANNEL, ANN, "n") is None
    assert len(await under_test.recorded()) == 2


async def test_old_nonces_are_forgotten_oldest_first(store: MessageStore) -> None:
    for n in range(1, 6):
        await store.insert(message(n), record(), nonce=f"n{n}")
    assert await store.forget_nonces(before=START + 4, limit=2) == 2
    assert await store.forget_nonces(before=START + 4, limit=2) == 1
    assert await store.forget_nonces(before=START + 4, limit=2) == 0
    known = [await store.find_by_nonce(CHANNEL, ANN, f"n{n}") is not None for n in range(1, 6)]
    assert known == [False, False, False, True, True]


# Slow mode


async def test_interval_holds_one_author_up_in_one_channel(under_test: StoreUnderTest) -> None:
    second = at_ms(ManualClock().now_ms() + 1_000) - START

    async def send(n: int, **fields: Any) -> Message:
        return await under_test.store.insert(message(n, **fields), record(), interval_ms=2_000)

    first = await send(1)
    await under_test.store.delete(CHANNEL, [first.id], record())
    await under_test.restart()
    with pytest.raises(TooFast) as refused:
        await send(second)
    assert refused.value.metadata == {"retry_after": "1.0"}
    await send(second, author_id=BOB)
    await send(second, channel_id=OTHER_CHANNEL)
    # What was refused did not begin a new interval.
    await send(2 * second + 2)
    with pytest.raises(TooFast):
        await send(2 * second + 3)
    # Where there is none, nothing is held up, and nothing remembered.
    await under_test.store.insert(message(2 * second + 3), record())


async def test_interval_spares_a_retry(store: MessageStore) -> None:
    first = await store.insert(message(1), record(), nonce="n", interval_ms=2_000)
    assert (await store.insert(message(2), record(), nonce="n", interval_ms=2_000)).id == first.id
    with pytest.raises(TooFast):
        await store.insert(message(2), record(), nonce="m", interval_ms=2_000)
    # The nonce of what was refused is free again.
    assert (await store.insert(message(3), record(), nonce="m")).id == START + 3


# Files


async def test_files_are_known_while_their_message_has_them(store: MessageStore) -> None:
    old = await store.insert(replace(message(1), attachments=(attachment(1), attachment(2))), record())
    assert await store.attached([1, 2, 3]) == {1, 2}
    await store.replace(changed(old, attachments=(attachment(2), attachment(3))), record())
    assert await store.attached([1, 2, 3]) == {2, 3}
    await store.delete(CHANNEL, [old.id], None)
    assert await store.attached([1, 2, 3]) == set()


# Reading


async def test_last_ids_are_those_of_channels_with_messages(store: MessageStore) -> None:
    await fill(store, 3)
    await store.insert(message(9, channel_id=OTHER_CHANNEL), record())
    await store.delete(CHANNEL, [START + 3], record())
    assert await store.last_ids([CHANNEL, OTHER_CHANNEL, 99]) == {CHANNEL: START + 2, OTHER_CHANNEL: START + 9}


async def test_written_by_gives_the_oldest_of_an_author_in_a_server_since(store: MessageStore) -> None:
    for n in range(1, 5):
        await store.insert(message(n, author_id=BOB, channel_id=n % 2), record())
    await store.insert(message(5), record())
    await store.insert(replace(message(6, author_id=BOB, channel_id=9), server_id=77), record())

    async def written(since: int, limit: int) -> list[int]:
        found = await store.written_by(BOB, server_id=SERVER, since=START + since, limit=limit)
        return [one.id - START for one in found]

    assert await written(0, 9) == [1, 2, 3, 4]
    assert await written(3, 9) == [3, 4]
    assert await written(2, 2) == [2, 3]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (newest(3), [9, 8, 7]),
        (before(START + 3, 10), [2, 1]),
        (after(START + 3, 2), [5, 4]),
        (after(0, 2), [2, 1]),
        (around(START + 5, 4), [6, 5, 4, 3]),
        (around(START + 5, 1), [5]),
        (before(0, 5), []),
        (after(MAX_SNOWFLAKE, 5), []),
        (around(MAX_SNOWFLAKE, 2), [9]),
    ],
)
async def test_page_gives_the_window_newest_first(store: MessageStore, window: Window, expected: list[int]) -> None:
    await fill(store, 9)
    await fill(store, 9, channel_id=OTHER_CHANNEL)
    assert [one.id - START for one in await store.page(CHANNEL, window)] == expected


async def test_get_many_gives_those_that_exist_in_the_channel(store: MessageStore) -> None:
    first, second = await fill(store, 2)
    await store.insert(message(7, channel_id=OTHER_CHANNEL), record())
    found = await store.get_many(CHANNEL, [second.id, first.id, START + 7, 5])
    assert found == {first.id: first, second.id: second}
    assert await store.get(CHANNEL, START + 7) is None


# Conflicts


async def test_replace_takes_one_of_two_changes_made_from_the_same_revision(under_test: StoreUnderTest) -> None:
    store = under_test.store
    old = await store.insert(message(1), record())
    ours, theirs = changed(old, content="ours", pinned_at_ms=5), changed(old, content="theirs")
    assert await asyncio.gather(store.replace(ours, record()), store.replace(theirs, record())) == [True, False]
    assert await store.get(CHANNEL, old.id) == ours
    assert await store.replace(changed(ours, content="theirs after all"), record())
    assert len(await under_test.recorded()) == 3


async def test_replace_changes_nothing_when_the_message_is_gone(under_test: StoreUnderTest) -> None:
    assert not await under_test.store.replace(changed(message(1)), record())
    assert await under_test.recorded() == []


async def test_delete_removes_what_exists_once(under_test: StoreUnderTest) -> None:
    store = under_test.store
    await fill(store, 3)
    await store.insert(message(9, channel_id=OTHER_CHANNEL), record())
    ids = [START + 1, START + 3, START + 9]
    assert await asyncio.gather(*(store.delete(CHANNEL, ids, record()) for _ in range(2))) == [True, False]
    assert [one.id - START for one in await store.page(CHANNEL, newest(10))] == [2]
    assert await store.get(OTHER_CHANNEL, START + 9) is not None
    assert len(await under_test.recorded()) == 5


# Pins


async def test_pin_adds_the_notice_in_the_same_write(under_test: StoreUnderTest) -> None:
    store = under_test.store
    old = await store.insert(message(1), record())
    notice = replace(message(2), type=MessageType.PINNED, reference_id=old.id)
    assert await store.pin(changed(old, pinned_at_ms=5), notice, record(), most=1)
    assert not await store.pin(changed(old, pinned_at_ms=6), replace(notice, id=START + 3), record(), most=2)
    assert await store.page(CHANNEL, newest(10)) == [notice, changed(old, pinned_at_ms=5)]
    assert len(await under_test.recorded()) == 2


async def test_pin_is_refused_whole_when_the_channel_has_as_many_as_it_may(under_test: StoreUnderTest) -> None:
    store = under_test.store
    first, second = await fill(store, 2)
    await store.pin(changed(first, pinned_at_ms=5), message(3), record(), most=1)
    with pytest.raises(TooManyPins):
        await store.pin(changed(second, pinned_at_ms=6), message(4), record(), most=1)
    with pytest.raises(IdTooLow):
        await store.pin(changed(second, pinned_at_ms=6), message(3), record(), most=2)
    assert [one.id - START for one in await store.page(CHANNEL, newest(10))] == [3, 2, 1]
    assert [one.id - START for one in await store.pins(CHANNEL, before_ms=MAX_SNOWFLAKE, limit=9)] == [1]
    assert len(await under_test.recorded()) == 3


async def test_pins_are_the_newest_pins_first_and_none_that_was_taken_off(store: MessageStore) -> None:
    stored = await fill(store, 4)
    pinned = {}
    for n, (one, at) in enumerate(zip(stored, (30, 10, 20, 40), strict=True)):
        pinned[one.id] = changed(one, pinned_at_ms=at)
        await store.pin(pinned[one.id], message(10 + n), record(), most=9)
    await store.replace(changed(pinned[stored[3].id], pinned_at_ms=0), record())
    await store.delete(CHANNEL, [stored[2].id], record())

    async def pins(before_ms: int, limit: int) -> list[int]:
        return [one.id - START for one in await store.pins(CHANNEL, before_ms=before_ms, limit=limit)]

    assert await pins(MAX_SNOWFLAKE, 9) == [1, 2]
    assert await pins(MAX_SNOWFLAKE, 1) == [1]
    assert await pins(30, 9) == [2]


# Search


async def say(store: MessageStore, n: int, content: str, *, channel_id: int = CHANNEL, author_id: int = ANN) -> Message:
    return await store.insert(message(n, channel_id=channel_id, author_id=author_id, content=content), record())


async def found(store: MessageStore, content: str = "", *, channels: tuple[int, ...] = (CHANNEL,), **asked: Any) -> Any:
    """The messages of the page by their number."""
    search = Search(channel_ids=frozenset(channels), terms=parse_terms(content) or (), **asked)
    return [one.id - START for one in (await store.search(search)).messages]


async def count(store: MessageStore, content: str = "", **asked: Any) -> int:
    """How many there are on all pages, as one page tells it."""
    search = Search(channel_ids=frozenset({CHANNEL}), terms=parse_terms(content) or (), limit=1, **asked)
    return (await store.search(search)).total


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("fox", [3, 1]),
        ("FOX brown", [1]),
        ("brown fox", [1]),
        ('"quick brown"', [1]),
        ('"brown quick"', []),
        ('fox "lazy dog"', []),
        ("cafe", [2]),
        ("CAFÉ", [2]),
        ("foxes", []),
        ("well-known", [4]),
        ("fox !!", [3, 1]),
        ("", [4, 3, 2, 1]),
        # FTS5's own words are words.
        ("fox OR dog", []),
        ("NOT AND OR NEAR", [5]),
        ("content:fox", []),
        ("fo*", []),
    ],
)
async def test_search_finds_all_of_the_words(store: MessageStore, content: str, expected: list[int]) -> None:
    await say(store, 1, "The quick brown fox")
    await say(store, 2, "un café")
    await say(store, 3, "fox")
    await say(store, 4, "a well-known fact")
    if "NEAR" in content:
        await say(store, 5, "near or not and")
    assert await found(store, content) == expected


async def test_search_sees_what_was_acknowledged_just_before(store: MessageStore) -> None:
    async def say_and_find(n: int, channel_id: int) -> None:
        said = await say(store, n, f"word{n}", channel_id=channel_id)
        search = Search(channel_ids=frozenset({channel_id}), terms=(f"word{n}",))
        assert (await store.search(search)).messages == [said]

    # Each in a channel of its own: the order of these inserts is not what is tested.
    await asyncio.gather(*(say_and_find(n, 100 + n) for n in range(1, 300)))


async def test_search_follows_edits_and_deletions(store: MessageStore) -> None:
    first, second, third = [await say(store, n, "apple pie") for n in (1, 2, 3)]
    assert await found(store, "apple") == [3, 2, 1]
    await store.replace(changed(first, content="pear"), record())
    await store.replace(changed(second, content="", embeds=b"[{}]"), record())
    await store.delete(CHANNEL, [third.id], record())
    for content, expected in (("apple", []), ("pie", []), ("pear", [1]), ("", [2, 1])):
        assert await found(store, content) == expected
        # Not even counted.
        assert await count(store, content) == len(expected)


async def test_search_sees_the_last_of_many_changes_of_one_message(store: MessageStore) -> None:
    once = changed(await say(store, 1, "plum"), content="quince")
    await store.replace(once, record())
    await store.replace(changed(once, content="fig"), record())
    gone = await say(store, 2, "fig")
    await store.replace(changed(gone, content="fig jam"), record())
    await store.delete(CHANNEL, [gone.id], record())
    for content, expected in (("plum", []), ("quince", []), ("fig", [1]), ("jam", [])):
        assert await found(store, content) == expected
        assert await count(store, content) == len(expected)


async def test_search_finds_after_a_restart_what_was_never_searched_before(under_test: StoreUnderTest) -> None:
    first = await say(under_test.store, 1, "apple")
    await say(under_test.store, 2, "apple")
    assert await found(under_test.store, "apple") == [2, 1]
    await say(under_test.store, 3, "apple")
    await under_test.store.delete(CHANNEL, [first.id], record())
    await under_test.restart()
    assert await found(under_test.store, "apple") == [3, 2]


async def test_search_has_no_trace_of_a_write_that_was_refused(store: MessageStore) -> None:
    old = await say(store, 5, "apple")
    with pytest.raises(IdTooLow):
        await say(store, 4, "pear")
    assert not await store.replace(replace(old, content="pear", revision=7), record())
    assert (await found(store, "apple"), await found(store, "pear")) == ([5], [])


async def test_search_stays_in_its_channels_and_with_its_authors(store: MessageStore) -> None:
    await say(store, 1, "apple")
    await say(store, 2, "apple", author_id=BOB)
    await say(store, 3, "apple", channel_id=OTHER_CHANNEL)
    # What looks like the id of a channel or an author is no way in.
    await say(store, 4, f"c{CHANNEL} a{BOB} apple", channel_id=999)
    assert await found(store, "apple") == [2, 1]
    assert await found(store, "apple", channels=(CHANNEL, OTHER_CHANNEL)) == [3, 2, 1]
    assert await found(store, "apple", channels=()) == []
    assert await found(store, "apple", author_ids=frozenset({BOB})) == [2]
    assert await found(store, "apple", channels=(CHANNEL, OTHER_CHANNEL), author_ids=frozenset({ANN})) == [3, 1]
    assert await found(store, channels=(OTHER_CHANNEL,)) == [3]
    assert await found(store, f"c{CHANNEL}") == []


async def test_search_pages_in_the_order_asked_for_within_the_bounds(store: MessageStore) -> None:
    for n in range(1, 8):
        await say(store, n, "apple " + "filler " * (n if n != 3 else 0))
    assert await found(store, "apple", limit=3) == [7, 6, 5]
    assert await found(store, "apple", limit=3, offset=6) == [1]
    assert await found(store, "apple", limit=3, offset=7) == []
    assert await found(store, "apple", limit=3, order=Order.OLDEST) == [1, 2, 3]
    assert await found(store, "apple", limit=2, offset=1, order=Order.OLDEST) == [2, 3]
    assert await found(store, "apple", limit=2, order=Order.RELEVANCE) == [3, 1]
    assert await found(store, "apple", before=START + 4, after=START + 1) == [3, 2]
    within = {"before": START + 6, "after": START + 3}
    assert await found(store, "apple", order=Order.RELEVANCE, **within) == [4, 5]
    assert await count(store, "apple", offset=2, **within) == 2


async def test_search_takes_as_many_channels_authors_and_words_as_may_be_named(store: MessageStore) -> None:
    words = " ".join(f"w{n}" for n in range(limits.SEARCH_TERMS))
    await say(store, 1, words)
    asked = {"author_ids": frozenset(range(limits.SEARCH_AUTHORS))}
    for order in Order:
        assert await found(store, words, channels=tuple(range(limits.CHANNELS_PER_SERVER)), order=order, **asked) == [1]


async def test_search_keeps_to_what_a_message_has(store: MessageStore) -> None:
    await say(store, 1, "plain")
    await store.insert(replace(message(2, content=""), attachments=(attachment(1),)), record())
    await store.insert(replace(message(3), attachments=(attachment(2, "image/png"),), embeds=b"[{}]"), record())
    await say(store, 4, "see https://example.org/x")
    named = await store.insert(replace(message(5), mentions=Mentions(user_ids=(ANN, BOB))), record())
    await store.insert(replace(message(6), type=MessageType.PINNED, content=""), record())
    expected = {Has.FILE: [3, 2], Has.IMAGE: [3], Has.EMBED: [3], Has.LINK: [4]}
    for has, numbers in expected.items():
        assert await found(store, has=frozenset({has})) == numbers
    assert await found(store, has=frozenset({Has.FILE, Has.EMBED})) == [3]
    assert await found(store, "hello", has=frozenset({Has.FILE})) == [3]
    assert await found(store, mentioned_ids=frozenset({BOB, 99})) == [5]
    assert await found(store, mentioned_ids=frozenset({99})) == []
    # Words that look like what is asked for are words.
    assert await found(store, "file") == await found(store, "pinned") == []
    assert (await found(store, pinned=True), await found(store, pinned=False)) == ([], [5, 4, 3, 2, 1])
    await store.replace(changed(named, pinned_at_ms=9), record())
    assert (await found(store, pinned=True), await found(store, pinned=False)) == ([5], [4, 3, 2, 1])


async def test_search_of_a_channel_finds_in_its_threads(store: MessageStore) -> None:
    await say(store, 1, "apple")
    await store.insert(replace(message(2, channel_id=77, content="apple"), parent_id=CHANNEL), record())
    assert await found(store, "apple") == [2, 1]
    assert await found(store, "apple", channels=(77,)) == [2]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.text(st.characters() | st.sampled_from('"*:^+-(){}\0\ud800'), max_size=60))
async def test_search_refuses_nothing_that_can_be_typed(store: MessageStore, content: str) -> None:
    for order in Order:
        assert await found(store, content, channels=(7,), order=order) == []
