"""What messages publishes, and what it follows.

Published to the shard of the message's server, for those who may view its channel: MESSAGE_CREATE, MESSAGE_UPDATE,
MESSAGE_DELETE, MESSAGE_DELETE_BULK, CHANNEL_PINS_UPDATE. The body is written here, once, as clients get it.

Followed, by `services.messages.directory`: what changes a user, a member or a role.
"""

from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct

from beep.messages.v1 import message_pb2
from services.common.bus import Audience, Envelope, server_shard
from services.common.outbox import OutboxRecord
from services.wire.encoding import encode, timestamp
from services.wire.message import ChannelPinsUpdate, MessageDelete, MessageDeleteBulk, message_dispatch

USER_EVENTS: Final = frozenset({"USER_UPDATE", "GUILD_MEMBER_UPDATE"})
MEMBER_EVENTS: Final = frozenset({"GUILD_MEMBER_ADD", "GUILD_MEMBER_UPDATE", "GUILD_MEMBER_REMOVE"})
ROLE_EVENTS: Final = frozenset({"GUILD_ROLE_CREATE", "GUILD_ROLE_UPDATE", "GUILD_ROLE_DELETE"})


def in_one_record(*envelopes: Envelope) -> OutboxRecord:
    """What one write tells; all of it belongs to one server."""
    return OutboxRecord(id=envelopes[0].event_id, shard=envelopes[0].shard, envelopes=envelopes)


class MessageEvents:
    """Writes the envelopes. `next_id` gives event ids."""

    def __init__(self, next_id: Callable[[], int]) -> None:
        self._next_id = next_id

    def created(self, message: message_pb2.Message) -> Envelope:
        return self._envelope("MESSAGE_CREATE", message.server_id, message.channel_id, message_dispatch(message))

    def updated(self, message: message_pb2.Message) -> Envelope:
        return self._envelope("MESSAGE_UPDATE", message.server_id, message.channel_id, message_dispatch(message))

    def deleted(self, server_id: int, channel_id: int, message_id: int) -> Envelope:
        body = MessageDelete(id=str(message_id), channel_id=str(channel_id), guild_id=str(server_id))
        return self._envelope("MESSAGE_DELETE", server_id, channel_id, body)

    def bulk_deleted(self, server_id: int, channel_id: int, message_ids: Sequence[int]) -> Envelope:
        ids = [str(message_id) for message_id in message_ids]
        body = MessageDeleteBulk(ids=ids, channel_id=str(channel_id), guild_id=str(server_id))
        return self._envelope("MESSAGE_DELETE_BULK", server_id, channel_id, body)

    def pins_changed(self, server_id: int, channel_id: int, last_pinned_at_ms: int) -> Envelope:
        """`last_pinned_at_ms`: of the newest pin that the channel has now; 0: none is left."""
        last = timestamp(last_pinned_at_ms) if last_pinned_at_ms else None
        body = ChannelPinsUpdate(guild_id=str(server_id), channel_id=str(channel_id), last_pin_timestamp=last)
        return self._envelope("CHANNEL_PINS_UPDATE", server_id, channel_id, body)

    def _envelope(self, type: str, server_id: int, channel_id: int, body: Struct) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=server_shard(server_id),
            type=type,
            body=encode(body),
            audience=Audience.CHANNEL,
            server_id=server_id,
            channel_id=channel_id,
        )
