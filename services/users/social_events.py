"""What `users` publishes of what is between users: one outbox record for each change of a pair or a group.

Dispatches, each to the shard of the one person who gets it, for what it shows differs: RELATIONSHIP_ADD/REMOVE,
CHANNEL_CREATE/UPDATE/DELETE, CHANNEL_RECIPIENT_ADD/REMOVE. Bots are told of messages only: hikari fails on a private
channel. The facts for authz are who takes part in a channel and whether they may write. When a group is over, the
control event CHANNELS_DELETED tells `messages`.

Followed, by the service's inbox: PRIVATE_MESSAGE; and PROFILE_CHANGED, for those who have somebody among their friends
or in their private channels hear of it by what shows them there, told anew.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.facts_pb2 import FactChange, RemovePrivateChannel, SetPrivateChannel
from services.common.bus import CHANNELS_DELETED, Audience, Envelope, service_shard, user_shard
from services.common.outbox import OutboxRecord
from services.users import render
from services.users.domain.private_channel import Group
from services.users.domain.relationship import Pair
from services.users.domain.user import User, UserKind
from services.wire.encoding import encode
from services.wire.private_channel import channel_recipient, private_channel_object
from services.wire.relationship import TYPE_NUMBERS, RelationshipRemove, relationship_object

MESSAGES: Final = "messages"

Users = Mapping[int, User]


def pair_changed(before: Pair, after: Pair, users: Users, next_id: Callable[[], int]) -> OutboxRecord | None:
    """The record of a change between two; None if it concerns nobody but the two sides' own lists of bots."""
    envelopes = tuple(
        _to_person(user_id, type_, body, next_id, channel_id)
        for user_id in after.user_ids
        if users[user_id].kind is UserKind.PERSON
        for type_, body, channel_id in _told_of_pair(user_id, before, after, users)
    )
    facts = None
    if after.channel_id and (not before.channel_id or before.is_silenced != after.is_silenced):
        facts = _facts(after.version, _participants(after.channel_id, after.user_ids, silenced=after.is_silenced))
    if not envelopes and facts is None:
        return None
    # All changes of the two are in one order, and so are the facts of their channel.
    return OutboxRecord(next_id(), f"pair:{after.low_id}:{after.high_id}", envelopes, facts)


def _told_of_pair(user_id: int, before: Pair, after: Pair, users: Users) -> Iterator[tuple[str, msgspec.Struct, int]]:
    was, is_ = before.side(user_id), after.side(user_id)
    other = users[after.other(user_id)]
    if is_.type is not None and is_.type is not was.type:
        yield "RELATIONSHIP_ADD", relationship_object(render.relationship(after, user_id, other)), 0
    if is_.type is None and was.type is not None:
        number = TYPE_NUMBERS[render.RELATIONSHIP_TYPES[was.type]]
        yield "RELATIONSHIP_REMOVE", RelationshipRemove(id=str(other.id), type=number), 0
    if is_.is_open is not was.is_open:
        channel = private_channel_object(render.direct(after, users), user_id)
        yield "CHANNEL_CREATE" if is_.is_open else "CHANNEL_DELETE", channel, after.channel_id


def profile_in_pair(pair: Pair, user_id: int, users: Users, next_id: Callable[[], int]) -> OutboxRecord | None:
    """The record of what shows the other one of a pair who `user_id` is now; None: nothing does."""
    other_id = pair.other(user_id)
    side = pair.side(other_id)
    envelopes: list[Envelope] = []
    if users[other_id].kind is UserKind.PERSON:
        if side.type is not None:
            relationship = relationship_object(render.relationship(pair, other_id, users[user_id]))
            envelopes.append(_to_person(other_id, "RELATIONSHIP_ADD", relationship, next_id, 0))
        if side.is_open:
            channel = private_channel_object(render.direct(pair, users), other_id)
            envelopes.append(_to_person(other_id, "CHANNEL_UPDATE", channel, next_id, pair.channel_id))
    if not envelopes:
        return None
    return OutboxRecord(next_id(), f"pair:{pair.low_id}:{pair.high_id}", tuple(envelopes))


def profile_in_group(group: Group, user_id: int, users: Users, next_id: Callable[[], int]) -> OutboxRecord | None:
    """As `profile_in_pair`, for the others in a group."""
    shown = render.group(group, users)
    envelopes = tuple(
        _to_person(other_id, "CHANNEL_UPDATE", private_channel_object(shown, other_id), next_id, group.id)
        for other_id in group.participant_ids
        if other_id != user_id
    )
    return OutboxRecord(next_id(), f"channel:{group.id}", envelopes) if envelopes else None


def group_changed(before: Group | None, after: Group, users: Users, next_id: Callable[[], int]) -> OutboxRecord:
    """The record of a change of a group; `before` None: it is new. `users` has who was there and who is."""
    envelopes = [
        _to_person(user_id, type_, body, next_id, after.id)
        for user_id, type_, body in _told_of_group(before, after, users)
    ]
    if after.participant_ids:
        facts = _facts(after.version, _participants(after.id, after.participant_ids, silenced=False))
    else:
        facts = _facts(after.version, FactChange(remove_private_channel=RemovePrivateChannel(channel_id=after.id)))
        deleted = msgspec.json.encode({"channel_ids": [str(after.id)]})
        envelopes.append(Envelope(next_id(), service_shard(MESSAGES), CHANNELS_DELETED, deleted, Audience.NONE))
    return OutboxRecord(next_id(), f"channel:{after.id}", tuple(envelopes), facts)


def _told_of_group(before: Group | None, after: Group, users: Users) -> Iterator[tuple[int, str, msgspec.Struct]]:
    was = before.participant_ids if before else ()
    stayed = [user_id for user_id in after.participant_ids if user_id in was]
    shown = render.group(after, users)
    # Who is sent out first: nobody who is told later is still counted in.
    for gone in (user_id for user_id in was if user_id not in after.participant_ids):
        yield gone, "CHANNEL_DELETE", private_channel_object(shown, gone)
        for user_id in stayed:
            yield user_id, "CHANNEL_RECIPIENT_REMOVE", channel_recipient(after.id, render.user(users[gone]))
    for new in (user_id for user_id in after.participant_ids if user_id not in was):
        yield new, "CHANNEL_CREATE", private_channel_object(shown, new)
        for user_id in stayed:
            yield user_id, "CHANNEL_RECIPIENT_ADD", channel_recipient(after.id, render.user(users[new]))
    if before and (before.name, before.icon, before.owner_id) != (after.name, after.icon, after.owner_id):
        for user_id in stayed:
            yield user_id, "CHANNEL_UPDATE", private_channel_object(shown, user_id)


def _to_person(user_id: int, type_: str, body: msgspec.Struct, next_id: Callable[[], int], channel_id: int) -> Envelope:
    return Envelope(
        event_id=next_id(),
        shard=user_shard(user_id),
        type=type_,
        body=encode(body),
        audience=Audience.USERS,
        channel_id=channel_id,
        user_ids=(user_id,),
    )


def _participants(channel_id: int, user_ids: tuple[int, ...], *, silenced: bool) -> FactChange:
    return FactChange(
        set_private_channel=SetPrivateChannel(channel_id=channel_id, participant_ids=user_ids, silenced=silenced)
    )


def _facts(version: int, change: FactChange) -> bytes:
    """The request to authz, as the relay will send it. The version is that of the pair or the group."""
    return ApplyFactsRequest(version=version, changes=[change]).SerializeToString()
