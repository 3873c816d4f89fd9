"""Direct messages and groups, as rules (SOC-14)."""

import pytest

from services.common.errors import InvalidArgument
from services.common.limits import GROUP_NAME, GROUP_PARTICIPANTS
from services.users.domain.errors import (
    InvalidRecipients,
    MissingPermissions,
    TooManyParticipants,
    UnknownPrivateChannel,
)
from services.users.domain.private_channel import (
    Group,
    add_participant,
    close_direct,
    describe_group,
    found_group,
    open_direct,
    remove_participant,
    reopen_direct,
)
from services.users.domain.relationship import Pair

ADA, BOB, CY, EVE = 1, 2, 3, 9
GROUP = Group(7, ADA, (ADA, BOB, CY))


def test_direct_message_is_opened_for_one_and_stays_the_same() -> None:
    opened = open_direct(Pair(ADA, BOB), BOB, 7)
    assert opened.channel_id == 7
    assert (opened.side(ADA).is_open, opened.side(BOB).is_open) == (False, True)
    assert open_direct(opened, ADA, 8) == reopen_direct(opened)
    assert reopen_direct(opened).channel_id == 7


def test_direct_message_is_closed_for_one_until_it_is_opened_again() -> None:
    both = reopen_direct(open_direct(Pair(ADA, BOB), ADA, 7))
    closed = close_direct(both, ADA)
    assert (closed.side(ADA).is_open, closed.side(BOB).is_open) == (False, True)
    assert reopen_direct(closed) == both


def test_group_is_of_its_founder_and_friends() -> None:
    group = found_group(7, ADA, [CY, BOB, CY], [BOB, CY], "  us  ")
    assert group == Group(7, ADA, (ADA, CY, BOB), "us")
    with pytest.raises(InvalidRecipients):
        found_group(7, ADA, [BOB, EVE], [BOB, CY], "")
    friends = list(range(10, 10 + GROUP_PARTICIPANTS))
    assert len(found_group(7, ADA, friends[:-1], friends, "").participant_ids) == GROUP_PARTICIPANTS
    with pytest.raises(TooManyParticipants):
        found_group(7, ADA, friends, friends, "")


def test_participant_adds_a_friend_and_nobody_else() -> None:
    grown = add_participant(GROUP, BOB, EVE, is_friend=True)
    assert grown.participant_ids == (ADA, BOB, CY, EVE)
    assert add_participant(grown, CY, EVE, is_friend=False) == grown
    with pytest.raises(InvalidRecipients):
        add_participant(GROUP, BOB, EVE, is_friend=False)
    with pytest.raises(UnknownPrivateChannel):
        add_participant(GROUP, EVE, EVE, is_friend=True)
    full = Group(7, ADA, tuple(range(1, 1 + GROUP_PARTICIPANTS)))
    with pytest.raises(TooManyParticipants):
        add_participant(full, ADA, 99, is_friend=True)


def test_owner_sends_out_and_everybody_may_leave() -> None:
    assert remove_participant(GROUP, ADA, BOB).participant_ids == (ADA, CY)
    assert remove_participant(GROUP, BOB, BOB) == Group(7, ADA, (ADA, CY))
    assert remove_participant(GROUP, ADA, EVE) == GROUP
    with pytest.raises(MissingPermissions):
        remove_participant(GROUP, BOB, CY)
    with pytest.raises(UnknownPrivateChannel):
        remove_participant(GROUP, EVE, EVE)


def test_owner_who_leaves_hands_the_group_to_the_one_who_came_first() -> None:
    left = remove_participant(GROUP, ADA, ADA)
    assert (left.owner_id, left.participant_ids) == (BOB, (BOB, CY))
    alone = remove_participant(left, BOB, BOB)
    assert (alone.owner_id, alone.participant_ids) == (CY, (CY,))
    assert remove_participant(alone, CY, CY).participant_ids == ()


def test_participants_name_the_group() -> None:
    assert describe_group(GROUP, CY, name=" trip ", icon=None).name == "trip"
    assert describe_group(Group(7, ADA, (ADA,), "trip", "hash"), ADA, name="", icon="").name == ""
    assert describe_group(GROUP, CY, name=None, icon=None) == GROUP
    with pytest.raises(UnknownPrivateChannel):
        describe_group(GROUP, EVE, name="mine", icon=None)
    with pytest.raises(InvalidArgument):
        describe_group(GROUP, CY, name="x" * (GROUP_NAME + 1), icon=None)
