"""What `users` publishes of what is between users: one outbox record for each change of a pair or a group.

Dispatches, each to the shard of the one person who gets it, for what it shows differs: RELATIONSHIP_ADD/REMOVE,
CHANNEL_CREATE/UPDATE/DELETE, CHANNEL_RECIPIENT_ADD/REMOVE. Bots are told of messages only: hikari fails on a private
channel. The facts for authz are who takes part in a channel and whether they may write. When a group is over, the
control event CHANNELS_DELETED tells `messages`; when its icon is no longer used, BLOBS_DELETED tells the edge.

Followed, by the service's inbox: PRIVATE_MESSAGE; and PROFILE_CHANGED, for those who have somebody among their friends
or in their private channels hear of it by what shows them there, told anew.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import msgspec
from msgspec import UNSET

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.facts_pb2 import FactChange, RemovePrivateChannel, SetPrivateChannel
from beep.users.v1.private_channels_service_pb2 import PrivateChannel
from services.common.bus import (
    BLOBS_DELETED,
    CHANNELS_DELETED,
    AccessChange,
    Audience,
    Envelope,
    service_shard,
    user_shard,
)
from services.common.outbox import OutboxRecord
from services.users import render
from services.users.domain.private_channel import Group
from services.users.domain.relationship import Pair, RelationshipType
from services.users.domain.user import User, UserKind
from services.users.store.social_ports import group_shard
from services.wire.encoding import encode, optional_id
from services.wire.private_channel import channel_recipient, private_channel_object
from services.wire.relationship import TYPE_NUMBERS, RelationshipRemove, relationship_object

MESSAGES: Final = "messages"
EDGE: Final = "rest"

Users = Mapping[int, User]


@dataclass(frozen=True, slots=True)
class _Told:
    """One dispatch to one person. `access`: what the person hears of the channel from here on."""

    user_id: int
    type: str
    body: msgspec.Struct
    channel_id: int = 0
    access: AccessChange | None = None


def pair_changed(
    before: Pair, after: Pair, users: Users, next_id: Callable[[], int], *, last_message_id: int = 0
) -> OutboxRecord | None:
    """The record of a change between two; None if it concerns nobody but the two sides' own lists of bots.

    Args:
        users: the two.
        last_message_id: of the newest message, for who has the direct message in their list again; 0: there is none.
    """
    envelopes = tuple(
        _to_person(told, next_id)
        for user_id in after.user_ids
        if users[user_id].kind is UserKind.PERSON
        for told in _told_of_pair(user_id, before, after, users, last_message_id)
    )
    facts = None
    if after.channel_id and (not before.channel_id or before.is_silenced != after.is_silenced):
        facts = _facts(after.version, fact_of(after))
    if not envelopes and facts is None:
        return None
    # All changes of the two are in one order, and so are the facts of their channel.
    return OutboxRecord(next_id(), f"pair:{after.low_id}:{after.high_id}", envelopes, facts)


def _told_of_pair(user_id: int, before: Pair, after: Pair, users: Users, last_message_id: int) -> Iterator[_Told]:
    was, is_ = before.side(user_id), after.side(user_id)
    other, channel_id = users[after.other(user_id)], after.channel_id
    if is_.type is not None and is_.type is not was.type:
        # What was sent before a block, and is still on its way, must not come after it.
        access = None
        if is_.type is RelationshipType.BLOCKED and channel_id:
            access = AccessChange(channel_ids=(channel_id,), silenced_user_ids=(user_id,))
        added = relationship_object(render.relationship(after, user_id, other))
        yield _Told(user_id, "RELATIONSHIP_ADD", added, channel_id if access else 0, access)
    if is_.type is None and was.type is not None:
        access = None
        if was.type is RelationshipType.BLOCKED and channel_id:
            access = AccessChange(channel_ids=(channel_id,), joined_user_ids=(user_id,))
        removed = RelationshipRemove(id=str(other.id), type=TYPE_NUMBERS[render.RELATIONSHIP_TYPES[was.type]])
        yield _Told(user_id, "RELATIONSHIP_REMOVE", removed, channel_id if access else 0, access)
    if is_.is_open is not was.is_open:
        channel = private_channel_object(render.direct(after, users), user_id)
        channel.last_message_id = optional_id(last_message_id)
        yield _Told(user_id, "CHANNEL_CREATE" if is_.is_open else "CHANNEL_DELETE", channel, channel_id)


def profile_in_pair(pair: Pair, user_id: int, users: Users, next_id: Callable[[], int]) -> OutboxRecord | None:
    """The record of what shows the other one of a pair who `user_id` is now; None: nothing does."""
    other_id = pair.other(user_id)
    side = pair.side(other_id)
    told: list[_Told] = []
    if users[other_id].kind is UserKind.PERSON:
        if side.type is not None:
            relationship = relationship_object(render.relationship(pair, other_id, users[user_id]))
            told.append(_Told(other_id, "RELATIONSHIP_ADD", relationship))
        if side.is_open:
            told.append(_updated(other_id, render.direct(pair, users)))
    if not told:
        return None
    envelopes = tuple(_to_person(each, next_id) for each in told)
    return OutboxRecord(next_id(), f"pair:{pair.low_id}:{pair.high_id}", envelopes)


def profile_in_group(group: Group, user_id: int, users: Users, next_id: Callable[[], int]) -> OutboxRecord | None:
    """As `profile_in_pair`, for the others in a group."""
    shown = render.group(group, users)
    envelopes = tuple(
        _to_person(_updated(other_id, shown), next_id) for other_id in group.participant_ids if other_id != user_id
    )
    return OutboxRecord(next_id(), group_shard(group.id), envelopes) if envelopes else None


def group_changed(
    before: Group | None, after: Group, users: Users, next_id: Callable[[], int], *, last_message_id: int = 0
) -> OutboxRecord:
    """The record of a change of a group.

    Args:
        before: None: it is new.
        users: who was there and who is.
        last_message_id: of the newest message, for whoever is new there; 0: there is none.
    """
    envelopes = [_to_person(told, next_id) for told in _told_of_group(before, after, users, last_message_id)]
    facts = _facts(after.version, fact_of(after) if after.participant_ids else gone(after.id))
    if not after.participant_ids:
        deleted = msgspec.json.encode({"channel_ids": [str(after.id)]})
        envelopes.append(Envelope(next_id(), service_shard(MESSAGES), CHANNELS_DELETED, deleted, Audience.NONE))
    if before and before.icon and (before.icon != after.icon or not after.participant_ids):
        unused = msgspec.json.encode({"keys": [f"channel-icons/{after.id}/{before.icon}"]})
        envelopes.append(Envelope(next_id(), service_shard(EDGE), BLOBS_DELETED, unused, Audience.NONE))
    return OutboxRecord(next_id(), group_shard(after.id), tuple(envelopes), facts)


def _told_of_group(before: Group | None, after: Group, users: Users, last_message_id: int) -> Iterator[_Told]:
    was = before.participant_ids if before else ()
    stayed = [user_id for user_id in after.participant_ids if user_id in was]
    shown = render.group(after, users)
    for gone in (user_id for user_id in was if user_id not in after.participant_ids):
        access = AccessChange(channel_ids=(after.id,), left_user_ids=(gone,))
        yield _Told(gone, "CHANNEL_DELETE", private_channel_object(shown, gone), after.id, access)
        for user_id in stayed:
            body = channel_recipient(after.id, render.user(users[gone]))
            yield _Told(user_id, "CHANNEL_RECIPIENT_REMOVE", body, after.id)
    for new in (user_id for user_id in after.participant_ids if user_id not in was):
        access = AccessChange(channel_ids=(after.id,), joined_user_ids=(new,))
        channel = private_channel_object(shown, new)
        channel.last_message_id = optional_id(last_message_id)
        yield _Told(new, "CHANNEL_CREATE", channel, after.id, access)
        for user_id in stayed:
            body = channel_recipient(after.id, render.user(users[new]))
            yield _Told(user_id, "CHANNEL_RECIPIENT_ADD", body, after.id)
    if before and (before.name, before.icon, before.owner_id) != (after.name, after.icon, after.owner_id):
        for user_id in stayed:
            yield _updated(user_id, shown)


def _updated(user_id: int, channel: PrivateChannel) -> _Told:
    body = private_channel_object(channel, user_id)
    # Not known here, and not what has changed: a null would take it away from whoever knows it.
    body.last_message_id = UNSET
    return _Told(user_id, "CHANNEL_UPDATE", body, channel.id)


def _to_person(told: _Told, next_id: Callable[[], int]) -> Envelope:
    return Envelope(
        event_id=next_id(),
        shard=user_shard(told.user_id),
        type=told.type,
        body=encode(told.body),
        audience=Audience.USERS,
        channel_id=told.channel_id,
        user_ids=(told.user_id,),
        access=told.access,
    )


def fact_of(channel: Pair | Group) -> FactChange:
    """What authz must hold of a direct message or of a group that somebody takes part in."""
    if isinstance(channel, Pair):
        fact = SetPrivateChannel(
            channel_id=channel.channel_id, participant_ids=channel.user_ids, silenced=channel.is_silenced
        )
    else:
        fact = SetPrivateChannel(channel_id=channel.id, participant_ids=channel.participant_ids)
    return FactChange(set_private_channel=fact)


def gone(channel_id: int) -> FactChange:
    """What authz must hold of a private channel that is no more."""
    return FactChange(remove_private_channel=RemovePrivateChannel(channel_id=channel_id))


def _facts(version: int, change: FactChange) -> bytes:
    """The request to authz, as the relay will send it. The version is that of the pair or the group."""
    return ApplyFactsRequest(version=version, changes=[change]).SerializeToString()
