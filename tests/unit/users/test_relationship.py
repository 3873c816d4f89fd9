"""What two people may do to what is between them (SOC-01, SOC-03 to SOC-08)."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import BeepError
from services.common.limits import BLOCKS_PER_USER, FRIENDS_PER_USER, REQUESTS_RECEIVED, REQUESTS_SENT
from services.users.domain.errors import (
    AlreadyFriends,
    BlockedByCaller,
    TakesNoRequests,
    TooManyBlocks,
    TooManyFriends,
    TooManyRequests,
    UnknownRelationship,
)
from services.users.domain.relationship import (
    Pair,
    RelationshipType,
    Side,
    accept,
    block,
    depart,
    remove,
    request,
)

ADA, BOB = 1, 2
NOW = 1000
STRANGERS: Final = Pair(ADA, BOB)
FRIEND, BLOCKED = RelationshipType.FRIEND, RelationshipType.BLOCKED
INCOMING, OUTGOING = RelationshipType.INCOMING, RelationshipType.OUTGOING

ASKED: Final = request(STRANGERS, ADA, now_ms=NOW)
FRIENDS: Final = accept(ASKED, BOB, now_ms=NOW)
ADA_BLOCKS: Final = block(STRANGERS, ADA, now_ms=NOW)
BOTH_BLOCK: Final = block(ADA_BLOCKS, BOB, now_ms=NOW)


def types(pair: Pair) -> tuple[RelationshipType | None, RelationshipType | None]:
    return pair.side(ADA).type, pair.side(BOB).type


def test_pair_is_of_two_in_one_order() -> None:
    for low, high in ((2, 1), (1, 1)):
        with pytest.raises(ValueError, match="two different"):
            Pair(low, high)


def test_request_is_outgoing_here_and_incoming_there() -> None:
    assert types(ASKED) == (OUTGOING, INCOMING)
    assert ASKED.side(ADA).since_ms == ASKED.side(BOB).since_ms == NOW
    assert types(request(STRANGERS, BOB, now_ms=NOW)) == (INCOMING, OUTGOING)


def test_request_changes_nothing_when_it_waits_already() -> None:
    assert request(ASKED, ADA, now_ms=NOW + 1) == ASKED


def test_requests_that_cross_make_friends() -> None:
    crossed = request(ASKED, BOB, now_ms=NOW + 1)
    assert types(crossed) == (FRIEND, FRIEND)
    assert crossed.side(ADA).since_ms == NOW + 1


def test_accept_makes_friends_and_may_be_repeated() -> None:
    assert types(FRIENDS) == (FRIEND, FRIEND)
    assert accept(FRIENDS, BOB, now_ms=NOW + 1) == FRIENDS


@pytest.mark.parametrize("pair", [STRANGERS, ASKED, ADA_BLOCKS], ids=["strangers", "own request", "own block"])
def test_accept_is_refused_when_the_other_has_not_asked(pair: Pair) -> None:
    with pytest.raises(UnknownRelationship):
        accept(pair, ADA, now_ms=NOW)


@pytest.mark.parametrize(
    ("pair", "who"), [(ASKED, ADA), (ASKED, BOB), (FRIENDS, ADA), (FRIENDS, BOB), (ADA_BLOCKS, ADA)]
)
def test_remove_ends_whatever_there_is_for_both(pair: Pair, who: int) -> None:
    assert types(remove(pair, who)) == (None, None)


@pytest.mark.parametrize("pair", [STRANGERS, ADA_BLOCKS], ids=["strangers", "blocked by the other"])
def test_remove_is_refused_when_one_has_nothing(pair: Pair) -> None:
    with pytest.raises(UnknownRelationship):
        remove(pair, BOB)


def test_remove_leaves_the_block_of_the_other() -> None:
    assert types(remove(BOTH_BLOCK, ADA)) == (None, BLOCKED)


@pytest.mark.parametrize("pair", [STRANGERS, ASKED, FRIENDS, request(STRANGERS, BOB, now_ms=NOW)])
def test_block_ends_all_else_and_is_on_one_side(pair: Pair) -> None:
    blocked = block(pair, ADA, now_ms=NOW)
    assert types(blocked) == (BLOCKED, None)
    assert blocked.is_silenced
    assert not pair.is_silenced


def test_both_may_block_each_other() -> None:
    assert types(BOTH_BLOCK) == (BLOCKED, BLOCKED)
    assert block(BOTH_BLOCK, ADA, now_ms=NOW + 1) == BOTH_BLOCK
    assert remove(BOTH_BLOCK, ADA).is_silenced
    assert not remove(remove(BOTH_BLOCK, ADA), BOB).is_silenced


@pytest.mark.parametrize(
    ("pair", "who", "error"),
    [
        (FRIENDS, ADA, AlreadyFriends),
        (ADA_BLOCKS, ADA, BlockedByCaller),
        (ADA_BLOCKS, BOB, TakesNoRequests),
        (BOTH_BLOCK, BOB, BlockedByCaller),
    ],
)
def test_request_is_refused_when_something_stands_in_the_way(pair: Pair, who: int, error: type[BeepError]) -> None:
    with pytest.raises(error):
        request(pair, who, now_ms=NOW)


def test_request_is_refused_alike_by_who_has_blocked_and_by_who_takes_no_more() -> None:
    full: list[Mapping[RelationshipType, int]] = [{INCOMING: REQUESTS_RECEIVED}, {FRIEND: FRIENDS_PER_USER}]
    refusals = []
    for pair, others in ((ADA_BLOCKS, {}), *((STRANGERS, each) for each in full)):
        with pytest.raises(TakesNoRequests) as refused:
            request(pair, BOB, others=others, now_ms=NOW)
        refusals.append((refused.value.reason, refused.value.message, refused.value.metadata))
    assert refusals[0] == refusals[1] == refusals[2]


def test_limits_are_of_one_side_and_told_before_anything_of_the_other() -> None:
    almost = {OUTGOING: REQUESTS_SENT - 1, FRIEND: FRIENDS_PER_USER - 1, BLOCKED: BLOCKS_PER_USER - 1}
    request(STRANGERS, ADA, own=almost, now_ms=NOW)
    accept(ASKED, BOB, own=almost, others=almost, now_ms=NOW)
    block(STRANGERS, ADA, own=almost, now_ms=NOW)
    with pytest.raises(TooManyRequests):
        request(ADA_BLOCKS, BOB, own={OUTGOING: REQUESTS_SENT}, now_ms=NOW)
    with pytest.raises(TooManyFriends):
        request(ADA_BLOCKS, BOB, own={FRIEND: FRIENDS_PER_USER}, now_ms=NOW)
    with pytest.raises(TooManyFriends):
        accept(ASKED, BOB, own={FRIEND: FRIENDS_PER_USER}, now_ms=NOW)
    with pytest.raises(TakesNoRequests):
        accept(ASKED, BOB, others={FRIEND: FRIENDS_PER_USER}, now_ms=NOW)
    with pytest.raises(TooManyBlocks):
        block(STRANGERS, ADA, own={BLOCKED: BLOCKS_PER_USER}, now_ms=NOW)


def test_departed_leave_no_relationship_and_a_direct_message_that_nobody_can_write_in() -> None:
    written = Pair(ADA, BOB, FRIENDS.low, Side(FRIEND, NOW, is_open=True), channel_id=7)
    gone = depart(written, ADA)
    assert gone.side(BOB) == Side(is_open=True)
    assert gone.is_silenced
    assert depart(gone, ADA) == gone
    assert types(depart(FRIENDS, ADA)) == types(depart(BOTH_BLOCK, ADA)) == (None, None)


Step = Callable[[Pair, int], Pair]
STEPS: Final[list[Step]] = [
    lambda pair, who: request(pair, who, now_ms=NOW),
    lambda pair, who: accept(pair, who, now_ms=NOW),
    lambda pair, who: block(pair, who, now_ms=NOW),
    remove,
]
LEGAL: Final = {
    (None, None),
    (OUTGOING, INCOMING),
    (INCOMING, OUTGOING),
    (FRIEND, FRIEND),
    (BLOCKED, None),
    (None, BLOCKED),
    (BLOCKED, BLOCKED),
}


@given(st.lists(st.tuples(st.sampled_from(STEPS), st.sampled_from([ADA, BOB])), max_size=12))
def test_nothing_is_ever_half_a_relationship(steps: list[tuple[Step, int]]) -> None:
    pair = STRANGERS
    for step, who in steps:
        blocked_by_other = pair.side(pair.other(who)).type is BLOCKED
        try:
            pair = step(pair, who)
        except BeepError:
            continue
        assert types(pair) in LEGAL
        # Nobody lifts the block of somebody else.
        assert (pair.side(pair.other(who)).type is BLOCKED) == blocked_by_other
