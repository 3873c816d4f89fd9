"""What every store of deletions promises (services/users/store/ports.py).

A second adapter is one more entry in `ADAPTERS`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from services.common.sqlite import Database
from services.users.store.ports import DELETED, Deletion, DeletionStore, NewPerson, UserStore
from services.users.store.sqlite import MIGRATIONS, SqliteUserStore
from services.users.store.sqlite_deletions import SqliteDeletionStore

ADA = Deletion(1, "subject-1", "first")
BOB = Deletion(2, "subject-2", "first")


class StoreUnderTest(Protocol):
    """`users` has the people with the ids 1 and 2."""

    deletions: DeletionStore
    users: UserStore

    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    def __init__(self, path: Path) -> None:
        self._path = path

    async def start(self) -> None:
        self._db = await Database.open(self._path, MIGRATIONS)
        self.users: UserStore = SqliteUserStore(self._db, lambda record: None)
        self.deletions: DeletionStore = SqliteDeletionStore(self._db)

    async def restart(self) -> None:
        await self.close()
        await self.start()

    async def close(self) -> None:
        await self._db.close()


async def sqlite(folder: Path) -> StoreUnderTest:
    under_test = SqliteUnderTest(folder / "users.db")
    await under_test.start()
    return under_test


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoreUnderTest]]] = {"sqlite": sqlite}


@pytest.fixture(params=sorted(ADAPTERS))
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreUnderTest]:
    under_test = await ADAPTERS[request.param](tmp_path)
    for deletion in (ADA, BOB):
        person = NewPerson(deletion.subject, "", f"person{deletion.user_id}", "")
        await under_test.users.provision(person, deletion.user_id, now_ms=0)
    yield under_test
    await under_test.close()


async def is_refused(stored: StoreUnderTest, subject: str) -> bool:
    return (await stored.users.known(subject, sid="s", issued_at_s=2**40)).revoked


async def test_deletion_refuses_every_token_from_its_begin_and_for_ever(stored: StoreUnderTest) -> None:
    await stored.deletions.begin(ADA)
    assert await is_refused(stored, ADA.subject)
    assert not await is_refused(stored, BOB.subject)
    await stored.deletions.advance(ADA.user_id, DELETED)
    await stored.restart()
    assert await is_refused(stored, ADA.subject)
    assert await stored.deletions.pending() == []


async def test_deletion_goes_on_where_it_was(stored: StoreUnderTest) -> None:
    for deletion in (BOB, ADA):
        await stored.deletions.begin(deletion)
    await stored.deletions.advance(ADA.user_id, "second")
    await stored.deletions.begin(ADA)
    await stored.restart()
    assert await stored.deletions.pending() == [Deletion(1, ADA.subject, "second"), BOB]


async def test_tokens_count_again_when_a_deletion_is_cancelled(stored: StoreUnderTest) -> None:
    await stored.deletions.begin(ADA)
    await stored.deletions.cancel(ADA.user_id)
    await stored.deletions.cancel(ADA.user_id)
    assert not await is_refused(stored, ADA.subject)
    assert await stored.deletions.pending() == []
