import pytest

from services.common.permissions import Permission
from services.servers.domain import overwrite as rules
from services.servers.domain.errors import InvalidForm, MissingPermissions, UnknownMember, UnknownOverwrite, UnknownRole
from services.servers.domain.state import Channel, Overwrite, OverwriteTarget
from tests.unit.servers.builders import ANN, GENERAL, HIGH, KEEPER, LOW, OWNER, actor, server

VIEW, SEND, PIN = Permission.VIEW_CHANNEL, Permission.SEND_MESSAGES, Permission.PIN_MESSAGES


def of_role(role_id: int = LOW, *, allow: int = 0, deny: int = 0) -> Overwrite:
    return Overwrite(target_id=role_id, target=OverwriteTarget.ROLE, allow=allow, deny=deny)


def of_member(user_id: int = ANN, *, allow: int = 0, deny: int = 0) -> Overwrite:
    return Overwrite(target_id=user_id, target=OverwriteTarget.MEMBER, allow=allow, deny=deny)


def test_overwrite_is_set_replaced_and_set_again_without_a_change() -> None:
    first = rules.put(server(), actor(OWNER), GENERAL, of_role(allow=VIEW), member_ids=())
    assert first is not None
    assert first.state is not None
    assert first.state.channel(GENERAL).overwrites == (of_role(allow=VIEW),)

    second = rules.put(first.state, actor(OWNER), GENERAL, of_role(deny=VIEW), member_ids=())
    assert second is not None
    assert second.state is not None
    assert second.state.channel(GENERAL).overwrites == (of_role(deny=VIEW),)
    assert rules.put(second.state, actor(OWNER), GENERAL, of_role(deny=VIEW), member_ids=()) is None


CHANGED_BITS = [
    # What is set, what is wanted, and what one must hold for it.
    (of_role(), of_role(allow=VIEW), VIEW),
    (of_role(), of_role(deny=SEND), SEND),
    (of_role(allow=VIEW), of_role(deny=VIEW), VIEW),
    (of_role(allow=VIEW | PIN), of_role(allow=PIN), VIEW),
    (of_role(deny=PIN), of_role(deny=PIN, allow=SEND), SEND),
]


@pytest.mark.parametrize(("old", "new", "needed"), CHANGED_BITS)
def test_exactly_the_bits_that_change_must_be_held(old: Overwrite, new: Overwrite, needed: int) -> None:
    state = server(channels=(Channel(id=GENERAL, name="general", overwrites=(old,)),))

    assert rules.put(state, actor(KEEPER, holds=needed), GENERAL, new, member_ids=()) is not None
    with pytest.raises(MissingPermissions) as refused:
        rules.put(state, actor(KEEPER, holds=~needed), GENERAL, new, member_ids=())
    assert refused.value.metadata["missing"] == str(int(needed))


def test_removing_an_overwrite_needs_what_it_decides() -> None:
    state = server(channels=(Channel(id=GENERAL, name="general", overwrites=(of_role(deny=SEND),)),))
    with pytest.raises(MissingPermissions):
        rules.remove(state, actor(KEEPER, holds=VIEW), GENERAL, LOW)
    removed = rules.remove(state, actor(KEEPER, holds=SEND), GENERAL, LOW)
    assert removed is not None
    assert removed.state is not None
    assert removed.state.channel(GENERAL).overwrites == ()
    with pytest.raises(UnknownOverwrite):
        rules.remove(removed.state, actor(OWNER), GENERAL, LOW)


def test_target_exists_when_it_is_named_and_may_leave_afterwards() -> None:
    with pytest.raises(UnknownRole):
        rules.put(server(), actor(OWNER), GENERAL, of_role(999), member_ids=())
    with pytest.raises(UnknownMember):
        rules.put(server(), actor(OWNER), GENERAL, of_member(), member_ids=())

    change = rules.put(server(), actor(OWNER), GENERAL, of_member(deny=VIEW), member_ids={ANN})
    assert change is not None
    assert change.state is not None
    later = rules.put(change.state, actor(OWNER), GENERAL, of_role(HIGH, allow=VIEW), member_ids=())
    assert later is not None
    assert later.state is not None
    assert later.state.channel(GENERAL).overwrites == (of_member(deny=VIEW), of_role(HIGH, allow=VIEW))


def test_bit_is_not_both_allowed_and_denied_and_unknown_ones_are_dropped() -> None:
    with pytest.raises(InvalidForm):
        rules.put(server(), actor(OWNER), GENERAL, of_role(allow=VIEW, deny=VIEW), member_ids=())
    assert rules.checked(server(), actor(OWNER), None, [of_role(allow=VIEW | 1 << 61)], member_ids=()) == (
        of_role(allow=VIEW),
    )


def test_target_is_not_named_twice() -> None:
    with pytest.raises(InvalidForm):
        rules.checked(server(), actor(OWNER), None, [of_role(), of_role(allow=VIEW)], member_ids=())
