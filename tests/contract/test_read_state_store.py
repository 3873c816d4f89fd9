"""What every store of read states promises (services/messages/store/ports.py), beside a store of messages."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope
from services.common.limits import MENTIONS_COUNTED
from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.messages.domain.mentions import Mentions
from services.messages.domain.message import Message, MessageType
from services.messages.domain.read_state import ReadState, Scope
from services.messages.store.ports import MessageStore, ReadStateStore
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore, SqliteReadStateStore
from tests.support.clock import ManualClock

SERVER, CHANNEL, OTHER_CHANNEL, ANN, BOB, ROLE = 1, 2, 3, 21, 22, 31

_record_ids = itertools.count(1)


def record(*_: object) -> OutboxRecord:
    event_id = next(_record_ids)
    return OutboxRecord(event_id, "user:1", (Envelope(event_id, "user:1", "X", b"{}", Audience.USERS),))


class SqliteUnderTest:
    def __init__(self, db: Database) -> None:
        self.committed: list[int] = []
        self.messages: MessageStore = SqliteMessageStore(db, self._told)
        self.store: ReadStateStore = SqliteReadStateStore(db, self._told)
        self._outbox = SqliteOutbox(db, ManualClock())

    async def recorded(self) -> list[int]:
        return [pending.record.id for pending in await self._outbox.pending(0, 10_000)]

    async def say(self, n: int, *, channel_id: int = CHANNEL, reads: bool = False, **mentions: object) -> None:
        mentioned = Mentions(**mentions)  # type: ignore[arg-type]  # as given
        message = Message(n, channel_id, SERVER, ANN, MessageType.DEFAULT, "hello", mentions=mentioned)
        await self.messages.insert(message, record(), reads=reads)

    async def states(self, user_id: int = BOB, *, since_id: int = 0) -> list[ReadState]:
        scope = Scope((CHANNEL, OTHER_CHANNEL), (user_id, ROLE, SERVER), since_id)
        return await self.store.states(user_id, [scope])

    async def read(self, message_id: int, *, user_id: int = BOB, channel_id: int = CHANNEL) -> ReadState:
        return await self.store.acknowledge(user_id, channel_id, message_id, (user_id, ROLE, SERVER), record)

    def _told(self, told: OutboxRecord) -> None:
        self.committed.append(told.id)


@pytest.fixture
async def under_test(tmp_path: Path) -> AsyncIterator[SqliteUnderTest]:
    db = await Database.open(tmp_path / "messages.db", MIGRATIONS)
    yield SqliteUnderTest(db)
    await db.close()


async def test_channel_without_messages_has_no_state(under_test: SqliteUnderTest) -> None:
    assert await under_test.states() == []
    await under_test.say(5)
    assert await under_test.states() == [ReadState(CHANNEL, 0, 5)]


async def test_author_has_read_what_they_sent_and_others_have_not(under_test: SqliteUnderTest) -> None:
    await under_test.say(5, reads=True)
    await under_test.say(6)
    assert await under_test.states(ANN) == [ReadState(CHANNEL, 5, 6, version=1)]
    assert await under_test.states(BOB) == [ReadState(CHANNEL, 0, 6)]


async def test_acknowledgement_moves_forward_and_back_with_a_rising_version(under_test: SqliteUnderTest) -> None:
    for n in (5, 6, 7):
        await under_test.say(n, user_ids=(BOB,))
    assert await under_test.read(6) == ReadState(CHANNEL, 6, 7, 1, 1)
    assert await under_test.read(5) == ReadState(CHANNEL, 5, 7, 2, 2)
    assert await under_test.states() == [ReadState(CHANNEL, 5, 7, 2, 2)]
    assert await under_test.read(99) == ReadState(CHANNEL, 7, 7, 0, 3)


async def test_acknowledgement_is_stored_with_its_events(under_test: SqliteUnderTest) -> None:
    await under_test.say(5)
    seen: list[ReadState] = []
    told = record()

    def tell(state: ReadState) -> OutboxRecord:
        seen.append(state)
        return told

    state = await under_test.store.acknowledge(BOB, CHANNEL, 5, (BOB,), tell)
    assert seen == [state]
    assert under_test.committed[-1] == (await under_test.recorded())[-1] == told.id


async def test_mention_counts_once_for_a_message_in_its_channel_for_whom_it_names(under_test: SqliteUnderTest) -> None:
    await under_test.say(5, user_ids=(BOB,), role_ids=(ROLE,), everyone=True)
    await under_test.say(6, role_ids=(ROLE + 1,), user_ids=(ANN,))
    await under_test.say(7, channel_id=OTHER_CHANNEL, everyone=True)
    assert await under_test.states() == [ReadState(CHANNEL, 0, 6, 1), ReadState(OTHER_CHANNEL, 0, 7, 1)]
    only_me = Scope((CHANNEL, OTHER_CHANNEL), (BOB,))
    assert [state.mention_count for state in await under_test.store.states(BOB, [only_me])] == [1, 0]


async def test_mentions_are_counted_up_to_a_bound(under_test: SqliteUnderTest) -> None:
    for n in range(1, MENTIONS_COUNTED + 20):
        await under_test.say(n, everyone=True)
    [state] = await under_test.states()
    assert state.mention_count == MENTIONS_COUNTED


async def test_what_is_older_than_the_scope_counts_as_read(under_test: SqliteUnderTest) -> None:
    await under_test.say(5, everyone=True)
    assert await under_test.states(since_id=7) == [ReadState(CHANNEL, 5, 5)]
    await under_test.say(9, everyone=True)
    assert await under_test.states(since_id=7) == [ReadState(CHANNEL, 7, 9, 1)]


async def test_deleted_messages_mention_nobody(under_test: SqliteUnderTest) -> None:
    await under_test.say(5, everyone=True)
    await under_test.say(6, everyone=True)
    await under_test.messages.delete(CHANNEL, [6], record())
    assert await under_test.states() == [ReadState(CHANNEL, 0, 5, 1)]


async def test_readers_of_a_channel_that_is_gone_are_forgotten_in_batches(under_test: SqliteUnderTest) -> None:
    await under_test.say(5)
    await under_test.say(6, channel_id=OTHER_CHANNEL)
    for user_id in range(100, 105):
        await under_test.read(5, user_id=user_id)
        await under_test.read(6, user_id=user_id, channel_id=OTHER_CHANNEL)
    assert [await under_test.messages.forget_readers(CHANNEL, limit=3) for _ in range(3)] == [3, 2, 0]
    assert [state.last_read_id for state in await under_test.states(100)] == [0, 6]


async def test_states_of_a_user_go_a_few_at_a_time_and_nobody_elses(under_test: SqliteUnderTest) -> None:
    for channel_id in (CHANNEL, OTHER_CHANNEL):
        await under_test.say(10, channel_id=channel_id)
        await under_test.read(10, channel_id=channel_id)
    await under_test.read(10, user_id=ANN)
    before = await under_test.recorded()
    assert await under_test.store.forget_user(BOB, limit=1) == 1
    assert await under_test.store.forget_user(BOB, limit=9) == 1
    assert await under_test.store.forget_user(BOB, limit=9) == 0
    assert [state.last_read_id for state in await under_test.states()] == [0, 0]
    assert [state.last_read_id for state in await under_test.states(ANN)] == [10, 0]
    assert await under_test.recorded() == before
