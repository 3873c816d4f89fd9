"""What every store of pairs and of groups promises (services/users/store/social_ports.py).

A second adapter is one more entry in `ADAPTERS`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import pytest

from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.users.domain.private_channel import Group, open_direct, reopen_direct
from services.users.domain.relationship import Pair, RelationshipType, Side
from services.users.store.ports import NewPerson, UserStore
from services.users.store.social_ports import Conflict, GroupStore, PairStore
from services.users.store.sqlite import MIGRATIONS, SqliteUserStore
from services.users.store.sqlite_groups import SqliteGroupStore
from services.users.store.sqlite_pairs import SqlitePairStore
from tests.support.clock import ManualClock

ADA, BOB, CY = 1, 2, 3
FRIEND, BLOCKED = RelationshipType.FRIEND, RelationshipType.BLOCKED
PAIR = Pair(ADA, BOB, Side(FRIEND, 5), Side(FRIEND, 5), version=1)
GROUP = Group(7, BOB, (BOB, ADA), "us", "icon", version=1)


class StoresUnderTest(Protocol):
    """What the suite needs beside the ports."""

    users: UserStore
    pairs: PairStore
    groups: GroupStore
    committed: list[OutboxRecord]
    """The records that the stores have handed to the relay, in order."""

    async def recorded(self) -> list[OutboxRecord]:
        """The records in the outbox, in order."""
        ...

    async def published(self, record_id: int) -> None:
        """The relay is done with this record."""
        ...

    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    _db: Database

    def __init__(self, path: Path) -> None:
        self._path = path
        self.committed: list[OutboxRecord] = []

    async def restart(self) -> None:
        if hasattr(self, "_db"):
            await self._db.close()
        self._db = await Database.open(self._path, MIGRATIONS)
        self._outbox = SqliteOutbox(self._db, ManualClock())
        self.users: UserStore = SqliteUserStore(self._db, self.committed.append)
        self.pairs: PairStore = SqlitePairStore(self._db, self.committed.append)
        self.groups: GroupStore = SqliteGroupStore(self._db, self.committed.append)

    async def recorded(self) -> list[OutboxRecord]:
        return [pending.record for pending in await self._outbox.pending(0, 100)]

    async def published(self, record_id: int) -> None:
        await self._outbox.mark_done([record_id])

    async def close(self) -> None:
        await self._db.close()


async def sqlite(folder: Path) -> StoresUnderTest:
    under_test = SqliteUnderTest(folder / "users.db")
    await under_test.restart()
    return under_test


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoresUnderTest]]] = {"sqlite": sqlite}


@pytest.fixture(params=sorted(ADAPTERS))
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoresUnderTest]:
    under_test = await ADAPTERS[request.param](tmp_path)
    for user_id in (ADA, BOB, CY):
        await under_test.users.provision(NewPerson(f"subject {user_id}", "", f"user{user_id}", ""), user_id, now_ms=0)
    yield under_test
    await under_test.close()


def record(number: int) -> OutboxRecord:
    return OutboxRecord(number, "pair:1:2", ())


# Pairs.


async def test_pair_is_empty_until_something_is_committed_and_then_the_same_from_both_sides(
    stored: StoresUnderTest,
) -> None:
    assert (await stored.pairs.pair(BOB, ADA)).pair == Pair(ADA, BOB)
    await stored.pairs.commit_pair(PAIR, record(1))
    await stored.restart()
    assert (await stored.pairs.pair(BOB, ADA)).pair == (await stored.pairs.pair(ADA, BOB)).pair == PAIR
    assert await stored.pairs.pairs_of(ADA) == await stored.pairs.pairs_of(BOB) == [PAIR]
    assert await stored.pairs.pairs_of(CY) == []


async def test_pair_keeps_everything_of_both_sides(stored: StoresUnderTest) -> None:
    pair = Pair(ADA, BOB, Side(BLOCKED, 5, is_open=True), Side(None, 0, is_open=False), 70, version=1)
    await stored.pairs.commit_pair(pair, record(1))
    assert (await stored.pairs.pair(ADA, BOB)).pair == pair
    found = await stored.pairs.pair_of_channel(70)
    assert found is not None
    assert found.pair == pair
    assert await stored.pairs.pair_of_channel(71) is None


async def test_pair_is_not_overwritten_by_who_decided_on_an_older_version(stored: StoresUnderTest) -> None:
    await stored.pairs.commit_pair(PAIR, record(1))
    await stored.pairs.commit_pair(replace(PAIR, low=Side(), high=Side(), version=2), record(2))
    for stale in (PAIR, replace(PAIR, version=2), replace(PAIR, version=4)):
        with pytest.raises(Conflict):
            await stored.pairs.commit_pair(stale, record(3))
    assert [each.id for each in stored.committed] == [each.id for each in await stored.recorded()] == [1, 2]


async def test_direct_message_is_one_when_both_open_it_at_once(stored: StoresUnderTest) -> None:
    async def open_it(channel_id: int) -> bool:
        opened = replace(open_direct(Pair(ADA, BOB), ADA, channel_id), version=1)
        try:
            await stored.pairs.commit_pair(opened, record(channel_id))
        except Conflict:
            return False
        return True

    assert sum(await asyncio.gather(*map(open_it, range(70, 78)))) == 1
    assert len(stored.committed) == 1
    assert (await stored.pairs.pair(ADA, BOB)).pair.channel_id == stored.committed[0].id


async def test_record_of_a_pair_is_pending_until_it_is_published(stored: StoresUnderTest) -> None:
    await stored.pairs.commit_pair(PAIR, record(1))
    assert (await stored.pairs.pair(ADA, BOB)).pending_record == 1
    # A change that nobody is told of does not hide the one before it.
    silent = replace(reopen_direct(PAIR), version=2)
    await stored.pairs.commit_pair(silent, None)
    assert (await stored.pairs.pair(ADA, BOB)).pending_record == 1
    await stored.published(1)
    assert (await stored.pairs.pair(ADA, BOB)).pending_record == 0
    assert [each.id for each in stored.committed] == [1]


async def test_counts_are_of_ones_own_side(stored: StoresUnderTest) -> None:
    await stored.pairs.commit_pair(PAIR, record(1))
    await stored.pairs.commit_pair(Pair(ADA, CY, Side(), Side(BLOCKED, 1), version=1), record(2))
    await stored.pairs.commit_pair(Pair(BOB, CY, Side(FRIEND, 1), Side(FRIEND, 1), version=1), record(3))
    assert await stored.pairs.counts(ADA) == {FRIEND: 1}
    assert await stored.pairs.counts(BOB) == {FRIEND: 2}
    assert await stored.pairs.counts(CY) == {FRIEND: 1, BLOCKED: 1}


# Groups.


async def test_group_is_found_by_its_participants_in_their_order(stored: StoresUnderTest) -> None:
    await stored.groups.commit_group(GROUP, record(1))
    await stored.restart()
    found = await stored.groups.group(7)
    assert found is not None
    assert (found.group, found.pending_record) == (GROUP, 1)
    assert await stored.groups.groups_of(ADA) == await stored.groups.groups_of(BOB) == [GROUP]
    assert await stored.groups.groups_of(CY) == []
    assert await stored.groups.group(8) is None


async def test_group_changes_by_version(stored: StoresUnderTest) -> None:
    await stored.groups.commit_group(GROUP, record(1))
    changed = Group(7, ADA, (ADA, CY), "them", "", version=2)
    await stored.groups.commit_group(changed, record(2))
    assert await stored.groups.groups_of(CY) == [changed]
    assert await stored.groups.groups_of(BOB) == []
    for stale in (GROUP, replace(GROUP, version=2), replace(GROUP, version=4), replace(GROUP, id=9, version=2)):
        with pytest.raises(Conflict):
            await stored.groups.commit_group(stale, record(3))
    assert [each.id for each in stored.committed] == [each.id for each in await stored.recorded()] == [1, 2]


async def test_group_without_participants_is_forgotten(stored: StoresUnderTest) -> None:
    await stored.groups.commit_group(GROUP, record(1), idempotency_key="key")
    await stored.groups.commit_group(replace(GROUP, participant_ids=(), version=2), record(2))
    assert await stored.groups.group(7) is None
    assert await stored.groups.groups_of(BOB) == []
    assert await stored.groups.group_founded_by(BOB, "key") is None
    assert len(await stored.recorded()) == 2


async def test_group_is_founded_once_with_a_key(stored: StoresUnderTest) -> None:
    await stored.groups.commit_group(GROUP, record(1), idempotency_key="key")
    with pytest.raises(Conflict):
        await stored.groups.commit_group(replace(GROUP, id=8), record(2), idempotency_key="key")
    found = await stored.groups.group_founded_by(BOB, "key")
    assert found is not None
    assert found.group == GROUP
    assert await stored.groups.group_founded_by(ADA, "key") is None
    # An empty key is no key.
    await stored.groups.commit_group(replace(GROUP, id=9), record(3))
    await stored.groups.commit_group(replace(GROUP, id=10), record(4))
    assert await stored.groups.group_founded_by(BOB, "") is None
