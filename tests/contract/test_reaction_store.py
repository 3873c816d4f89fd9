"""What every store of reactions promises (services/messages/store/ports.py), beside a store of messages."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope
from services.common.limits import REACTIONS_PER_MESSAGE
from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.messages.domain.errors import TooManyReactions, UnknownMessage
from services.messages.domain.message import Message, MessageType
from services.messages.domain.reaction import Reaction
from services.messages.store.ports import FirstOfItsEmoji, MessageStore, ReactionStore
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore, SqliteReactionStore
from tests.support.clock import ManualClock

CHANNEL, OTHER_CHANNEL, ONE, TWO, ANN, BOB, CARL = 2, 3, 11, 12, 21, 22, 23

_record_ids = itertools.count(1)


def record() -> OutboxRecord:
    event_id = next(_record_ids)
    return OutboxRecord(event_id, "server:1", (Envelope(event_id, "server:1", "X", b"{}", Audience.CHANNEL),))


class SqliteUnderTest:
    def __init__(self, db: Database) -> None:
        self.committed: list[int] = []
        self.messages: MessageStore = SqliteMessageStore(db, self._told)
        self.store: ReactionStore = SqliteReactionStore(db, self._told)
        self._outbox = SqliteOutbox(db, ManualClock())

    async def recorded(self) -> list[int]:
        return [pending.record.id for pending in await self._outbox.pending(0, 10_000)]

    async def say(self, message_id: int, channel_id: int = CHANNEL) -> None:
        message = Message(message_id, channel_id, 1, ANN, MessageType.DEFAULT, "hello")
        await self.messages.insert(message, record())

    async def add(self, user_id: int, emoji: str = "a", *, message_id: int = ONE, may_begin: bool = True) -> bool:
        return await self.store.add(CHANNEL, message_id, user_id, emoji, record(), may_begin=may_begin)

    async def under(self, reader_id: int = 0) -> dict[int, tuple[Reaction, ...]]:
        return await self.store.under(CHANNEL, [ONE, TWO], reader_id=reader_id)

    def _told(self, told: OutboxRecord) -> None:
        self.committed.append(told.id)


@pytest.fixture
async def under_test(tmp_path: Path) -> AsyncIterator[SqliteUnderTest]:
    db = await Database.open(tmp_path / "messages.db", MIGRATIONS)
    opened = SqliteUnderTest(db)
    await opened.say(ONE)
    await opened.say(TWO)
    await opened.say(ONE, OTHER_CHANNEL)
    yield opened
    await db.close()


async def test_reactions_are_counted_in_the_order_in_which_their_emojis_came(under_test: SqliteUnderTest) -> None:
    for user_id, emoji in ((ANN, "z"), (BOB, "a"), (BOB, "z"), (CARL, "m")):
        assert await under_test.add(user_id, emoji)
    await under_test.add(ANN, "z", message_id=TWO)
    assert await under_test.under(BOB) == {
        ONE: (Reaction("z", 2, True), Reaction("a", 1, True), Reaction("m", 1)),
        TWO: (Reaction("z", 1),),
    }
    assert await under_test.store.under(OTHER_CHANNEL, [ONE], reader_id=BOB) == {}


async def test_event_is_told_when_and_only_when_something_changed(under_test: SqliteUnderTest) -> None:
    before = len(await under_test.recorded())
    store, told = under_test.store, [record() for _ in range(8)]
    assert await store.add(CHANNEL, ONE, ANN, "a", told[0], may_begin=True)
    assert not await store.add(CHANNEL, ONE, ANN, "a", told[1], may_begin=True)
    with pytest.raises(FirstOfItsEmoji):
        await store.add(CHANNEL, ONE, BOB, "b", told[2], may_begin=False)
    assert not await store.remove(CHANNEL, ONE, BOB, "a", told[3])
    assert await store.remove(CHANNEL, ONE, ANN, "a", told[4])
    assert not await store.clear(CHANNEL, ONE, "", told[5])
    expected = [told[0].id, told[4].id]
    assert under_test.committed[before:] == (await under_test.recorded())[before:] == expected


async def test_concurrent_reactions_are_all_counted(under_test: SqliteUnderTest) -> None:
    users = range(100, 140)
    assert all(await asyncio.gather(*(under_test.add(user_id) for user_id in users)))
    assert await under_test.under() == {ONE: (Reaction("a", 40),)}
    await asyncio.gather(*(under_test.store.remove(CHANNEL, ONE, user_id, "a", record()) for user_id in users))
    assert await under_test.under() == {}


async def test_who_may_not_begin_joins_in(under_test: SqliteUnderTest) -> None:
    with pytest.raises(FirstOfItsEmoji):
        await under_test.add(ANN, may_begin=False)
    await under_test.add(BOB)
    assert await under_test.add(ANN, may_begin=False)


async def test_so_many_different_emojis_and_no_more(under_test: SqliteUnderTest) -> None:
    for n in range(REACTIONS_PER_MESSAGE):
        await under_test.add(ANN, f"e{n}")
    with pytest.raises(TooManyReactions):
        await under_test.add(ANN, "one more")
    assert await under_test.add(BOB, "e0")
    await under_test.store.remove(CHANNEL, ONE, ANN, "e1", record())
    assert await under_test.add(ANN, "one more")


async def test_clear_takes_one_emoji_or_all_of_one_message(under_test: SqliteUnderTest) -> None:
    for message_id, emoji in ((ONE, "a"), (ONE, "b"), (TWO, "a")):
        await under_test.add(ANN, emoji, message_id=message_id)
        await under_test.add(BOB, emoji, message_id=message_id)
    assert await under_test.store.clear(CHANNEL, ONE, "a", record())
    assert await under_test.under() == {ONE: (Reaction("b", 2),), TWO: (Reaction("a", 2),)}
    assert await under_test.store.clear(CHANNEL, ONE, "", record())
    assert await under_test.under() == {TWO: (Reaction("a", 2),)}
    assert await under_test.store.users(CHANNEL, ONE, "b", after=0, limit=9) == []


async def test_users_are_paged_by_id(under_test: SqliteUnderTest) -> None:
    for user_id in (CARL, ANN, BOB):
        await under_test.add(user_id)
    await under_test.add(99, "b")
    assert await under_test.store.users(CHANNEL, ONE, "a", after=0, limit=2) == [ANN, BOB]
    assert await under_test.store.users(CHANNEL, ONE, "a", after=BOB, limit=2) == [CARL]


async def test_reactions_go_with_their_message_and_none_comes_behind_it(under_test: SqliteUnderTest) -> None:
    await under_test.add(ANN)
    await under_test.messages.delete(CHANNEL, [ONE], record())
    assert await under_test.under() == {}
    assert await under_test.store.users(CHANNEL, ONE, "a", after=0, limit=9) == []
    with pytest.raises(UnknownMessage):
        await under_test.add(BOB)
