"""A message, and the rules of what may be done with it.

Everything here is decided from its arguments alone. A change gives a new `Message` with the next `revision`; the store
takes it only if the stored one still has the revision that it was made from.

Source of the rules: https://docs.discord.com/developers/resources/message
"""

from collections.abc import Collection, Sequence
from enum import IntEnum, IntFlag
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from services.common import limits
from services.common.errors import FieldViolation
from services.common.snowflake import at_ms, timestamp_ms
from services.messages.domain import attachment as attachment_rules
from services.messages.domain import embeds as embed_rules
from services.messages.domain.attachment import Attachment
from services.messages.domain.errors import (
    BulkDeleteTooOld,
    EmptyMessage,
    InvalidForm,
    NotAuthor,
    SystemMessage,
    too_long,
)
from services.messages.domain.mentions import NOBODY, Mentions
from services.messages.domain.place import Place

BULK_DELETE_AGE_MS: Final = 14 * 24 * 3600 * 1000


class MessageType(IntEnum):
    """Discord's numbers, of the types that Beep has."""

    DEFAULT = 0
    PINNED = 6
    """Written by Beep: "somebody pinned a message", which `reference_id` names."""
    REPLY = 19


class MessageFlag(IntFlag):
    SUPPRESS_EMBEDS = 1 << 2
    SUPPRESS_NOTIFICATIONS = 1 << 12


SENDABLE_FLAGS: Final = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS
EDITABLE_FLAGS: Final = MessageFlag.SUPPRESS_EMBEDS


class Draft(Struct, frozen=True):
    """What an author wants to say, once it has passed the rules of form."""

    content: str
    embeds: bytes = b""
    flags: int = 0
    tts: bool = False
    nonce: str = ""
    attachments: tuple[Attachment, ...] = ()


class Message(Struct, frozen=True):
    """A message as it is stored. Its id says when it was made; 0 in the other times says never."""

    id: int
    channel_id: int
    server_id: int
    author_id: int
    type: MessageType
    content: str
    embeds: bytes = b""
    """A JSON array, as it goes out; empty: none."""
    flags: int = 0
    tts: bool = False
    mentions: Mentions = NOBODY
    reference_id: int = 0
    edited_at_ms: int = 0
    pinned_at_ms: int = 0
    revision: int = 0
    parent_id: int = 0
    """Of a message in a thread: the channel that the thread hangs on."""
    attachments: tuple[Attachment, ...] = ()

    @property
    def created_at_ms(self) -> int:
        return timestamp_ms(self.id)


def draft(
    content: str,
    *,
    embeds: bytes = b"",
    flags: int = 0,
    tts: bool = False,
    nonce: str = "",
    attachments: tuple[Attachment, ...] = (),
) -> Draft:
    """Check the form of a new message.

    Raises:
        EmptyMessage: nothing but white space, no embed and no file.
        InvalidForm: too long, broken embeds, or too many files.
    """
    if len(nonce) > limits.MESSAGE_NONCE:
        raise InvalidForm(too_long("nonce", limits.MESSAGE_NONCE))
    embeds = embed_rules.normalise(embeds)
    attachment_rules.check(attachments)
    _check_body(content, embeds, attachments)
    return Draft(content, embeds, flags & SENDABLE_FLAGS, tts, nonce, attachments)


def send(
    draft: Draft,
    *,
    message_id: int,
    place: Place,
    author_id: int,
    mentions: Mentions,
    answered: Message | None = None,
) -> Message:
    """The message that a draft becomes: a reply if it answers one, else an ordinary one."""
    return Message(
        id=message_id,
        channel_id=place.channel_id,
        server_id=place.server_id,
        parent_id=place.parent_id,
        author_id=author_id,
        type=MessageType.DEFAULT if answered is None else MessageType.REPLY,
        content=draft.content,
        embeds=draft.embeds,
        flags=draft.flags,
        tts=draft.tts,
        mentions=mentions,
        reference_id=0 if answered is None else answered.id,
        attachments=draft.attachments,
    )


def check_answerable(target: Message) -> None:
    """Raises InvalidForm unless `target` may be replied to."""
    if target.type is MessageType.PINNED:
        message = "Cannot reply to a system message"
        raise InvalidForm(FieldViolation("message_reference", "REPLIES_CANNOT_REPLY_TO_SYSTEM_MESSAGE", message))


def check_editable(message: Message, *, editor_id: int, manages: bool, only_flags: bool) -> None:
    """Only the author changes what a message says; who manages messages may hide the embeds of anybody's.

    Raises:
        SystemMessage, NotAuthor
    """
    if message.type is MessageType.PINNED:
        raise SystemMessage
    if message.author_id != editor_id and not (manages and only_flags):
        raise NotAuthor


def edit(
    message: Message,
    *,
    now_ms: int,
    content: str | None = None,
    embeds: bytes | None = None,
    flags: int | None = None,
    mentions: Mentions | None = None,
    attachments: tuple[Attachment, ...] | None = None,
) -> Message:
    """The message after an edit; None leaves a part as it is. What it says anew marks it as edited, flags alone do not.

    Raises:
        EmptyMessage: nothing would be left.
        InvalidForm: too long, or broken embeds.
    """
    if content is not None or embeds is not None or attachments is not None:
        content = message.content if content is None else content
        embeds = message.embeds if embeds is None else embed_rules.normalise(embeds)
        attachments = message.attachments if attachments is None else attachments
        _check_body(content, embeds, attachments)
        message = replace(message, content=content, embeds=embeds, attachments=attachments, edited_at_ms=now_ms)
    if flags is not None:
        message = replace(message, flags=message.flags & ~EDITABLE_FLAGS | flags & EDITABLE_FLAGS)
    if mentions is not None:
        message = replace(message, mentions=mentions)
    return replace(message, revision=message.revision + 1)


def pin(message: Message, *, now_ms: int) -> Message:
    """Raises SystemMessage: what Beep says itself cannot be pinned."""
    if message.type is MessageType.PINNED:
        raise SystemMessage
    return replace(message, pinned_at_ms=now_ms, revision=message.revision + 1)


def unpin(message: Message) -> Message:
    return replace(message, pinned_at_ms=0, revision=message.revision + 1)


def pin_notice(pinned: Message, *, message_id: int, author_id: int) -> Message:
    """The system message "author pinned a message to this channel"."""
    return Message(
        id=message_id,
        channel_id=pinned.channel_id,
        server_id=pinned.server_id,
        parent_id=pinned.parent_id,
        author_id=author_id,
        type=MessageType.PINNED,
        content="",
        reference_id=pinned.id,
    )


def check_bulk_delete(message_ids: Collection[int], *, now_ms: int) -> tuple[int, ...]:
    """The ids to delete, each once, ascending.

    Raises:
        InvalidForm: too few or too many.
        BulkDeleteTooOld: one of them is older than two weeks.
    """
    distinct = sorted(set(message_ids))
    if not limits.BULK_DELETE_MIN <= len(distinct) <= limits.BULK_DELETE:
        message = f"Must be between {limits.BULK_DELETE_MIN} and {limits.BULK_DELETE} in length."
        raise InvalidForm(FieldViolation("messages", "BASE_TYPE_BAD_LENGTH", message))
    if distinct[0] < at_ms(now_ms - BULK_DELETE_AGE_MS):
        raise BulkDeleteTooOld
    return tuple(distinct)


def _check_body(content: str, embeds: bytes, attachments: Sequence[Attachment]) -> None:
    if len(content) > limits.MESSAGE_CONTENT:
        raise InvalidForm(too_long("content", limits.MESSAGE_CONTENT))
    if not embeds and not attachments and (not content or content.isspace()):
        raise EmptyMessage
