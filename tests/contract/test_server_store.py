"""What every store of servers promises (services/servers/store/ports.py). A second one is one more in `ADAPTERS`."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from services.common.limits import IDEMPOTENCY_LIFETIME
from services.common.outbox import OutboxRecord, SqliteOutbox
from services.common.sqlite import Database
from services.servers.domain import channel as channel_rules
from services.servers.domain import member as member_rules
from services.servers.domain import server as server_rules
from services.servers.domain.audit import AuditChange, AuditEntry, AuditLine, Deed
from services.servers.domain.change import Change, MemberChange, ThreadChange
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import (
    Applicant,
    Ban,
    Channel,
    ChannelType,
    Invitation,
    Invite,
    Member,
    Overwrite,
    OverwriteTarget,
    Role,
    ServerState,
    Thread,
    ThreadMember,
)
from services.servers.store.ports import (
    AlreadyDone,
    AuditQuery,
    Commit,
    FirstResult,
    IdempotencyKey,
    Loaded,
    ServerStore,
    VersionConflict,
    Wanted,
)
from services.servers.store.sqlite import MIGRATIONS, SqliteServerStore
from tests.support.clock import ManualClock

OWNER, ANN, BOB = 11, 12, 13
NOW = 1_767_225_600_000
KEY = IdempotencyKey(OWNER, "CreateServer", "key-1")
NO_ONE = Wanted()
_record_ids = itertools.count(1)


class StoreUnderTest(Protocol):
    """What the suite needs beside the port."""

    store: ServerStore
    notified: list[OutboxRecord]

    async def pending(self) -> list[OutboxRecord]: ...
    async def mark_done(self, record_id: int) -> None: ...
    async def restart(self) -> None: ...
    async def close(self) -> None: ...


class SqliteUnderTest:
    store: SqliteServerStore

    def __init__(self, directory: Path) -> None:
        self._path = directory / "servers.db"
        self.notified: list[OutboxRecord] = []

    async def open(self) -> "SqliteUnderTest":
        self._db = await Database.open(self._path, MIGRATIONS)
        self._outbox = SqliteOutbox(self._db, ManualClock())
        self.store = SqliteServerStore(self._db, self.notified.append)
        return self

    async def pending(self) -> list[OutboxRecord]:
        return [each.record for each in await self._outbox.pending(0, 100)]

    async def mark_done(self, record_id: int) -> None:
        await self._outbox.mark_done([record_id])

    async def restart(self) -> None:
        await self.close()
        await self.open()

    async def close(self) -> None:
        await self._db.close()


ADAPTERS: dict[str, Callable[[Path], Awaitable[StoreUnderTest]]] = {
    "sqlite": lambda directory: SqliteUnderTest(directory).open(),
}


@pytest.fixture(params=ADAPTERS)
async def under_test(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[StoreUnderTest]:
    opened = await ADAPTERS[request.param](tmp_path)
    yield opened
    await opened.close()


@pytest.fixture
def store(under_test: StoreUnderTest) -> ServerStore:
    return under_test.store


def commit(
    before: ServerState | None, change: Change, *, key: IdempotencyKey | None = None, result: str = "", now: int = NOW
) -> Commit:
    server_id = (change.state or before).id  # type: ignore[union-attr]
    record = OutboxRecord(next(_record_ids), f"server:{server_id}", ())
    return Commit(server_id=server_id, before=before, change=change, record=record, key=key, result=result, now_ms=now)


async def made(store: ServerStore, server_id: int = 1000, **edit: object) -> ServerState:
    """A stored server with a channel of the id behind its own."""
    wish = ServerEdit(**{"name": "Lab", **edit})  # type: ignore[arg-type]
    change = server_rules.create(wish, owner_id=OWNER, server_id=server_id, channel_id=server_id + 1, now_ms=NOW)
    await store.commit(commit(None, change))
    assert change.state is not None
    return change.state


async def joined(store: ServerStore, state: ServerState, user_id: int) -> ServerState:
    return await changed(store, state, member_rules.join(state, Applicant(user_id), now_ms=NOW))


async def changed(store: ServerStore, state: ServerState, change: Change) -> ServerState:
    await store.commit(commit(state, change))
    assert change.state is not None
    return change.state


async def loaded(store: ServerStore, server_id: int, wanted: Wanted = NO_ONE) -> Loaded:
    found = await store.load(server_id, wanted)
    assert found is not None
    return found


def invite(code: str = "abc", **fields: object) -> Invite:
    given = {"server_id": 1000, "channel_id": 1001, "inviter_id": OWNER, "created_at_ms": NOW}
    return Invite(code=code, **{**given, **fields})  # type: ignore[arg-type]


async def test_server_is_loaded_as_it_was_stored(store: ServerStore) -> None:
    state = await made(store)
    full = state.changed(
        name="Ünïcødé 🚀",
        description="d",
        icon="hash",
        roles=(*state.roles, Role(id=5, name="r", permissions=1 << 60, color=1, hoist=True, managed=True, bot_id=6)),
        channels=(
            Channel(id=1001, name="a", overwrites=(Overwrite(target_id=5, target=OverwriteTarget.ROLE, deny=1),)),
            Channel(id=1002, type=ChannelType.CATEGORY, name="b", position=7),
        ),
    )
    await store.commit(commit(state, Change(full, ())))

    assert (await loaded(store, 1000)).state == full
    assert await store.load(1, NO_ONE) is None


async def test_members_are_given_as_wanted(store: ServerStore) -> None:
    state = await joined(store, await joined(store, await made(store), ANN), BOB)
    ann = Member(user_id=ANN, joined_at_ms=NOW, nick="Annie", role_ids=(5, 7), muted_until_ms=NOW + 1)
    plain = Member(user_id=ANN, joined_at_ms=NOW)
    await changed(store, state, Change(state.changed(), (), members=(MemberChange(plain, ann),)))

    assert (await loaded(store, 1000)).members == {}
    assert (await loaded(store, 1000, Wanted(member_ids=frozenset({ANN, 99})))).members == {ANN: ann}
    assert set((await loaded(store, 1000, Wanted(all_members=True))).members) == {OWNER, ANN, BOB}
    assert set((await loaded(store, 1000, Wanted(member_ids=frozenset({BOB}), holders_of=7))).members) == {ANN, BOB}
    assert (await loaded(store, 1000, Wanted(holders_of=57))).members == {}


async def test_member_who_left_is_gone(store: ServerStore) -> None:
    state = await joined(store, await made(store), ANN)
    await changed(store, state, member_rules.leave(state, Member(user_id=ANN, joined_at_ms=NOW), ()))
    assert set((await loaded(store, 1000, Wanted(all_members=True))).members) == {OWNER}
    assert await store.count_servers_of(ANN) == 0


async def test_of_two_changes_of_one_version_the_second_stores_nothing(under_test: StoreUnderTest) -> None:
    store = under_test.store
    state = await made(store)
    await joined(store, state, ANN)
    records = len(await under_test.pending())

    with pytest.raises(VersionConflict):
        await joined(store, state, BOB)

    assert await store.count_servers_of(BOB) == 0
    assert (await loaded(store, 1000)).state.member_count == 2
    assert len(await under_test.pending()) == records == len(under_test.notified)


async def test_exactly_one_of_many_concurrent_changes_wins(store: ServerStore) -> None:
    state = await made(store)
    outcomes = await asyncio.gather(
        *(joined(store, state, user_id) for user_id in range(100, 120)), return_exceptions=True
    )
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19
    assert len((await loaded(store, 1000, Wanted(all_members=True))).members) == 2


async def test_deleted_server_takes_all_that_is_in_it_along(store: ServerStore) -> None:
    state = await made(store)
    state = await changed(store, state, Change(state.changed(), (), invites_put=(invite(),)))
    with pytest.raises(VersionConflict):
        await store.commit(commit(replace(state, version=1), Change(None, ())))
    await store.commit(commit(state, Change(None, ())))

    assert await store.load(1000, NO_ONE) is None
    assert await store.server_of_channel(1001) is None
    assert await store.server_of_invite("abc") is None
    assert await store.servers_of(OWNER, after=0, before=0, limit=10) == []
    with pytest.raises(VersionConflict):
        await joined(store, state, ANN)


async def test_channel_is_found_as_long_as_it_is_there(store: ServerStore) -> None:
    state = await made(store)
    assert await store.server_of_channel(1001) == 1000
    await changed(store, state, channel_rules.delete(state, 1001, invites=()))
    assert await store.server_of_channel(1001) is None


async def test_invitations_are_of_the_version_that_they_are_loaded_with(store: ServerStore) -> None:
    state = await made(store)
    state = await changed(store, state, Change(state.changed(), (), invites_put=(invite(), invite("def"))))
    assert await store.server_of_invite("abc") == 1000
    used = invite(uses=1, max_uses=3)
    await changed(store, state, Change(state.changed(), (), invites_put=(used,), invites_removed=(invite("def"),)))

    found = await loaded(store, 1000, Wanted(invites=True))
    assert (found.state.version, found.invites) == (3, [used])
    assert (await loaded(store, 1000)).invites == ()
    assert await store.server_of_invite("def") is None


async def test_code_that_exists_is_not_given_twice(store: ServerStore) -> None:
    state = await made(store)
    await changed(store, state, Change(state.changed(), (), invites_put=(invite(),)))
    other = await made(store, 2000)
    for taken in (invite(server_id=2000), invite(server_id=2000, uses=1)):
        with pytest.raises(VersionConflict):
            await changed(store, other, Change(other.changed(), (), invites_put=(taken,)))
    assert (await loaded(store, 2000)).state.version == 1
    assert await store.server_of_invite("abc") == 1000


async def test_second_create_with_a_key_stores_nothing_and_names_the_first(under_test: StoreUnderTest) -> None:
    store = under_test.store
    first = server_rules.create(ServerEdit(name="one"), owner_id=OWNER, server_id=1000, channel_id=1001, now_ms=NOW)
    second = server_rules.create(ServerEdit(name="two"), owner_id=OWNER, server_id=2000, channel_id=2001, now_ms=NOW)
    assert await store.first_result(KEY, now_ms=NOW) is None
    stored = commit(None, first, key=KEY, result="1000")
    await store.commit(stored)

    with pytest.raises(AlreadyDone) as done:
        await store.commit(commit(None, second, key=KEY, result="2000"))

    assert done.value.first == FirstResult("1000", stored.record.id)
    assert await store.load(2000, NO_ONE) is None
    await under_test.mark_done(stored.record.id)
    assert await store.first_result(KEY, now_ms=NOW) == FirstResult("1000", 0)
    for other in (replace(KEY, user_id=ANN), replace(KEY, operation="CreateRole"), replace(KEY, key="key-2")):
        assert await store.first_result(other, now_ms=NOW) is None


async def test_key_is_free_again_after_its_lifetime(store: ServerStore) -> None:
    later = NOW + 1000 * IDEMPOTENCY_LIFETIME
    for number, now in enumerate((NOW, later), start=1):
        change = server_rules.create(
            ServerEdit(name="one"), owner_id=OWNER, server_id=number * 1000, channel_id=number, now_ms=now
        )
        assert await store.first_result(KEY, now_ms=now) is None
        await store.commit(commit(None, change, key=KEY, result=str(number), now=now))
    first = await store.first_result(KEY, now_ms=later)
    assert first is not None
    assert first.result == "2"


async def test_record_is_stored_with_the_change_and_survives_a_restart(under_test: StoreUnderTest) -> None:
    state = await made(under_test.store)
    state = await joined(under_test.store, state, ANN)
    records = await under_test.pending()
    assert records == under_test.notified
    assert (await loaded(under_test.store, 1000)).pending_record == records[-1].id

    await under_test.restart()

    assert await under_test.pending() == records
    assert (await loaded(under_test.store, 1000)).state == state
    assert (await loaded(under_test.store, 1000)).pending_record == records[-1].id
    await under_test.mark_done(records[-1].id)
    assert (await loaded(under_test.store, 1000)).pending_record == 0


async def test_members_are_paged_by_id(store: ServerStore) -> None:
    state = await made(store)
    for user_id in (40, 20, 30):
        state = await joined(store, state, user_id)
    pages = [await store.members_page(1000, after=after, limit=2) for after in (0, 20, 40)]
    assert [[member.user_id for member in page] for page in pages] == [[OWNER, 20], [30, 40], []]


async def test_servers_of_a_user_are_paged_both_ways(store: ServerStore) -> None:
    for server_id in (1000, 2000, 3000, 4000):
        await made(store, server_id)

    async def ids(*, after: int = 0, before: int = 0, limit: int = 2) -> list[int]:
        return [state.id for state in await store.servers_of(OWNER, after=after, before=before, limit=limit)]

    assert await ids() == [1000, 2000]
    assert await ids(after=2000) == [3000, 4000]
    assert await ids(before=4000) == [2000, 3000]
    assert await ids(after=1000, before=4000, limit=9) == [2000, 3000]
    assert await store.count_servers_of(OWNER) == 4
    assert await store.servers_of(ANN, after=0, before=0, limit=9) == []


async def test_directory_has_public_servers_by_name_and_description(store: ServerStore) -> None:
    await made(store, 1000, name="Chess Club", is_public=True)
    await made(store, 2000, name="Club of secrets", is_public=False)
    hidden = await made(store, 3000, name="Other", description="For the CLUB's friends", is_public=True)

    async def ids(query: str = "", after: int = 0) -> list[int]:
        return [state.id for state in await store.public_servers(query, after=after, limit=10)]

    assert await ids() == [1000, 3000]
    assert await ids("cLUb") == [1000, 3000]
    assert await ids("cLUb", after=1000) == [3000]
    assert await ids("%") == []
    await changed(store, hidden, Change(hidden.changed(is_public=False), ()))
    assert await ids("club") == [1000]


async def test_mutes_are_found_when_they_end(store: ServerStore) -> None:
    assert await store.next_mute_end() is None
    state = await made(store)
    for user_id, until in ((20, NOW + 300), (30, NOW + 100), (40, 0)):
        member = Member(user_id=user_id, joined_at_ms=NOW, muted_until_ms=until)
        state = await changed(store, state, Change(state.changed(), (), members=(MemberChange(None, member),)))

    assert await store.next_mute_end() == NOW + 100
    assert await store.mutes(until_ms=NOW + 99, limit=9) == []
    assert await store.mutes(until_ms=NOW + 300, limit=9) == [(1000, 30), (1000, 20)]
    assert await store.mutes(until_ms=NOW + 300, limit=1) == [(1000, 30)]


BAN = Ban(user_id=ANN, reason="spam", identity_keys=("mail", "google"))


async def test_ban_is_found_by_its_user_and_by_an_identity_in_common(store: ServerStore) -> None:
    state = await made(store)
    await changed(store, state, Change(state.changed(), (), bans_put=(BAN,)))
    for wanted in (
        Wanted(bans_on=frozenset({ANN, BOB})),
        Wanted(bans_on=frozenset({BOB}), ban_keys=frozenset({"other", "google"})),
        Wanted(bans_on=frozenset({ANN}), ban_keys=frozenset({"mail"})),
    ):
        assert list((await loaded(store, 1000, wanted)).bans) == [BAN]
    assert not (await loaded(store, 1000, Wanted(bans_on=frozenset({BOB}), ban_keys=frozenset({"other"})))).bans
    await made(store, 2000)
    assert not (await loaded(store, 2000, Wanted(bans_on=frozenset({ANN})))).bans


async def test_lifted_ban_leaves_no_identity_behind(store: ServerStore) -> None:
    state = await made(store)
    state = await changed(store, state, Change(state.changed(), (), bans_put=(BAN,)))
    state = await changed(store, state, Change(state.changed(), (), bans_removed=(BAN,)))
    assert await store.bans_page(1000, before=0, after=0, limit=10) == []
    # Not even for when they are banned again.
    await changed(store, state, Change(state.changed(), (), bans_put=(Ban(user_id=ANN),)))
    assert not (await loaded(store, 1000, Wanted(ban_keys=frozenset(BAN.identity_keys)))).bans


async def test_identity_of_a_ban_holds_in_its_server_only(store: ServerStore) -> None:
    one, other = await made(store), await made(store, 2000)
    await changed(store, one, Change(one.changed(), (), bans_put=(BAN,)))
    await changed(store, other, Change(other.changed(), (), bans_put=(Ban(user_id=ANN),)))
    assert not (await loaded(store, 2000, Wanted(ban_keys=frozenset(BAN.identity_keys)))).bans


async def test_bans_of_a_user_hold_by_what_they_are_known_by_since(store: ServerStore) -> None:
    one, other, elsewhere = await made(store), await made(store, 2000), await made(store, 3000)
    one = await changed(store, one, Change(one.changed(), (), bans_put=(BAN,)))
    await changed(store, other, Change(other.changed(), (), bans_put=(Ban(user_id=ANN),)))
    await changed(store, elsewhere, Change(elsewhere.changed(), (), bans_put=(Ban(user_id=BOB),)))
    for _ in range(2):
        await store.extend_bans(ANN, ["new", "mail"])
    for server_id, keys in ((1000, ("google", "mail", "new")), (2000, ("mail", "new"))):
        found = (await loaded(store, server_id, Wanted(ban_keys=frozenset({"new"})))).bans
        assert [(ban.user_id, ban.identity_keys) for ban in found] == [(ANN, keys)]
    assert (await loaded(store, 1000, Wanted(ban_keys=frozenset({"google"})))).bans[0].reason == BAN.reason
    assert not (await loaded(store, 3000, Wanted(ban_keys=frozenset({"new"})))).bans
    # As the others, it goes with the ban.
    await changed(store, one, Change(one.changed(), (), bans_removed=(BAN,)))
    await store.extend_bans(ANN, ["newer"])
    assert not (await loaded(store, 1000, Wanted(ban_keys=frozenset({"new", "newer"})))).bans


async def test_bans_are_paged_by_user(store: ServerStore) -> None:
    state = await made(store)
    bans = [Ban(user_id=user_id) for user_id in range(1, 6)]
    await changed(store, state, Change(state.changed(), (), bans_put=tuple(reversed(bans))))
    assert await store.bans_page(1000, before=0, after=0, limit=10) == bans
    assert await store.bans_page(1000, before=0, after=2, limit=2) == bans[2:4]
    assert await store.bans_page(1000, before=4, after=0, limit=2) == bans[1:3]
    assert await store.bans_page(1000, before=4, after=1, limit=1) == bans[1:2]
    assert await store.bans_page(2000, before=0, after=0, limit=10) == []


def invitation(number: int, invitee_id: int, server_id: int = 1000, inviter_id: int = OWNER) -> Invitation:
    return Invitation(id=number, server_id=server_id, inviter_id=inviter_id, invitee_id=invitee_id, created_at_ms=NOW)


async def test_invitations_of_users_are_of_the_version_that_they_are_loaded_with(store: ServerStore) -> None:
    state = await made(store)
    first, second = invitation(1, ANN), invitation(2, BOB)
    state = await changed(store, state, Change(state.changed(), (), invitations_put=(first, second)))
    assert list((await loaded(store, 1000, Wanted(all_invitations=True))).invitations) == [first, second]
    assert list((await loaded(store, 1000, Wanted(invitations_of=frozenset({BOB})))).invitations) == [second]
    assert list((await loaded(store, 1000)).invitations) == []
    await changed(store, state, Change(state.changed(), (), invitations_removed=(first,)))
    assert await store.invitation(1) is None
    assert await store.invitation(2) == second


async def test_invitations_are_found_by_who_is_named_in_them(store: ServerStore) -> None:
    one, other = await made(store), await made(store, 2000)
    first, second = invitation(1, ANN), invitation(2, ANN, 2000, BOB)
    await changed(store, one, Change(one.changed(), (), invitations_put=(first,)))
    await changed(store, other, Change(other.changed(), (), invitations_put=(second,)))
    assert await store.invitations_of(ANN, limit=10) == [second, first]
    assert await store.invitations_of(ANN, limit=1) == [second]
    # Those that are left out take nobody's place.
    assert await store.invitations_of(ANN, but_by=[BOB], limit=1) == [first]
    assert await store.invitations_of(BOB, limit=10) == []
    assert await store.invitations_naming(BOB, limit=10) == [second]
    await store.commit(commit((await loaded(store, 2000)).state, Change(None, ())))
    assert await store.invitations_of(ANN, limit=10) == [first]


def entry(
    number: int, actor_id: int = OWNER, action: int = 20, target_id: int = ANN, server_id: int = 1000
) -> AuditEntry:
    changes = (AuditChange("name", None, "new"), AuditChange("$add", new=[{"id": "1", "name": "role"}]))
    return AuditEntry(
        number, server_id, Deed(actor_id, "why"), AuditLine(action, target_id, changes, {"id": str(number)})
    )


async def test_audit_entries_are_stored_with_their_change_and_paged(store: ServerStore) -> None:
    state = await made(store)
    entries = [entry(1), entry(2, actor_id=ANN), entry(3, action=22), entry(4, target_id=BOB)]
    stored = replace(commit(state, Change(state.changed(), ())), audit=entries)
    await store.commit(stored)

    async def page(limit: int = 10, **query: int) -> list[int]:
        return [each.id for each in await store.audit_page(AuditQuery(server_id=1000, limit=limit, **query))]

    assert await store.audit_page(AuditQuery(server_id=1000, limit=10)) == entries[::-1]
    assert await page(limit=2) == [4, 3]
    assert await page(before=3) == [2, 1]
    assert await page(after=1, limit=2) == [2, 3]
    assert await page(after=1, before=4) == [3, 2]
    assert await page(actor_id=ANN) == [2]
    assert await page(action=22) == [3]
    assert await page(target_id=BOB) == [4]
    with pytest.raises(VersionConflict):
        await store.commit(replace(stored, audit=[entry(5)], record=OutboxRecord(next(_record_ids), "server:1000", ())))
    assert await page(limit=1) == [4]


async def test_entry_of_another_service_is_stored_once_and_only_where_a_server_is(
    under_test: StoreUnderTest,
) -> None:
    store = under_test.store
    await made(store)

    def record() -> OutboxRecord:
        return OutboxRecord(next(_record_ids), "server:1000", ())

    first = record()
    assert await store.append_audit(entry(9), first)
    assert not await store.append_audit(entry(9), record())
    assert not await store.append_audit(entry(10, server_id=4000), record())
    assert (await under_test.pending())[-1] == under_test.notified[-1] == first
    assert await store.audit_page(AuditQuery(server_id=1000, limit=10)) == [entry(9)]
    assert (await loaded(store, 1000)).state.version == 1


async def test_public_servers_are_ranked_by_name_then_size_and_paged_without_a_gap(store: ServerStore) -> None:
    named = {1000: "Chess", 2000: "Club of chess", 3000: "Chess club", 4000: "Games", 5000: "chess circle"}
    for server_id, name in named.items():
        await made(store, server_id, name=name, description="we play chess", is_public=True)
    await joined(store, (await loaded(store, 5000)).state, ANN)

    async def found(query: str, after: int = 0, limit: int = 10) -> list[int]:
        return [state.id for state in await store.public_servers(query, after=after, limit=limit)]

    ranked = [1000, 5000, 3000, 2000, 4000]
    assert await found("CHESS") == ranked
    pages: list[int] = []
    while page := await found("chess", after=pages[-1] if pages else 0, limit=2):
        pages += page
    assert pages == ranked
    assert await found("") == [5000, 1000, 2000, 3000, 4000]


def thread(thread_id: int = 7000, **fields: object) -> Thread:
    given = {"server_id": 1000, "channel_id": 1001, "owner_id": OWNER, "name": "talk", "auto_archive_minutes": 60}
    return Thread(**{"id": thread_id, "archive_changed_at_ms": NOW, "created_at_ms": NOW, **given, **fields})  # type: ignore[arg-type]


def in_thread(user_id: int, thread_id: int = 7000) -> ThreadMember:
    return ThreadMember(thread_id=thread_id, user_id=user_id, joined_at_ms=NOW)


async def with_threads(store: ServerStore, *threads: Thread, members: tuple[ThreadMember, ...] = ()) -> ServerState:
    """A server with these threads, of which Ann is a member."""
    state = await joined(store, await made(store), ANN)
    put = tuple(ThreadChange(None, each) for each in threads)
    return await changed(store, state, Change(state.changed(), (), threads=put, thread_members_put=members))


async def test_threads_are_given_as_wanted_with_their_members_counted(store: ServerStore) -> None:
    one, old = thread(), thread(7001, archived=True, name="Ünïcødé 🚀", locked=True, rate_limit_per_user=5)
    elsewhere = thread(7002, channel_id=1002)
    await with_threads(store, one, old, elsewhere, members=(in_thread(OWNER), in_thread(ANN), in_thread(ANN, 7001)))
    one, old = replace(one, member_count=2), replace(old, member_count=1)

    async def wanted(**fields: Any) -> dict[int, Thread]:
        return dict((await loaded(store, 1000, Wanted(**fields))).threads)

    assert await wanted() == {}
    assert await wanted(thread_id=7001) == {7001: old}
    assert await wanted(threads_of=1001) == {7000: one, 7001: old}
    assert await wanted(threads_of_member=ANN) == {7000: one}
    assert await wanted(threads_of_member=BOB) == {}
    assert await wanted(active_threads=True) == {7000: one, 7002: elsewhere}
    assert await wanted(all_threads=True) == {7000: one, 7001: old, 7002: elsewhere}
    assert await wanted(thread_id=1) == {}
    assert await store.server_of_channel(7000) == 1000
    assert (await loaded(store, 1000, Wanted(thread_id=7000, thread_member_id=ANN))).thread_member == in_thread(ANN)
    assert (await loaded(store, 1000, Wanted(thread_id=7002, thread_member_id=ANN))).thread_member is None
    await made(store, 2000)
    assert (await loaded(store, 2000, Wanted(thread_id=7000, all_threads=True))).threads == {}


async def test_thread_is_changed_and_removed_with_its_members(store: ServerStore) -> None:
    state = await with_threads(store, thread(), members=(in_thread(OWNER), in_thread(ANN)))
    renamed = thread(name="new", archived=True, archive_changed_at_ms=NOW + 1)
    change = Change(
        state.changed(),
        (),
        threads=(ThreadChange(thread(), renamed),),
        thread_members_put=(in_thread(ANN),),
        thread_members_removed=(in_thread(OWNER),),
    )
    state = await changed(store, state, change)
    assert (await loaded(store, 1000, Wanted(thread_id=7000))).threads == {7000: replace(renamed, member_count=1)}

    state = await changed(store, state, Change(state.changed(), (), threads=(ThreadChange(renamed, None),)))
    assert (await loaded(store, 1000, Wanted(all_threads=True))).threads == {}
    assert await store.server_of_channel(7000) is None
    assert await store.thread_members(7000, after=0, limit=9) == []


async def test_threads_are_looked_at_when_they_may_be_idle(store: ServerStore) -> None:
    hour = 3_600_000
    first, later = thread(auto_archive_minutes=60), thread(7001, auto_archive_minutes=1440)
    state = await with_threads(store, first, later, thread(7002, archived=True))
    assert await store.idle_threads(until_ms=NOW + hour - 1, limit=9) == []
    assert await store.idle_threads(until_ms=NOW + hour, limit=9) == [(1000, 7000)]
    assert await store.idle_threads(until_ms=NOW + 24 * hour, limit=9) == [(1000, 7000), (1000, 7001)]
    assert await store.idle_threads(until_ms=NOW + 24 * hour, limit=1) == [(1000, 7000)]

    await store.look_again(7000, at_ms=NOW + 30 * hour)
    assert await store.idle_threads(until_ms=NOW + 24 * hour, limit=9) == [(1000, 7001)]
    assert (await loaded(store, 1000, NO_ONE)).state.version == state.version
    put = (ThreadChange(later, replace(later, archived=True)), ThreadChange(first, replace(first, name="new")))
    await changed(store, state, Change(state.changed(), (), threads=put))
    assert await store.idle_threads(until_ms=NOW + 90 * hour, limit=9) == [(1000, 7000)]
    await store.look_again(7001, at_ms=NOW)
    assert await store.idle_threads(until_ms=NOW, limit=9) == []


async def test_who_leaves_the_server_leaves_its_threads(store: ServerStore) -> None:
    state = await with_threads(store, thread(), members=(in_thread(OWNER), in_thread(ANN)))
    await changed(store, state, member_rules.leave(state, Member(user_id=ANN, joined_at_ms=NOW), ()))
    assert await store.thread_members(7000, after=0, limit=9) == [in_thread(OWNER)]
    assert (await loaded(store, 1000, Wanted(thread_id=7000))).threads[7000].member_count == 1


async def test_deleted_server_takes_its_threads_along(store: ServerStore) -> None:
    state = await with_threads(store, thread(), members=(in_thread(ANN),))
    await store.commit(commit(state, Change(None, ())))
    assert await store.server_of_channel(7000) is None
    assert await store.thread_memberships(ANN, [7000]) == []
    assert await store.archived_threads(1001, before_ms=NOW + 1, limit=9) == []


async def test_id_of_a_channel_is_not_given_to_a_thread(store: ServerStore) -> None:
    await made(store, 2000)
    state = await made(store)
    with pytest.raises(VersionConflict):
        await changed(store, state, Change(state.changed(), (), threads=(ThreadChange(None, thread(2001)),)))
    assert await store.server_of_channel(2001) == 2000


async def test_archived_threads_are_paged_the_last_archived_first(store: ServerStore) -> None:
    archived = [thread(7000 + n, archived=True, archive_changed_at_ms=NOW + n) for n in range(3)]
    await with_threads(store, *archived, thread(7009), thread(7010, archived=True, channel_id=1002))

    async def page(before_ms: int, limit: int = 2) -> list[int]:
        return [each.id for each in await store.archived_threads(1001, before_ms=before_ms, limit=limit)]

    assert await page(NOW + 9) == [7002, 7001]
    assert await page(NOW + 1) == [7000]
    assert await page(NOW) == []


async def test_members_of_a_thread_are_paged_by_id_and_memberships_are_ones_own(store: ServerStore) -> None:
    members = (in_thread(OWNER), in_thread(ANN), in_thread(BOB), in_thread(ANN, 7001))
    await with_threads(store, thread(), thread(7001), members=members)
    pages = [await store.thread_members(7000, after=after, limit=2) for after in (0, ANN, BOB)]
    assert pages == [[in_thread(OWNER), in_thread(ANN)], [in_thread(BOB)], []]
    assert await store.thread_memberships(ANN, [7000, 7001, 5]) == [in_thread(ANN), in_thread(ANN, 7001)]
    assert await store.thread_memberships(BOB, [7001]) == []
