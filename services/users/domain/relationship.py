"""Friends, requests and blocks: what is between two people, and which of the two may change it how.

What is between two is one value, the `Pair`, with a side for each of them: so nothing can be half a friendship, two
requests that cross become one friendship, and a block and the silence of their direct message are one change.

    nothing ── request ──▶ outgoing | incoming ── accept, or a request back ──▶ friends
       ▲                             │                                            │
       └── cancel | decline ─────────┘                     ◀──────── remove ──────┘

A block stands on one side only and takes everything else away, on both; both may block each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

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


class RelationshipType(StrEnum):
    """As one of the two sees it."""

    FRIEND = "friend"
    BLOCKED = "blocked"
    INCOMING = "incoming"
    OUTGOING = "outgoing"


Counts = Mapping[RelationshipType, int]
"""How many relationships of each type somebody has; none of a type that is missing."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one of two has of the other. `is_open`: their direct message is in this one's list."""

    type: RelationshipType | None = None
    since_ms: int = 0
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """All that is between two users. `channel_id`: their direct message; 0: none was ever opened.

    `version` rises with every change; 0: nothing was ever between them.
    """

    low_id: int
    high_id: int
    low: Side = Side()
    high: Side = Side()
    channel_id: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        if self.low_id >= self.high_id:
            raise ValueError("a pair is two different users, the one with the lower id first")

    @property
    def user_ids(self) -> tuple[int, int]:
        return self.low_id, self.high_id

    @property
    def is_silenced(self) -> bool:
        """Neither may write to the other."""
        return RelationshipType.BLOCKED in (self.low.type, self.high.type)

    def side(self, user_id: int) -> Side:
        """What `user_id`, one of the two, has of the other."""
        return self.low if user_id == self.low_id else self.high

    def other(self, user_id: int) -> int:
        return self.high_id if user_id == self.low_id else self.low_id

    def with_side(self, user_id: int, side: Side) -> "Pair":
        return replace(self, low=side) if user_id == self.low_id else replace(self, high=side)


_NONE: Final[Counts] = {}


def request(pair: Pair, user_id: int, *, own: Counts = _NONE, others: Counts = _NONE, now_ms: int) -> Pair:
    """`user_id` asks the other to be friends, or agrees to what the other has asked. Asking again changes nothing.

    Who has blocked the caller answers as somebody who has too many friends or unanswered requests, and as a bot:
    TakesNoRequests.

    Args:
        own, others: what the caller and the other have with everybody.

    Raises:
        AlreadyFriends, BlockedByCaller, TakesNoRequests, TooManyFriends, TooManyRequests
    """
    match pair.side(user_id).type:
        case RelationshipType.INCOMING:
            return accept(pair, user_id, own=own, others=others, now_ms=now_ms)
        case RelationshipType.OUTGOING:
            return pair
        case RelationshipType.FRIEND:
            raise AlreadyFriends
        case RelationshipType.BLOCKED:
            raise BlockedByCaller
    # Before what the other is asked about: who is told of their own limits learns nothing of the other.
    if own.get(RelationshipType.OUTGOING, 0) >= REQUESTS_SENT:
        raise TooManyRequests
    _require_room_for_friend(own)
    if (
        pair.is_silenced
        or others.get(RelationshipType.INCOMING, 0) >= REQUESTS_RECEIVED
        or others.get(RelationshipType.FRIEND, 0) >= FRIENDS_PER_USER
    ):
        raise TakesNoRequests
    return _between(pair, user_id, RelationshipType.OUTGOING, RelationshipType.INCOMING, now_ms)


def accept(pair: Pair, user_id: int, *, own: Counts = _NONE, others: Counts = _NONE, now_ms: int) -> Pair:
    """`user_id` agrees to what the other has asked; they are friends. Agreeing again changes nothing.

    Raises:
        UnknownRelationship: the other has not asked.
        TooManyFriends, TakesNoRequests: there is no room for one more, here or there.
    """
    match pair.side(user_id).type:
        case RelationshipType.FRIEND:
            return pair
        case RelationshipType.INCOMING:
            _require_room_for_friend(own)
            if others.get(RelationshipType.FRIEND, 0) >= FRIENDS_PER_USER:
                raise TakesNoRequests
            return _between(pair, user_id, RelationshipType.FRIEND, RelationshipType.FRIEND, now_ms)
        case _:
            raise UnknownRelationship


def block(pair: Pair, user_id: int, *, own: Counts = _NONE, now_ms: int) -> Pair:
    """`user_id` wants nothing more from the other. Blocking again changes nothing.

    Raises:
        TooManyBlocks
    """
    if pair.side(user_id).type is RelationshipType.BLOCKED:
        return pair
    if own.get(RelationshipType.BLOCKED, 0) >= BLOCKS_PER_USER:
        raise TooManyBlocks
    return _between(_without(pair, user_id), user_id, RelationshipType.BLOCKED, None, now_ms)


def remove(pair: Pair, user_id: int) -> Pair:
    """`user_id` ends whatever they have with the other: a friendship, a request of either, their own block.

    Raises:
        UnknownRelationship: they have nothing. A block by the other is nothing of theirs.
    """
    if pair.side(user_id).type is None:
        raise UnknownRelationship
    return _without(pair, user_id)


def depart(pair: Pair, user_id: int) -> Pair:
    """`user_id` is gone for ever. Their direct message stays with the other, who can read it and no longer write:
    whoever is gone counts as having blocked everybody whom they wrote with."""
    gone = RelationshipType.BLOCKED if pair.channel_id else None
    left = _without(pair, user_id).with_side(user_id, Side(gone))
    # The other's block has nobody left to keep out.
    other = left.side(left.other(user_id))
    return left.with_side(left.other(user_id), replace(other, type=None, since_ms=0))


def _require_room_for_friend(own: Counts) -> None:
    if own.get(RelationshipType.FRIEND, 0) >= FRIENDS_PER_USER:
        raise TooManyFriends


def _without(pair: Pair, user_id: int) -> Pair:
    """Nothing of `user_id`'s is left between the two, and of the other's only a block."""
    if pair.side(pair.other(user_id)).type is not RelationshipType.BLOCKED:
        pair = _with_type(pair, pair.other(user_id), None, 0)
    return _with_type(pair, user_id, None, 0)


def _between(pair: Pair, user_id: int, mine: RelationshipType, theirs: RelationshipType | None, now_ms: int) -> Pair:
    pair = _with_type(pair, user_id, mine, now_ms)
    return pair if theirs is None else _with_type(pair, pair.other(user_id), theirs, now_ms)


def _with_type(pair: Pair, user_id: int, type_: RelationshipType | None, since_ms: int) -> Pair:
    return pair.with_side(user_id, replace(pair.side(user_id), type=type_, since_ms=since_ms))
