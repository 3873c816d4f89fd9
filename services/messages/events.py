"""What messages publishes, and what it follows.

Published, to those who may view the channel: MESSAGE_CREATE, MESSAGE_UPDATE, MESSAGE_DELETE, MESSAGE_DELETE_BULK,
CHANNEL_PINS_UPDATE, MESSAGE_REACTION_*; to a reader: MESSAGE_ACK. The body is written here, once, as clients get it.
What happens in a server goes to its shard, with the channel that decides who is told (of a thread: its parent); what
happens in a private channel goes to the shard of each participant, all in one record.

Told to services, in the record of the change: AUDIT_ENTRY, BLOBS_DELETED, PRIVATE_MESSAGE, THREAD_MESSAGE.

Followed, by `services.messages.directory`: what changes a user, a member, a role or a channel; by `inbox`:
CHANNELS_DELETED.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Final, NamedTuple

from msgspec import UNSET, Struct, UnsetType

from beep.messages.v1 import message_pb2
from beep.servers.v1.member_pb2 import Member
from services.common.bus import (
    AUDIT_ENTRY,
    BLOBS_DELETED,
    PRIVATE_MESSAGE,
    THREAD_MESSAGE,
    Audience,
    Envelope,
    server_shard,
    service_shard,
    user_shard,
)
from services.common.outbox import OutboxRecord
from services.messages.domain.attachment import Attachment
from services.messages.domain.message import Message
from services.messages.domain.place import Place
from services.messages.domain.read_state import ReadState
from services.wire.encoding import encode, timestamp
from services.wire.member import member_object
from services.wire.message import ChannelPinsUpdate, MessageAck, MessageDelete, MessageDeleteBulk, message_dispatch
from services.wire.reaction import (
    EmojiObject,
    ReactionAdd,
    ReactionRemove,
    ReactionRemoveAll,
    ReactionRemoveEmoji,
)

USER_EVENTS: Final = frozenset({"USER_UPDATE", "GUILD_MEMBER_UPDATE"})
MEMBER_EVENTS: Final = frozenset({"GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"})
ROLE_EVENTS: Final = frozenset({"GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"})
CHANNEL_EVENTS: Final = frozenset({"CHANNEL_UPDATE", "CHANNEL_DELETE", "THREAD_UPDATE", "THREAD_DELETE"})


class AuditAction(IntEnum):
    """https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object-audit-log-events"""

    MESSAGE_DELETE = 72
    MESSAGE_BULK_DELETE = 73
    MESSAGE_PIN = 74
    MESSAGE_UNPIN = 75


class Event(NamedTuple):
    """What clients are told; who is told follows from the place."""

    type: str
    body: bytes


class _AuditEntry(Struct, kw_only=True):
    id: str
    server_id: str
    actor_id: str
    action: int
    target_id: str
    reason: str
    options: Mapping[str, str]


class MessageEvents:
    """Writes the events, and puts them into records. `next_id` gives event ids."""

    def __init__(self, next_id: Callable[[], int]) -> None:
        self._next_id = next_id

    # What clients are told.

    def created(self, message: message_pb2.Message, channel_type: int | None = None) -> Event:
        """`channel_type`: of a private channel."""
        return Event("MESSAGE_CREATE", encode(message_dispatch(message, channel_type=channel_type)))

    def updated(self, message: message_pb2.Message) -> Event:
        return Event("MESSAGE_UPDATE", encode(message_dispatch(message)))

    def deleted(self, place: Place, message_id: int) -> Event:
        return self._event(
            "MESSAGE_DELETE",
            MessageDelete(id=str(message_id), channel_id=str(place.channel_id), guild_id=_guild_id(place)),
        )

    def bulk_deleted(self, place: Place, message_ids: Sequence[int]) -> Event:
        ids = [str(message_id) for message_id in message_ids]
        return self._event(
            "MESSAGE_DELETE_BULK",
            MessageDeleteBulk(ids=ids, channel_id=str(place.channel_id), guild_id=_guild_id(place)),
        )

    def pins_changed(self, place: Place, last_pinned_at_ms: int) -> Event:
        """`last_pinned_at_ms`: of the newest pin that the channel has now; 0: none is left."""
        last = timestamp(last_pinned_at_ms) if last_pinned_at_ms else None
        return self._event(
            "CHANNEL_PINS_UPDATE",
            ChannelPinsUpdate(last_pin_timestamp=last, channel_id=str(place.channel_id), guild_id=_guild_id(place)),
        )

    def reacted(self, place: Place, message: Message, user_id: int, emoji: str, member: Member | None) -> Event:
        body = ReactionAdd(
            user_id=str(user_id),
            message_id=str(message.id),
            emoji=EmojiObject(name=emoji),
            member=UNSET if member is None else member_object(member),
            message_author_id=str(message.author_id),
            channel_id=str(place.channel_id),
            guild_id=_guild_id(place),
        )
        return self._event("MESSAGE_REACTION_ADD", body)

    def unreacted(self, place: Place, message_id: int, user_id: int, emoji: str) -> Event:
        body = ReactionRemove(
            user_id=str(user_id),
            message_id=str(message_id),
            emoji=EmojiObject(name=emoji),
            channel_id=str(place.channel_id),
            guild_id=_guild_id(place),
        )
        return self._event("MESSAGE_REACTION_REMOVE", body)

    def reactions_cleared(self, place: Place, message_id: int, emoji: str) -> Event:
        """`emoji` empty: all of them."""
        if not emoji:
            all_gone = ReactionRemoveAll(
                message_id=str(message_id), channel_id=str(place.channel_id), guild_id=_guild_id(place)
            )
            return self._event("MESSAGE_REACTION_REMOVE_ALL", all_gone)
        one_gone = ReactionRemoveEmoji(
            message_id=str(message_id),
            emoji=EmojiObject(name=emoji),
            channel_id=str(place.channel_id),
            guild_id=_guild_id(place),
        )
        return self._event("MESSAGE_REACTION_REMOVE_EMOJI", one_gone)

    # What services are told.

    def audit(
        self, place: Place, action: AuditAction, *, actor_id: int, target_id: int, reason: str, **options: str
    ) -> Envelope:
        entry_id = self._next_id()
        body = _AuditEntry(
            id=str(entry_id),
            server_id=str(place.server_id),
            actor_id=str(actor_id),
            action=action,
            target_id=str(target_id),
            reason=reason,
            options=options,
        )
        return Envelope(
            event_id=entry_id,
            shard=service_shard("servers"),
            type=AUDIT_ENTRY,
            body=encode(body),
            audience=Audience.NONE,
            server_id=place.server_id,
        )

    def files_gone(self, attachments: Iterable[Attachment]) -> tuple[Envelope, ...]:
        """Nothing to tell if there are none."""
        keys = [attachment.blob_key for attachment in attachments]
        if not keys:
            return ()
        return (self._to_service("rest", BLOBS_DELETED, {"keys": keys}),)

    def written(self, place: Place, message_id: int, author_id: int) -> tuple[Envelope, ...]:
        """There is a new message: whoever owns a private channel or a thread does something about it."""
        if place.is_private:
            body = {"message_id": str(message_id)}
            return (self._to_service("users", PRIVATE_MESSAGE, body, channel_id=place.channel_id),)
        if place.is_thread:
            body = {"user_id": str(author_id)}
            return (self._to_service("servers", THREAD_MESSAGE, body, channel_id=place.channel_id),)
        return ()

    # Records.

    def record(self, place: Place, *events: Event, also: Iterable[Envelope] = ()) -> OutboxRecord:
        """What one write in `place` tells: clients the events, services the rest."""
        if place.is_private:
            shard = f"channel:{place.channel_id}"
            envelopes = [
                self._envelope(event, user_shard(user_id), Audience.USERS, place, user_ids=(user_id,))
                for user_id in place.participant_ids
                for event in events
            ]
        else:
            shard = server_shard(place.server_id)
            envelopes = [self._envelope(event, shard, Audience.CHANNEL, place) for event in events]
        envelopes += also
        return OutboxRecord(id=envelopes[0].event_id, shard=shard, envelopes=tuple(envelopes))

    def acknowledged(self, user_id: int, state: ReadState) -> OutboxRecord:
        """Told to the reader alone, in all of their sessions."""
        body = MessageAck(
            channel_id=str(state.channel_id),
            message_id=str(state.last_read_id),
            mention_count=state.mention_count,
            version=state.version,
        )
        place = Place(state.channel_id, participant_ids=(user_id,))
        event, shard = self._event("MESSAGE_ACK", body), user_shard(user_id)
        envelope = self._envelope(event, shard, Audience.USERS, place, user_ids=(user_id,))
        return OutboxRecord(id=envelope.event_id, shard=shard, envelopes=(envelope,))

    def files_only(self, attachments: Iterable[Attachment]) -> OutboxRecord | None:
        """What is told of messages whose channel is gone, and with it everybody who could be told."""
        envelopes = self.files_gone(attachments)
        return (
            OutboxRecord(id=envelopes[0].event_id, shard=envelopes[0].shard, envelopes=envelopes) if envelopes else None
        )

    def _event(self, type: str, body: Struct) -> Event:
        return Event(type, encode(body))

    def _envelope(
        self, event: Event, shard: str, audience: Audience, place: Place, user_ids: tuple[int, ...] = ()
    ) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=shard,
            type=event.type,
            body=event.body,
            audience=audience,
            server_id=place.server_id,
            channel_id=place.parent_id or place.channel_id,
            user_ids=user_ids,
        )

    def _to_service(self, name: str, type: str, body: Mapping[str, object], *, channel_id: int = 0) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=service_shard(name),
            type=type,
            body=encode(body),
            audience=Audience.NONE,
            channel_id=channel_id,
        )


def _guild_id(place: Place) -> str | UnsetType:
    return UNSET if place.is_private else str(place.server_id)
