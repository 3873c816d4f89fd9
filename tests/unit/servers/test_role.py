from dataclasses import replace

import pytest

from services.common.limits import ROLES_PER_SERVER
from services.common.permissions import Permission
from services.servers.domain import role as rules
from services.servers.domain.change import ChannelUpdated, RoleCreated, RoleDeleted, RoleUpdated
from services.servers.domain.errors import InvalidForm, MissingPermissions, OutOfHierarchy, TooManyRoles, UnknownRole
from services.servers.domain.role import RoleEdit, RoleMove
from services.servers.domain.state import ALL_PERMISSIONS, Channel, Overwrite, OverwriteTarget, Role
from tests.unit.servers.builders import (
    ANN,
    BOB,
    BOT_ROLE,
    GENERAL,
    HIGH,
    KEEPER,
    LOW,
    MIDDLE,
    OWNER,
    SERVER,
    actor,
    member,
    server,
)

NEW = 200


def test_new_role_is_below_all_others_and_grants_what_everyone_has_when_nothing_is_said() -> None:
    change = rules.create(server(), actor(KEEPER, MIDDLE, holds=0), RoleEdit(name=" helpers "), role_id=NEW)
    assert change.state is not None
    assert change.state.role(NEW) == Role(id=NEW, name="helpers", permissions=Permission.VIEW_CHANNEL, position=1)
    assert [role.id for role in rules.order(change.state.roles)] == [SERVER, NEW, BOT_ROLE, LOW, MIDDLE, HIGH]
    assert change.state.version == server().version + 1


def test_roles_give_way_to_a_new_one_as_far_as_there_is_a_gap() -> None:
    distant = replace(server().role(HIGH), position=9)
    change = rules.create(server(roles=server().with_roles(distant)), actor(OWNER), RoleEdit(), role_id=NEW)
    assert change.state is not None
    assert [(role.id, role.position) for role in rules.order(change.state.roles)] == [
        (SERVER, 0),
        (NEW, 1),
        (BOT_ROLE, 2),
        (LOW, 3),
        (MIDDLE, 4),
        (HIGH, 9),
    ]
    moved = [change.state.role(role_id) for role_id in (BOT_ROLE, LOW, MIDDLE)]
    assert change.events == (RoleCreated(change.state.role(NEW)), *map(RoleUpdated, moved))


def test_role_is_not_given_a_permission_that_its_maker_does_not_hold() -> None:
    keeper = actor(KEEPER, MIDDLE, holds=Permission.MANAGE_ROLES)
    with pytest.raises(MissingPermissions):
        rules.create(server(), keeper, RoleEdit(permissions=Permission.ADMINISTRATOR), role_id=NEW)
    with pytest.raises(MissingPermissions):
        rules.update(server(), keeper, LOW, RoleEdit(permissions=Permission.KICK_MEMBERS))


def test_permission_that_the_editor_does_not_hold_may_stay_and_may_go() -> None:
    strong = Role(id=LOW, name="low", permissions=Permission.KICK_MEMBERS | Permission.BAN_MEMBERS)
    state = server(roles=server().with_roles(strong))
    change = rules.update(state, actor(KEEPER, MIDDLE, holds=0), LOW, RoleEdit(permissions=Permission.KICK_MEMBERS))
    assert change is not None
    assert change.state is not None
    assert change.state.role(LOW).permissions == Permission.KICK_MEMBERS
    assert change.events == (RoleUpdated(change.state.role(LOW), permissions_changed=True),)


def test_unknown_bits_are_dropped() -> None:
    change = rules.create(server(), actor(OWNER), RoleEdit(permissions=-1), role_id=NEW)
    assert change.state is not None
    assert change.state.role(NEW).permissions == ALL_PERMISSIONS


def test_everyone_changes_its_permissions_and_nothing_else() -> None:
    assert rules.update(server(), actor(KEEPER, LOW), SERVER, RoleEdit(permissions=0)) is not None
    assert rules.update(server(), actor(OWNER), SERVER, RoleEdit(name="@everyone")) is None
    with pytest.raises(InvalidForm):
        rules.update(server(), actor(OWNER), SERVER, RoleEdit(name="all"))
    with pytest.raises(InvalidForm):
        rules.move(server(), actor(OWNER), [RoleMove(SERVER, 1)])


@pytest.mark.parametrize("role_id", [SERVER, BOT_ROLE])
def test_role_that_nobody_deletes_by_hand(role_id: int) -> None:
    with pytest.raises(MissingPermissions):
        rules.delete(server(), actor(OWNER), role_id, holders=())


def test_deleted_role_is_taken_from_its_holders_and_out_of_every_overwrite() -> None:
    of_role = Overwrite(target_id=LOW, target=OverwriteTarget.ROLE, allow=1)
    of_member = Overwrite(target_id=ANN, target=OverwriteTarget.MEMBER, deny=1)
    named = Channel(id=GENERAL, name="general", overwrites=(of_member, of_role))
    other = Channel(id=2001, name="other")

    change = rules.delete(
        server(channels=(named, other)),
        actor(KEEPER, MIDDLE),
        LOW,
        holders=[member(ANN, LOW), member(BOB, LOW, MIDDLE)],
    )

    assert change.state is not None
    with pytest.raises(UnknownRole):
        change.state.role(LOW)
    assert change.state.channel(GENERAL).overwrites == (of_member,)
    assert [each.after for each in change.members] == [member(ANN), member(BOB, MIDDLE)]
    assert change.events == (
        RoleDeleted(LOW),
        ChannelUpdated(change.state.channel(GENERAL), views_changed=True),
    )


def test_roles_below_are_ordered_and_unmoved_ones_of_the_table_are_no_trespass() -> None:
    table = [RoleMove(SERVER, 0), RoleMove(LOW, 1), RoleMove(BOT_ROLE, 1), RoleMove(MIDDLE, 2), RoleMove(HIGH, 3)]
    assert rules.move(server(), actor(KEEPER, MIDDLE), table) is None

    change = rules.move(server(), actor(ANN, HIGH), [*table[:1], RoleMove(LOW, 2), RoleMove(MIDDLE, 1), *table[4:]])
    assert change is not None
    assert change.state is not None
    assert [role.id for role in rules.order(change.state.roles)] == [SERVER, BOT_ROLE, MIDDLE, LOW, HIGH]


@pytest.mark.parametrize(
    "moves", [[RoleMove(HIGH, 1)], [RoleMove(LOW, 3)], [RoleMove(LOW, 200)], [RoleMove(MIDDLE, 1)]]
)
def test_role_is_neither_moved_from_above_nor_lifted_to_ones_own_height(moves: list[RoleMove]) -> None:
    with pytest.raises(OutOfHierarchy):
        rules.move(server(), actor(KEEPER, MIDDLE), moves)


def test_whole_table_may_number_roles_anew_that_keep_their_places() -> None:
    """What discord.js sends when a role below is moved, and positions were shared or left out."""
    table = [RoleMove(SERVER, 0), RoleMove(LOW, 1), RoleMove(BOT_ROLE, 2), RoleMove(MIDDLE, 4), RoleMove(HIGH, 5)]
    change = rules.move(server(), actor(KEEPER, MIDDLE), table)
    assert change is not None
    assert change.state is not None
    assert [role.id for role in rules.order(change.state.roles)] == [SERVER, LOW, BOT_ROLE, MIDDLE, HIGH]

    for places in ([1, 2, 5, 4], [1, 5, 4, 6], [4, 2, 3, 5], [2, 3, 1, 4]):
        turned = [RoleMove(*each) for each in zip((LOW, BOT_ROLE, MIDDLE, HIGH), places, strict=True)]
        with pytest.raises(OutOfHierarchy):
            rules.move(server(), actor(KEEPER, MIDDLE), turned)


@pytest.mark.parametrize(
    ("positions", "moves", "expected"),
    [
        # One alone, up and down: the others give way.
        ([1, 2, 3], [(0, 3)], [3, 1, 2]),
        ([1, 2, 3], [(0, 2)], [2, 1, 3]),
        ([1, 2, 3], [(2, 1)], [2, 3, 1]),
        ([1, 2, 3], [(0, 200)], [3, 1, 2]),
        # All those between the old place and the new one, as discord.py sends it.
        ([1, 2, 3, 4], [(1, 2), (2, 3), (0, 1)], [1, 2, 3, 4]),
        ([1, 2, 3, 4], [(1, 1), (2, 2), (0, 3)], [3, 1, 2, 4]),
        # Several that are not next to each other.
        ([1, 2, 3, 4, 5], [(0, 4), (1, 5)], [4, 5, 1, 2, 3]),
        ([1, 2, 3, 4, 5], [(4, 1), (0, 5)], [5, 2, 3, 4, 1]),
        ([1, 2, 3, 4], [(0, 2), (3, 2)], [3, 1, 4, 2]),
        # Deletions left gaps, and old moves ties: a position is that of the role that is seen there.
        ([1, 3, 4], [(2, 3)], [1, 3, 2]),
        ([1, 3, 9], [(0, 3)], [2, 1, 3]),
        ([1, 3, 9], [(2, 2)], [1, 3, 2]),
        ([1, 2, 2], [(0, 2)], [3, 2, 1]),
        ([2, 2, 3], [(0, 2), (2, 1)], [2, 3, 1]),
    ],
)
def test_moved_roles_leave_neither_ties_nor_gaps(
    positions: list[int], moves: list[tuple[int, int]], expected: list[int]
) -> None:
    roles = [Role(id=300 + number, name="r", position=position) for number, position in enumerate(positions)]
    state = server(roles=(server().everyone, *roles))
    change = rules.move(state, actor(OWNER), [RoleMove(300 + number, position) for number, position in moves])
    after = state if change is None else change.state
    assert after is not None
    assert [after.role(role.id).position for role in roles] == expected
    if change is not None:
        moved = [role for role in rules.order(after.roles) if role.position != state.role(role.id).position]
        assert list(change.events) == [RoleUpdated(role) for role in moved]


@pytest.mark.parametrize("position", [-1, 0, ROLES_PER_SERVER + 1])
def test_position_is_within_bounds(position: int) -> None:
    with pytest.raises((InvalidForm, OutOfHierarchy)):
        rules.move(server(), actor(OWNER), [RoleMove(LOW, position)])


def test_number_of_roles_is_bounded() -> None:
    full = server(roles=tuple(Role(id=number, name="r") for number in range(ROLES_PER_SERVER)))
    with pytest.raises(TooManyRoles):
        rules.create(full, actor(OWNER), RoleEdit(), role_id=NEW)


@pytest.mark.parametrize("edit", [RoleEdit(name="x" * 101), RoleEdit(color=-1), RoleEdit(color=1 << 24)])
def test_form_is_checked(edit: RoleEdit) -> None:
    with pytest.raises(InvalidForm):
        rules.update(server(), actor(OWNER), LOW, edit)
