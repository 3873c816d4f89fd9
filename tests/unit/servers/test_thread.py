"""Who may do what with a thread, and what is not done to one that is archived or locked."""

from dataclasses import replace

import pytest

from services.common.limits import ACTIVE_THREADS_PER_SERVER, THREAD_MEMBERS
from services.common.permissions import Permission as P
from services.servers.domain import channel as channel_rules
from services.servers.domain import thread as rules
from services.servers.domain.audit import Action, lines_of
from services.servers.domain.change import (
    Change,
    ThreadChange,
    ThreadCreated,
    ThreadDeleted,
    ThreadJoined,
    ThreadLeft,
    ThreadUpdated,
)
from services.servers.domain.errors import (
    InvalidForm,
    MissingPermissions,
    ThreadArchived,
    ThreadExists,
    TooManyActiveThreads,
    TooManyThreadMembers,
    UnknownChannel,
    WrongChannelType,
)
from services.servers.domain.facts import ThreadFact, ThreadGone, facts_of
from services.servers.domain.state import Channel, ChannelType, Thread, ThreadMember
from services.servers.domain.thread import ThreadEdit
from tests.unit.servers.builders import ANN, BOB, GENERAL, KEEPER, NOW, SERVER, actor, server

THREAD = 3000
OPEN, ARCHIVE = ThreadEdit(archived=False), ThreadEdit(archived=True)


def thread(**fields: object) -> Thread:
    given = {"server_id": SERVER, "channel_id": GENERAL, "owner_id": ANN, "name": "talk", "auto_archive_minutes": 1440}
    times = {"archive_changed_at_ms": NOW, "created_at_ms": NOW, "member_count": 1}
    return Thread(**{"id": THREAD, **given, **times, **fields})  # type: ignore[arg-type]


def member(user_id: int) -> ThreadMember:
    return ThreadMember(thread_id=THREAD, user_id=user_id, joined_at_ms=NOW)


def create(*existing: Thread, channel_id: int = GENERAL, **fields: object) -> Change:
    form = ThreadEdit(**{"name": "talk", **fields})  # type: ignore[arg-type]
    return rules.create(server(), channel_id, ANN, form, thread_id=THREAD, threads=existing, now_ms=NOW)


def update(
    of: Thread, edit: ThreadEdit, *, by: int = KEEPER, holds: int = P.MANAGE_THREADS, others: tuple[Thread, ...] = ()
) -> Change | None:
    return rules.update(server(), actor(by, holds=holds), of, edit, threads=others, now_ms=NOW + 5)


def test_who_makes_a_thread_is_its_owner_and_first_member() -> None:
    change = create(name="  side   talk ", auto_archive_minutes=60, rate_limit_per_user=3)
    made = thread(name="side talk", auto_archive_minutes=60, rate_limit_per_user=3)
    assert change.events == (ThreadCreated(made), ThreadJoined(made, member(ANN)))
    assert (change.threads, change.thread_members_put) == ((ThreadChange(None, made),), (member(ANN),))
    assert change.state == server().changed()
    assert create().threads[0].after == thread()


def test_thread_is_refused_where_there_can_be_none() -> None:
    with pytest.raises(UnknownChannel):
        create(channel_id=1)
    category = server(channels=(Channel(id=GENERAL, type=ChannelType.CATEGORY, name="c"),))
    with pytest.raises(WrongChannelType):
        rules.create(category, GENERAL, ANN, ThreadEdit(name="x"), thread_id=THREAD, threads=(), now_ms=NOW)
    with pytest.raises(ThreadExists):
        create(thread(archived=True))
    with pytest.raises(ThreadExists):
        rules.create(server(), GENERAL, ANN, ThreadEdit(name="x"), thread_id=GENERAL, threads=(), now_ms=NOW)


@pytest.mark.parametrize(
    "wrong", [{"name": " "}, {"name": "x" * 101}, {"auto_archive_minutes": 61}, {"rate_limit_per_user": 21_601}]
)
def test_form_is_refused_when_it_means_nothing(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidForm):
        create(**wrong)


def test_number_of_active_threads_is_bounded() -> None:
    many = tuple(thread(id=number) for number in range(ACTIVE_THREADS_PER_SERVER))
    with pytest.raises(TooManyActiveThreads):
        create(*many)
    create(*many[1:])
    create(*many[1:], thread(id=9, archived=True))
    with pytest.raises(TooManyActiveThreads):
        update(thread(archived=True), OPEN, others=many)
    with pytest.raises(TooManyActiveThreads):
        rules.reopen(server(), thread(archived=True), threads=many, now_ms=NOW)
    assert update(thread(), ARCHIVE, others=many) is not None


MAY = [
    # (by, holds, edit, of, allowed)
    (KEEPER, P.MANAGE_THREADS, ThreadEdit(name="new", locked=True, rate_limit_per_user=5), thread(), True),
    (KEEPER, P.MANAGE_THREADS, OPEN, thread(archived=True, locked=True), True),
    (ANN, 0, ThreadEdit(name="new", auto_archive_minutes=60), thread(), True),
    (ANN, 0, ARCHIVE, thread(), True),
    (ANN, 0, OPEN, thread(archived=True), True),
    (ANN, 0, ThreadEdit(locked=True), thread(), False),
    (ANN, 0, ThreadEdit(rate_limit_per_user=5), thread(), False),
    (ANN, 0, ThreadEdit(name="new"), thread(locked=True), False),
    (ANN, 0, OPEN, thread(archived=True, locked=True), False),
    (BOB, P.SEND_MESSAGES_IN_THREADS, OPEN, thread(archived=True), True),
    (BOB, P.SEND_MESSAGES_IN_THREADS, OPEN, thread(archived=True, locked=True), False),
    (BOB, P.SEND_MESSAGES_IN_THREADS, ThreadEdit(archived=False, name="mine"), thread(archived=True), False),
    (BOB, P.SEND_MESSAGES_IN_THREADS, ARCHIVE, thread(), False),
    (BOB, 0, OPEN, thread(archived=True), False),
]


@pytest.mark.parametrize(("by", "holds", "edit", "of", "allowed"), MAY)
def test_thread_is_changed_by_who_may(by: int, holds: int, edit: ThreadEdit, of: Thread, allowed: bool) -> None:
    if allowed:
        change = update(of, edit, by=by, holds=holds)
        assert change is not None
        ((before, after),) = [(each.before, each.after) for each in change.threads]
        assert before == of
        assert after is not None
        assert change.events == (ThreadUpdated(after),)
    else:
        with pytest.raises(MissingPermissions):
            update(of, edit, by=by, holds=holds)


def test_archived_thread_stays_as_it_is_until_it_is_brought_back() -> None:
    archived = thread(archived=True)
    with pytest.raises(ThreadArchived):
        update(archived, ThreadEdit(name="new"))
    brought_back = update(archived, ThreadEdit(name="new", archived=False))
    assert brought_back is not None
    assert brought_back.threads[0].after == thread(name="new", archive_changed_at_ms=NOW + 5)
    # To lock it is what managers do with one that is over.
    locked = update(archived, ThreadEdit(locked=True))
    assert locked is not None
    assert locked.threads[0].after == thread(archived=True, locked=True)
    for attempt in (lambda: join(archived, None), lambda: leave(archived, ANN, member(ANN), by=ANN)):
        with pytest.raises(ThreadArchived):
            attempt()


def test_nothing_is_changed_when_it_is_so_already() -> None:
    assert update(thread(), ThreadEdit(name="talk", archived=False, locked=False)) is None
    assert update(thread(archived=True), ARCHIVE) is None


def test_message_brings_back_a_thread_but_no_locked_one() -> None:
    change = rules.reopen(server(), thread(archived=True), threads=(), now_ms=NOW + 5)
    assert change is not None
    assert change.threads[0].after == thread(archive_changed_at_ms=NOW + 5)
    assert rules.reopen(server(), thread(archived=True, locked=True), threads=(), now_ms=NOW) is None
    assert rules.reopen(server(), thread(), threads=(), now_ms=NOW) is None


def join(of: Thread, present: ThreadMember | None) -> Change | None:
    return rules.join(server(), of, BOB, member=present, now_ms=NOW)


def leave(of: Thread, user_id: int, present: ThreadMember | None, *, by: int, holds: int = 0) -> Change | None:
    return rules.leave(server(), actor(by, holds=holds), of, user_id, member=present)


def test_who_joins_is_counted_once() -> None:
    change = join(thread(), None)
    assert change is not None
    assert change.events == (ThreadJoined(thread(member_count=2), member(BOB)),)
    assert (change.thread_members_put, change.threads) == ((member(BOB),), ())
    assert join(thread(), member(BOB)) is None
    with pytest.raises(TooManyThreadMembers):
        join(thread(member_count=THREAD_MEMBERS), None)


def test_thread_is_archived_when_nobody_has_written_for_as_long_as_it_says() -> None:
    hour = 3_600_000
    idle = thread(auto_archive_minutes=60)

    def archive(of: Thread, now_ms: int, last_message_ms: int = 0) -> Change | None:
        return rules.archive_idle(server(), of, last_message_ms=last_message_ms, now_ms=now_ms)

    assert archive(idle, NOW + hour - 1) is None
    change = archive(idle, NOW + hour)
    assert change is not None
    archived = replace(idle, archived=True, archive_changed_at_ms=NOW + hour)
    assert change.events == (ThreadUpdated(archived),)
    assert change.threads == (ThreadChange(idle, archived),)
    assert archive(idle, NOW + hour, last_message_ms=NOW + 5) is None
    assert archive(idle, NOW + hour + 5, last_message_ms=NOW + 5) is not None
    assert archive(thread(archived=True), NOW + 9 * hour) is None


def test_who_writes_joins_unless_there_is_no_room_or_it_is_over() -> None:
    def write(of: Thread, present: ThreadMember | None = None) -> Change | None:
        return rules.join_by_writing(server(), of, BOB, member=present, now_ms=NOW)

    change = write(thread(member_count=1))
    assert change is not None
    assert change.events == (ThreadJoined(thread(member_count=2), member(BOB)),)
    assert change.thread_members_put == (member(BOB),)
    assert write(thread(), member(BOB)) is None
    assert write(thread(archived=True)) is None
    assert write(thread(member_count=THREAD_MEMBERS)) is None


def test_one_leaves_oneself_and_is_taken_out_by_the_owner_or_a_manager() -> None:
    for by, holds in ((BOB, 0), (ANN, 0), (KEEPER, P.MANAGE_THREADS)):
        change = leave(thread(member_count=2), BOB, member(BOB), by=by, holds=holds)
        assert change is not None
        assert change.events == (ThreadLeft(thread(), BOB),)
        assert change.thread_members_removed == (member(BOB),)
    with pytest.raises(MissingPermissions):
        leave(thread(), BOB, member(BOB), by=KEEPER)
    assert leave(thread(), BOB, None, by=BOB) is None


def test_decisions_are_told_what_they_read_of_a_thread_and_nothing_else() -> None:
    renamed, locked = update(thread(), ThreadEdit(name="new")), update(thread(), ThreadEdit(locked=True))
    joined = join(thread(), None)
    assert renamed is not None
    assert locked is not None
    assert joined is not None
    assert facts_of(server(), create()) == (ThreadFact(THREAD, GENERAL, locked=False, archived=False),)
    assert facts_of(server(), renamed) == facts_of(server(), joined) == ()
    assert facts_of(server(), locked) == (ThreadFact(THREAD, GENERAL, locked=True, archived=False),)
    deleted = rules.delete(server(), thread())
    assert deleted.events == (ThreadDeleted(thread()),)
    assert facts_of(server(), deleted) == (ThreadGone(THREAD),)


def test_channel_takes_its_threads_along_without_a_word_of_each() -> None:
    change = channel_rules.delete(server(), GENERAL, invites=(), threads=[thread(), replace(thread(), id=3001)])
    assert ThreadGone(THREAD) in facts_of(server(), change)
    assert [each.thread_id for each in change.threads] == [THREAD, 3001]
    assert not any(isinstance(event, ThreadDeleted) for event in change.events)


def test_audit_log_says_what_was_done_to_a_thread_but_not_that_it_went_with_its_channel() -> None:
    def lines(change: Change | None) -> list[tuple[int, int, set[str]]]:
        assert change is not None
        found = lines_of(server(), change, ANN, now_ms=NOW)
        return [(line.action, line.target_id, {each.key for each in line.changes}) for line in found]

    ((action, target, keys),) = lines(create())
    assert (action, target) == (Action.THREAD_CREATE, THREAD)
    assert {"name", "auto_archive_duration"} <= keys
    assert lines(update(thread(), ThreadEdit(name="new", locked=True))) == [
        (Action.THREAD_UPDATE, THREAD, {"name", "locked"})
    ]
    ((action, target, _),) = lines(rules.delete(server(), thread()))
    assert (action, target) == (Action.THREAD_DELETE, THREAD)
    with_channel = channel_rules.delete(server(), GENERAL, invites=(), threads=[thread()])
    assert [action for action, _, _ in lines(with_channel)] == [Action.CHANNEL_DELETE]
    assert lines(join(thread(), None)) == []
