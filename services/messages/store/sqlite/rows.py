"""A message as a row, and back."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from services.messages.domain.attachment import Attachment
from services.messages.domain.mentions import NOBODY, Mentions
from services.messages.domain.message import Message, MessageType

COLUMNS: Final = (
    "channel_id, id, server_id, author_id, type, content, embeds, flags, tts, mentions, reference_id, "
    "edited_at_ms, pinned_at_ms, revision, parent_id, attachments"
)
SELECT: Final = f"SELECT {COLUMNS} FROM messages WHERE channel_id = ?"

_encode: Final = msgspec.json.Encoder().encode
_decode_mentions: Final = msgspec.json.Decoder(Mentions).decode
_decode_attachments: Final = msgspec.json.Decoder(tuple[Attachment, ...]).decode


def as_json(ids: Collection[int]) -> str:
    """For `json_each`: one parameter, however many ids there are."""
    return _encode(list(ids)).decode()


def find(conn: sqlite3.Connection, channel_id: int, message_id: int) -> Message | None:
    row = conn.execute(f"{SELECT} AND id = ?", (channel_id, message_id)).fetchone()
    return message(row) if row else None


def values(message: Message) -> tuple[Any, ...]:
    """The columns in the order of `COLUMNS`."""
    return (
        message.channel_id,
        message.id,
        message.server_id,
        message.author_id,
        message.type,
        message.content,
        message.embeds or None,
        message.flags,
        message.tts,
        mentions(message),
        message.reference_id,
        message.edited_at_ms,
        message.pinned_at_ms,
        message.revision,
        message.parent_id,
        attachments(message),
    )


def mentions(message: Message) -> bytes | None:
    return None if message.mentions == NOBODY else _encode(message.mentions)


def attachments(message: Message) -> bytes | None:
    return _encode(message.attachments) if message.attachments else None


def message(row: Sequence[Any]) -> Message:
    (channel_id, message_id, server_id, author_id, type_, content, embeds, flags, tts, mentioned, *rest) = row
    reference_id, edited_at_ms, pinned_at_ms, revision, parent_id, attached = rest
    return Message(
        id=message_id,
        channel_id=channel_id,
        server_id=server_id,
        author_id=author_id,
        type=MessageType(type_),
        content=content,
        embeds=embeds or b"",
        flags=flags,
        tts=bool(tts),
        mentions=_decode_mentions(mentioned) if mentioned else NOBODY,
        reference_id=reference_id,
        edited_at_ms=edited_at_ms,
        pinned_at_ms=pinned_at_ms,
        revision=revision,
        parent_id=parent_id,
        attachments=_decode_attachments(attached) if attached else (),
    )
