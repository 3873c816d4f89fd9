from dataclasses import replace

import pytest

from services.common.permissions import Permission
from services.servers.domain import member as rules
from services.servers.domain.change import (
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    RoleCreated,
    RoleDeleted,
    RoleUpdated,
    ThreadLeft,
)
from services.servers.domain.errors import (
    InvalidForm,
    MissingPermissions,
    OutOfHierarchy,
    OwnerCannotLeave,
    UnknownRole,
)
from services.servers.domain.member import MUTE_MAX_MS, MemberEdit
from services.servers.domain.state import Member, Thread
from tests.unit.servers.builders import (
    ADMIN,
    ANN,
    BOB,
    BOT,
    BOT_ROLE,
    HIGH,
    KEEPER,
    LOW,
    MIDDLE,
    NOW,
    OWNER,
    SERVER,
    actor,
    applicant,
    member,
    server,
)


def updated(
    edit: MemberEdit, target: Member, user_id: int = KEEPER, *role_ids: int, holds: int = rules.EDITS
) -> Member | None:
    change = rules.update(server(), actor(user_id, *role_ids, holds=holds), target, edit, now_ms=NOW)
    return change.members[0].after if change else None


@pytest.mark.parametrize("bit", [Permission.MANAGE_ROLES, Permission.ASSIGN_ROLES])
def test_role_below_ones_own_is_given_to_anybody_with_either_bit(bit: Permission) -> None:
    keeper = actor(KEEPER, MIDDLE, holds=bit)
    for target in (member(ANN), member(ADMIN, HIGH), member(OWNER), member(KEEPER, MIDDLE)):
        change = rules.give_role(server(), keeper, target, LOW)
        assert change is not None
        assert change.members[0].after == member(target.user_id, *target.role_ids, LOW)
        assert change.members[0].changes_seat


@pytest.mark.parametrize(
    ("role_id", "error"),
    [(MIDDLE, OutOfHierarchy), (HIGH, OutOfHierarchy), (BOT_ROLE, MissingPermissions), (999, UnknownRole)],
)
def test_role_that_is_not_given(role_id: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        rules.give_role(server(), actor(KEEPER, MIDDLE), member(ANN), role_id)


def test_role_is_not_given_without_a_bit_for_it() -> None:
    others = rules.EDITS & ~rules.GIVES_ROLES
    with pytest.raises(MissingPermissions):
        rules.give_role(server(), actor(OWNER, holds=others), member(ANN), LOW)


def test_role_that_is_held_or_not_held_already_is_no_change() -> None:
    assert rules.give_role(server(), actor(KEEPER, MIDDLE), member(ANN, LOW), LOW) is None
    assert rules.take_role(server(), actor(KEEPER, MIDDLE), member(ANN), LOW) is None
    with pytest.raises(UnknownRole):
        rules.take_role(server(), actor(KEEPER, MIDDLE), member(ANN), 999)


def test_list_of_roles_is_judged_by_what_it_changes() -> None:
    assert updated(MemberEdit(role_ids={HIGH, LOW, SERVER}), member(ANN, HIGH), KEEPER, MIDDLE) == member(
        ANN, HIGH, LOW
    )
    with pytest.raises(OutOfHierarchy):
        updated(MemberEdit(role_ids={LOW}), member(ANN, HIGH), KEEPER, MIDDLE)


NICKS = [
    # Who, with what, renames whom.
    (ANN, (), Permission.CHANGE_NICKNAME, member(ANN), None),
    (ANN, (), Permission.MANAGE_NICKNAMES, member(ANN), MissingPermissions),
    (KEEPER, (LOW,), Permission.MANAGE_NICKNAMES, member(ANN), None),
    (KEEPER, (LOW,), Permission.CHANGE_NICKNAME, member(ANN), MissingPermissions),
    (KEEPER, (LOW,), Permission.MANAGE_NICKNAMES, member(BOB, MIDDLE), OutOfHierarchy),
    (ADMIN, (HIGH,), Permission.MANAGE_NICKNAMES, member(OWNER), OutOfHierarchy),
]


@pytest.mark.parametrize(("user_id", "role_ids", "bit", "target", "error"), NICKS)
def test_nickname_of_oneself_and_of_those_below(
    user_id: int, role_ids: tuple[int, ...], bit: Permission, target: Member, error: type[Exception] | None
) -> None:
    def rename() -> Member | None:
        return updated(MemberEdit(nick=" New  Name "), target, user_id, *role_ids, holds=bit)

    if error is None:
        renamed = rename()
        assert renamed is not None
        assert renamed.nick == "New Name"
    else:
        with pytest.raises(error):
            rename()


def test_nickname_changes_no_seat() -> None:
    change = rules.update(server(), actor(OWNER), member(ANN), MemberEdit(nick="Annie"), now_ms=NOW)
    assert change is not None
    assert change.events == (MemberUpdated(member(ANN, nick="Annie"), views_changed=False),)
    with pytest.raises(InvalidForm):
        updated(MemberEdit(nick="x" * 33), member(ANN), OWNER)


def test_edit_is_done_whole_or_not_at_all() -> None:
    with pytest.raises(OutOfHierarchy):
        updated(MemberEdit(nick="Annie", role_ids={HIGH}), member(ANN), KEEPER, MIDDLE)


def test_mute_ends_is_prolonged_and_is_ended_by_the_timer_only_when_it_is_over() -> None:
    muted = updated(MemberEdit(muted_until_ms=NOW + 1000), member(ANN), KEEPER, LOW)
    assert muted == member(ANN, muted_until_ms=NOW + 1000)
    assert rules.end_mute(server(), muted, now_ms=NOW + 999) is None
    ended = rules.end_mute(server(), muted, now_ms=NOW + 1000)
    assert ended is not None
    assert ended.members[0].after == member(ANN)
    assert ended.members[0].changes_seat
    assert rules.end_mute(server(), member(ANN), now_ms=NOW) is None
    assert updated(MemberEdit(muted_until_ms=0), muted, KEEPER, LOW) == member(ANN)


@pytest.mark.parametrize(
    ("target", "until", "error"),
    [
        (member(OWNER), NOW + 1, OutOfHierarchy),
        (member(BOB, LOW), NOW + 1, OutOfHierarchy),
        (member(ANN), NOW + MUTE_MAX_MS + 1, InvalidForm),
    ],
)
def test_mute_that_is_refused(target: Member, until: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        updated(MemberEdit(muted_until_ms=until), target, KEEPER, LOW)


def test_administrator_is_not_muted_not_even_by_the_owner() -> None:
    with pytest.raises(MissingPermissions):
        updated(MemberEdit(muted_until_ms=NOW + 1), member(ADMIN, HIGH), OWNER)
    assert updated(MemberEdit(muted_until_ms=0), member(ADMIN, HIGH, muted_until_ms=NOW + 9), OWNER) is not None


def test_one_who_joins_and_leaves_is_counted() -> None:
    joined = rules.join(server(), applicant(ANN), now_ms=NOW)
    assert joined.state is not None
    assert joined.state.member_count == server().member_count + 1
    assert joined.events == (MemberJoined(member(ANN)),)
    left = rules.leave(joined.state, member(ANN), ())
    assert left.state is not None
    assert left.state.member_count == server().member_count
    assert left.events == (MemberLeft(ANN),)
    with pytest.raises(OwnerCannotLeave):
        rules.leave(server(), member(OWNER), ())


def test_who_goes_is_taken_out_of_each_thread() -> None:
    fields = {"server_id": 1, "channel_id": 2, "owner_id": OWNER, "name": "talk", "auto_archive_minutes": 60}
    talk, other = (
        Thread(id=number, member_count=number, archive_changed_at_ms=NOW, created_at_ms=NOW, **fields)  # type: ignore[arg-type]
        for number in (2, 3)
    )
    left = (ThreadLeft(replace(talk, member_count=1), ANN), ThreadLeft(replace(other, member_count=2), ANN))
    for gone in (
        rules.leave(server(), member(ANN), (talk, other)),
        rules.kick(server(), actor(OWNER), member(ANN), (talk, other)),
    ):
        # Whoever goes is told no more of it: their own part of the server ends with the first event.
        assert gone.events == (MemberLeft(ANN), *left)


def test_bot_gets_a_role_of_its_own_of_what_its_adder_holds_and_loses_it_with_its_membership() -> None:
    manager = actor(KEEPER, MIDDLE, holds=Permission.MANAGE_GUILD)
    with pytest.raises(MissingPermissions):
        rules.add_bot(
            server(), manager, applicant(91), "b", permissions=Permission.ADMINISTRATOR, role_id=300, now_ms=NOW
        )
    added = rules.add_bot(
        server(), manager, applicant(91), "b", permissions=Permission.MANAGE_GUILD, role_id=300, now_ms=NOW
    )
    assert added.state is not None
    role = added.state.role(300)
    assert (role.managed, role.bot_id, role.permissions) == (True, 91, Permission.MANAGE_GUILD)
    assert added.events[0] == RoleCreated(role)
    assert added.events[-1] == MemberJoined(member(91, 300))
    assert {event.role.id for event in added.events if isinstance(event, RoleUpdated)} == {BOT_ROLE, LOW, MIDDLE, HIGH}
    assert added.state.member_count == server().member_count + 1
    assert added.state.version == server().version + 1

    gone = rules.kick(server(), actor(KEEPER, MIDDLE), member(BOT, BOT_ROLE), ())
    assert gone.state is not None
    assert BOT_ROLE not in {role.id for role in gone.state.roles}
    assert gone.events == (MemberLeft(BOT), RoleDeleted(BOT_ROLE))
    assert gone.state.version == server().version + 1
