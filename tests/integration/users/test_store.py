"""The embedded user store: what its specification promises and no other test shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common.outbox import OutboxRecord
from services.common.sqlite import Database
from services.users.events import session_revoked
from services.users.store.ports import NewPerson, UsernameTaken
from services.users.store.sqlite import MIGRATIONS, SqliteUserStore

ADA = NewPerson("subject", "ada@example.org", "ada", "Ada")


class Stored:
    def __init__(self, db: Database) -> None:
        self.committed: list[OutboxRecord] = []
        self.store = SqliteUserStore(db, self.committed.append)


@pytest.fixture
async def stored(tmp_path: Path) -> AsyncIterator[Stored]:
    db = await Database.open(tmp_path / "users.db", MIGRATIONS)
    yield Stored(db)
    await db.close()


async def test_known_is_revoked_when_the_token_was_issued_no_later_than_the_revocation(stored: Stored) -> None:
    store = stored.store
    record = session_revoked(1, 42, "")
    await store.revoke_issued_before("subject", issued_at_s=100, record=record)
    assert (await store.known("subject", sid="s", issued_at_s=100)).revoked
    assert not (await store.known("subject", sid="s", issued_at_s=101)).revoked
    assert not (await store.known("other", sid="s", issued_at_s=1)).revoked
    assert stored.committed == [record]
    await store.revoke_issued_before("subject", issued_at_s=50, record=session_revoked(2, 42, ""))
    assert (await store.known("subject", sid="s", issued_at_s=100)).revoked


async def test_revoked_session_is_forgotten_when_all_its_tokens_have_expired(stored: Stored) -> None:
    store = stored.store
    await store.revoke_session("first", now_ms=0, until_ms=10, record=None)
    await store.revoke_session("second", now_ms=9, until_ms=20, record=None)
    assert (await store.known("subject", sid="first", issued_at_s=0)).revoked
    await store.revoke_session("third", now_ms=10, until_ms=20, record=None)
    assert not (await store.known("subject", sid="first", issued_at_s=0)).revoked
    assert (await store.known("subject", sid="second", issued_at_s=0)).revoked


async def test_provision_takes_the_reserved_name_and_ends_the_reservation(stored: Stored) -> None:
    store = stored.store
    await store.reserve("ada", "ada@example.org", now_ms=0, until_ms=10)
    user = await store.provision(ADA, 1, now_ms=5)
    assert user.username == "ada"
    assert await store.provision(ADA, 2, now_ms=5) == user
    with pytest.raises(UsernameTaken):
        await store.reserve("ada", "ada@example.org", now_ms=5, until_ms=10)


async def test_provision_leaves_the_name_that_another_address_has_reserved(stored: Stored) -> None:
    store = stored.store
    await store.reserve("ada", "eve@example.org", now_ms=0, until_ms=10)
    assert (await store.provision(ADA, 123456789012345678, now_ms=5)).username == "ada_123456789012345678"
