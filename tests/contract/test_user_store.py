"""What every store of users promises (services/users/store/ports.py).

A second adapter is one more entry in `ADAPTERS`.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.users.domain.bot_token import SECRET_BYTES, TOKEN_ID_BYTES, BotToken, make_bot_token
from services.users.domain.profile import Profile, ProfileChange
from services.users.domain.user import Bot, User, UserKind
from services.users.events import account_revoked, identity_changed, session_revoked
from services.users.store.ports import NewPerson, RevokedAccount, TooManyBots, UsernameTaken, UserStore
from services.users.store.sqlite import MIGRATIONS, SqliteUserStore
from tests.support.clock import ManualClock

ADA = NewPerson("subject-of-ada", "ada@example.org", "ada", "Ada")
BOT_LIMIT = 3


class StoreUnderTest(Protocol):
    """What the suite needs beside the port."""

    store: UserStore
    committed: list[OutboxRecord]
    """The records that the store has handed to the relay, in order."""

    async def recorded(self) -> list[OutboxRecord]:
        """The records in the outbox, in order."""
        ...

    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.committed: list[OutboxRecord] = []

    async def restart(self) -> None:
        if hasattr(self, "_db"):
            await self._db.close()
        self._db = await Database.open(self._path, MIGRATIONS)
        self.store: UserStore = SqliteUserStore(self._db, self.committed.append)

    async def recorded(self) -> list[OutboxRecord]:
        return [pending.record for pending in await SqliteOutbox(self._db, ManualClock()).pending(0, 100)]

    async def close(self) -> None:
        await self._db.close()


async def sqlite(folder: Path) -> StoreUnderTest:
    under_test = SqliteUnderTest(folder / "users.db")
    await under_test.restart()
    return under_test


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoreUnderTest]]] = {"sqlite": sqlite}


@pytest.fixture(params=sorted(ADAPTERS))
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreUnderTest]:
    under_test = await ADAPTERS[request.param](tmp_path)
    yield under_test
    await under_test.close()


def token(bot_id: int, number: int = 1) -> BotToken:
    return make_bot_token(bot_id, token_id=bytes([number]) * TOKEN_ID_BYTES, secret=bytes([number]) * SECRET_BYTES)


def bot(bot_id: int, owner_id: int = 1, name: str = "helper") -> Bot:
    return Bot(User(bot_id, UserKind.BOT, name), owner_id, name, "", is_public=False)


# People.


async def test_person_is_made_once_when_a_subject_is_first_seen(stored: StoreUnderTest) -> None:
    made = await asyncio.gather(*(stored.store.provision(ADA, number, now_ms=0) for number in range(1, 9)))
    assert len({user.id for user in made}) == 1
    assert await stored.store.user_of(ADA.subject) == made[0]
    assert await stored.store.users([made[0].id, 99]) == [made[0]]
    assert await stored.store.person_named("ada") == made[0]


async def test_person_survives_a_restart(stored: StoreUnderTest) -> None:
    made = await stored.store.provision(ADA, 1, now_ms=0)
    await stored.restart()
    assert await stored.store.user_of(ADA.subject) == made


async def test_unknown_subject_id_and_name_are_nobody(stored: StoreUnderTest) -> None:
    assert await stored.store.user_of("nobody") is None
    assert await stored.store.users([1, 2]) == []
    assert await stored.store.person_named("nobody") is None
    known = await stored.store.known("nobody", sid="s", issued_at_s=0)
    assert (known.user, known.revoked) == (None, False)


@pytest.mark.parametrize("preferred", ["ada", "", "No Such Name!", "x" * 200])
async def test_name_is_derived_when_the_preferred_one_cannot_be_had(stored: StoreUnderTest, preferred: str) -> None:
    first = await stored.store.provision(ADA, 1, now_ms=0)
    second = await stored.store.provision(NewPerson("another", "", preferred, ""), 2, now_ms=0)
    assert second.id == 2
    assert second.username not in ("", first.username)


async def test_name_is_kept_for_whoever_reserved_it_until_the_reservation_ends(stored: StoreUnderTest) -> None:
    await stored.store.reserve("ada", "ada@example.org", now_ms=0, until_ms=10)
    await stored.store.reserve("ada", "ada@example.org", now_ms=1, until_ms=10)
    with pytest.raises(UsernameTaken):
        await stored.store.reserve("ada", "eve@example.org", now_ms=5, until_ms=20)
    thief = await stored.store.provision(NewPerson("eve", "eve@example.org", "ada", ""), 2, now_ms=5)
    assert thief.username != "ada"
    await stored.store.reserve("ada", "eve@example.org", now_ms=10, until_ms=20)


async def test_reserved_name_is_taken_when_its_person_comes(stored: StoreUnderTest) -> None:
    await stored.store.reserve("ada", "ada@example.org", now_ms=0, until_ms=10)
    assert (await stored.store.provision(ADA, 1, now_ms=5)).username == "ada"
    with pytest.raises(UsernameTaken):
        await stored.store.reserve("ada", "ada@example.org", now_ms=5, until_ms=10)


# Profiles.


def told(before: Profile, after: Profile) -> OutboxRecord:
    return OutboxRecord(after.user.id, f"{before.user.username} {after.user.username}", ())


async def change(stored: StoreUnderTest, user_id: int, **fields: str) -> Profile:
    return await stored.store.update_profile(
        user_id, ProfileChange(**fields), email="ada@example.org", now_ms=5, record=told
    )


async def test_profile_changes_together_with_its_record(stored: StoreUnderTest) -> None:
    await stored.store.provision(ADA, 1, now_ms=0)
    changed = await change(stored, 1, username="ada.l", global_name="", avatar="a" * 32, first_name="Ada")
    assert (changed.user.username, changed.user.global_name, changed.user.avatar) == ("ada.l", "", "a" * 32)
    assert (changed.first_name, changed.last_name) == ("Ada", "")
    await stored.restart()
    assert await stored.store.profile(1) == changed
    assert await stored.store.person_named("ada.l") == changed.user
    assert await stored.store.person_named("ada") is None
    assert stored.committed == await stored.recorded() == [OutboxRecord(1, "ada ada.l", ())]


async def test_nothing_is_recorded_when_a_profile_is_as_it_was(stored: StoreUnderTest) -> None:
    await stored.store.provision(ADA, 1, now_ms=0)
    await change(stored, 1, username="ada")
    assert stored.committed == await stored.recorded() == []


async def test_profile_is_nobodys_when_there_is_no_such_user(stored: StoreUnderTest) -> None:
    assert await stored.store.profile(1) is None


async def test_username_goes_to_one_of_two_who_ask_at_once(stored: StoreUnderTest) -> None:
    for user_id in (1, 2):
        await stored.store.provision(NewPerson(f"s{user_id}", "", f"person{user_id}", ""), user_id, now_ms=0)
    results = await asyncio.gather(
        *(change(stored, user_id, username="wanted", first_name="X") for user_id in (1, 2)), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Profile", "UsernameTaken"]
    loser = await stored.store.profile(1 if isinstance(results[0], UsernameTaken) else 2)
    assert loser is not None
    assert loser.first_name == "", "nothing of a refused change is kept"
    assert len(await stored.recorded()) == 1


async def test_reserved_username_is_refused_to_all_but_its_address(stored: StoreUnderTest) -> None:
    await stored.store.provision(ADA, 1, now_ms=0)
    await stored.store.reserve("mine", "ada@example.org", now_ms=0, until_ms=10)
    await stored.store.reserve("theirs", "eve@example.org", now_ms=0, until_ms=10)
    assert (await change(stored, 1, username="mine")).user.username == "mine"
    with pytest.raises(UsernameTaken):
        await change(stored, 1, username="theirs")


async def test_identity_keys_are_remembered_for_ever(stored: StoreUnderTest) -> None:
    await stored.store.provision(ADA, 1, now_ms=0)
    records = [identity_changed(number, 1) for number in range(10, 14)]
    assert await stored.store.remember_identity_keys(1, ["b"], record=records[0]) == ["b"]
    assert await stored.store.remember_identity_keys(1, ["b"], record=records[1]) == ["b"]
    assert await stored.store.remember_identity_keys(1, ["a", "b"], record=records[2]) == ["a", "b"]
    await stored.restart()
    assert await stored.store.remember_identity_keys(1, [], record=records[3]) == ["a", "b"]
    # Told of each that is new, and of nothing else.
    assert await stored.recorded() == stored.committed == [records[0], records[2]]


# Revocations.


async def revoke_account(stored: StoreUnderTest, revoked: RevokedAccount, *, record_id: int = 1) -> OutboxRecord:
    record = account_revoked(record_id, 42, but=revoked.but_sid)
    await stored.store.revoke_account(revoked, now_ms=0, until_ms=1_000, record=record)
    return record


async def test_token_is_revoked_when_it_was_issued_no_later_than_the_revocation(stored: StoreUnderTest) -> None:
    record = await revoke_account(stored, RevokedAccount("subject", issued_at_s=100))
    assert (await stored.store.known("subject", sid="s", issued_at_s=100)).revoked
    assert not (await stored.store.known("subject", sid="s", issued_at_s=101)).revoked
    assert not (await stored.store.known("other", sid="s", issued_at_s=1)).revoked
    assert stored.committed == await stored.recorded() == [record]


async def test_revocation_of_a_subject_never_moves_back(stored: StoreUnderTest) -> None:
    await revoke_account(stored, RevokedAccount("subject", issued_at_s=100))
    await revoke_account(stored, RevokedAccount("subject", issued_at_s=50), record_id=2)
    assert (await stored.store.known("subject", sid="s", issued_at_s=100)).revoked


async def test_revocation_of_a_subject_names_sessions_and_leaves_one(stored: StoreUnderTest) -> None:
    await revoke_account(stored, RevokedAccount("subject", issued_at_s=100, sids=["ended"], but_sid="kept"))
    assert not (await stored.store.known("subject", sid="kept", issued_at_s=50)).revoked
    # A named session is out whenever its tokens were issued.
    assert (await stored.store.known("subject", sid="ended", issued_at_s=900)).revoked
    await revoke_account(stored, RevokedAccount("subject", issued_at_s=200), record_id=2)
    assert (await stored.store.known("subject", sid="kept", issued_at_s=50)).revoked


async def test_session_stays_revoked_over_a_restart(stored: StoreUnderTest) -> None:
    record = session_revoked(1, 42, "gone")
    await stored.store.revoke_session("gone", now_ms=0, until_ms=1_000, record=record)
    await stored.restart()
    assert (await stored.store.known("subject", sid="gone", issued_at_s=0)).revoked
    assert not (await stored.store.known("subject", sid="kept", issued_at_s=0)).revoked
    assert await stored.recorded() == [record]


async def test_revoked_session_is_forgotten_when_all_its_tokens_have_expired(stored: StoreUnderTest) -> None:
    await stored.store.revoke_session("first", now_ms=0, until_ms=10, record=None)
    await stored.store.revoke_session("second", now_ms=9, until_ms=20, record=None)
    assert (await stored.store.known("subject", sid="first", issued_at_s=0)).revoked
    await stored.store.revoke_session("third", now_ms=10, until_ms=20, record=None)
    assert not (await stored.store.known("subject", sid="first", issued_at_s=0)).revoked
    assert (await stored.store.known("subject", sid="second", issued_at_s=0)).revoked


# Bots.


@pytest.fixture
async def owned(stored: StoreUnderTest) -> StoreUnderTest:
    """The store, with two people who may own bots."""
    for user_id in (1, 2):
        await stored.store.provision(NewPerson(f"subject-{user_id}", "", f"owner{user_id}", ""), user_id, now_ms=0)
    return stored


async def test_bot_is_found_by_its_token_and_by_no_other(owned: StoreUnderTest) -> None:
    assert await owned.store.create_bot(bot(10), token(10), idempotency_key="", limit=BOT_LIMIT) == (bot(10), True)
    await owned.restart()
    assert await owned.store.bot_with_token(token(10)) == bot(10)
    assert await owned.store.bot_with_token(token(10, 2)) is None
    assert await owned.store.bot_with_token(token(11)) is None
    assert await owned.store.bot(10) == bot(10)
    assert await owned.store.bot(11) is None
    assert await owned.store.users([10]) == [bot(10).user]


async def test_bots_are_listed_by_owner_oldest_first(owned: StoreUnderTest) -> None:
    for bot_id, owner_id in ((12, 1), (10, 1), (11, 2)):
        await owned.store.create_bot(bot(bot_id, owner_id), token(bot_id), idempotency_key="", limit=BOT_LIMIT)
    assert [one.user.id for one in await owned.store.bots_of(1)] == [10, 12]
    assert await owned.store.bots_of(3) == []


async def test_bot_is_never_a_person_of_its_name(owned: StoreUnderTest) -> None:
    await owned.store.create_bot(bot(10, name="ada"), token(10), idempotency_key="", limit=BOT_LIMIT)
    assert await owned.store.person_named("ada") is None


async def test_bot_is_made_once_when_its_key_is_used_again_at_the_same_time(owned: StoreUnderTest) -> None:
    tries = [
        owned.store.create_bot(bot(bot_id), token(bot_id), idempotency_key="key", limit=BOT_LIMIT)
        for bot_id in range(10, 18)
    ]
    results = await asyncio.gather(*tries)
    assert sum(new for _, new in results) == 1
    assert len({made.user.id for made, _ in results}) == 1
    assert len(await owned.store.bots_of(1)) == 1


async def test_key_of_one_owner_is_nothing_to_another(owned: StoreUnderTest) -> None:
    await owned.store.create_bot(bot(10, 1), token(10), idempotency_key="key", limit=BOT_LIMIT)
    _, new = await owned.store.create_bot(bot(11, 2), token(11), idempotency_key="key", limit=BOT_LIMIT)
    assert new


async def test_owner_has_no_more_bots_than_the_limit(owned: StoreUnderTest) -> None:
    for bot_id in range(10, 10 + BOT_LIMIT):
        await owned.store.create_bot(bot(bot_id), token(bot_id), idempotency_key="", limit=BOT_LIMIT)
    with pytest.raises(TooManyBots):
        await owned.store.create_bot(bot(20), token(20), idempotency_key="", limit=BOT_LIMIT)
    assert await owned.store.bot_with_token(token(20)) is None


async def test_only_the_new_token_is_in_force_when_it_was_replaced(owned: StoreUnderTest) -> None:
    await owned.store.create_bot(bot(10), token(10, 1), idempotency_key="", limit=BOT_LIMIT)
    record = await owned.store.replace_bot_token(10, token(10, 2), lambda old: session_revoked(1, 10, old))
    assert await owned.store.bot_with_token(token(10, 1)) is None
    assert await owned.store.bot_with_token(token(10, 2)) == bot(10)
    assert record == session_revoked(1, 10, token(10, 1).token_id)
    assert owned.committed == await owned.recorded() == [record]
