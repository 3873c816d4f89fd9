import pytest

from services.servers.domain.errors import MissingPermissions, OutOfHierarchy
from services.servers.domain.hierarchy import require_above_member, require_above_role, require_held
from tests.unit.servers.builders import ADMIN, ANN, BOB, HIGH, KEEPER, LOW, MIDDLE, OWNER, SERVER, actor, member, server

ABOVE_ROLE = [
    # Who acts, with which roles, on which role: allowed?
    (OWNER, (), HIGH, True),
    (ADMIN, (HIGH,), HIGH, False),
    (ADMIN, (HIGH,), MIDDLE, True),
    (KEEPER, (MIDDLE,), HIGH, False),
    (KEEPER, (LOW, MIDDLE), LOW, True),
    (KEEPER, (LOW,), LOW, False),
    (KEEPER, (LOW,), SERVER, True),
    (ANN, (), SERVER, False),
    # A role that is no longer there gives no rank.
    (ANN, (999,), LOW, False),
]


@pytest.mark.parametrize(("user_id", "role_ids", "target", "allowed"), ABOVE_ROLE)
def test_role_is_acted_on_only_from_above(user_id: int, role_ids: tuple[int, ...], target: int, allowed: bool) -> None:
    state = server()
    if allowed:
        require_above_role(state, actor(user_id, *role_ids), state.role(target))
    else:
        with pytest.raises(OutOfHierarchy):
            require_above_role(state, actor(user_id, *role_ids), state.role(target))


ABOVE_MEMBER = [
    (OWNER, (), ADMIN, (HIGH,), True),
    # ADMINISTRATOR grants no rank, and nobody is above the owner.
    (ADMIN, (HIGH,), OWNER, (), False),
    (ADMIN, (HIGH,), BOB, (HIGH,), False),
    (ADMIN, (HIGH,), ADMIN, (HIGH,), False),
    (KEEPER, (MIDDLE,), ANN, (LOW,), True),
    (KEEPER, (LOW,), ANN, (), True),
    (ANN, (), BOB, (), False),
    (OWNER, (), OWNER, (), False),
]


@pytest.mark.parametrize(("user_id", "role_ids", "target", "target_roles", "allowed"), ABOVE_MEMBER)
def test_member_is_acted_on_only_from_above(
    user_id: int, role_ids: tuple[int, ...], target: int, target_roles: tuple[int, ...], allowed: bool
) -> None:
    if allowed:
        require_above_member(server(), actor(user_id, *role_ids), member(target, *target_roles))
    else:
        with pytest.raises(OutOfHierarchy):
            require_above_member(server(), actor(user_id, *role_ids), member(target, *target_roles))


def test_older_of_two_roles_in_one_position_is_the_higher() -> None:
    state = server()
    older, younger = state.role(LOW), state.role(103)
    assert older.position == younger.position

    require_above_role(state, actor(ANN, older.id), younger)
    with pytest.raises(OutOfHierarchy):
        require_above_role(state, actor(ANN, younger.id), older)


def test_missing_bits_are_named_when_somebody_passes_on_what_they_do_not_hold() -> None:
    with pytest.raises(MissingPermissions) as refused:
        require_held(actor(ANN, holds=0b0101), 0b0111)
    assert refused.value.metadata == {"missing": "2"}
