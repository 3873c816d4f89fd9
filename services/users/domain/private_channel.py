"""Channels of no server: direct messages of two, and groups.

A direct message belongs to its `Pair` (domain/relationship.py): two users have one, for ever, and each of them has it
in their list or not. A group has an owner, who alone may send somebody out; an owner who leaves hands it to the one who
has been there longest.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from services.common.limits import GROUP_NAME, GROUP_PARTICIPANTS
from services.users.domain.errors import (
    InvalidRecipients,
    MissingPermissions,
    TooManyParticipants,
    UnknownPrivateChannel,
    invalid_field,
)
from services.users.domain.relationship import Pair


def open_direct(pair: Pair, user_id: int, new_id: int) -> Pair:
    """The direct message is in the list of `user_id`. The other finds it in theirs with the first message in it, so
    that nobody's list fills up with what strangers have opened."""
    opened = pair if pair.channel_id else replace(pair, channel_id=new_id)
    return opened.with_side(user_id, replace(opened.side(user_id), is_open=True))


def reopen_direct(pair: Pair) -> Pair:
    """There is a new message: it is in the lists of both."""
    return replace(pair, low=replace(pair.low, is_open=True), high=replace(pair.high, is_open=True))


def close_direct(pair: Pair, user_id: int) -> Pair:
    """The direct message is out of the list of `user_id`, until the next message."""
    return pair.with_side(user_id, replace(pair.side(user_id), is_open=False))


@dataclass(frozen=True, slots=True)
class Group:
    """`participant_ids` stand in the order in which they came; none: the group is over."""

    id: int
    owner_id: int
    participant_ids: tuple[int, ...]
    name: str = ""
    icon: str = ""
    version: int = 0


def found_group(
    group_id: int, creator_id: int, recipient_ids: Collection[int], friend_ids: Collection[int], name: str
) -> Group:
    """A group of the creator and their friends.

    Raises:
        InvalidRecipients: one of them is no friend of the creator.
        TooManyParticipants
        InvalidArgument: the name is too long.
    """
    if not set(recipient_ids) <= set(friend_ids):
        raise InvalidRecipients
    participants = tuple(dict.fromkeys((creator_id, *recipient_ids)))
    if len(participants) > GROUP_PARTICIPANTS:
        raise TooManyParticipants
    return Group(group_id, creator_id, participants, parse_group_name(name))


def add_participant(group: Group, actor_id: int, user_id: int, *, is_friend: bool) -> Group:
    """`actor_id` brings a friend. Who is there already stays.

    Raises:
        UnknownPrivateChannel: the actor is no participant.
        InvalidRecipients: not a friend of the actor's.
        TooManyParticipants
    """
    _require_participant(group, actor_id)
    if user_id in group.participant_ids:
        return group
    if not is_friend:
        raise InvalidRecipients
    if len(group.participant_ids) >= GROUP_PARTICIPANTS:
        raise TooManyParticipants
    return replace(group, participant_ids=(*group.participant_ids, user_id))


def remove_participant(group: Group, actor_id: int, user_id: int) -> Group:
    """The owner sends somebody out; anybody may go themselves. Who is not there stays away.

    Raises:
        UnknownPrivateChannel: the actor is no participant.
        MissingPermissions: the actor is not the owner.
    """
    _require_participant(group, actor_id)
    if actor_id not in (user_id, group.owner_id):
        raise MissingPermissions
    left = tuple(each for each in group.participant_ids if each != user_id)
    owner_id = left[0] if left and user_id == group.owner_id else group.owner_id
    return replace(group, participant_ids=left, owner_id=owner_id)


def describe_group(group: Group, actor_id: int, *, name: str | None, icon: str | None) -> Group:
    """Any participant may change name and icon; None leaves one as it is.

    Raises:
        UnknownPrivateChannel: the actor is no participant.
        InvalidArgument: the name is too long.
    """
    _require_participant(group, actor_id)
    return replace(
        group,
        name=group.name if name is None else parse_group_name(name),
        icon=group.icon if icon is None else icon,
    )


def parse_group_name(text: str) -> str:
    """The name without outer blanks; empty: clients show the participants' names instead."""
    name = text.strip()
    if len(name) > GROUP_NAME:
        raise invalid_field("name", "BASE_TYPE_BAD_LENGTH", f"A group's name has at most {GROUP_NAME} characters.")
    return name


def _require_participant(group: Group, actor_id: int) -> None:
    if actor_id not in group.participant_ids:
        raise UnknownPrivateChannel
