"""https://docs.discord.com/developers/resources/message"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, Raw, Struct, UnsetType

from beep.messages.v1 import message_pb2
from services.wire.attachment import AttachmentObject, attachment_object
from services.wire.encoding import timestamp
from services.wire.member import MemberObject, member_object
from services.wire.reaction import ReactionObject, reaction_object
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.messages.v1.message_pb2 import Message, MessageReference

TYPE_NUMBERS: Final[Mapping[int, int]] = {
    message_pb2.MESSAGE_TYPE_DEFAULT: 0,
    message_pb2.MESSAGE_TYPE_PINNED: 6,
    message_pb2.MESSAGE_TYPE_REPLY: 19,
}
NO_EMBEDS: Final = Raw(b"[]")


class MessageReferenceObject(Struct, kw_only=True):
    type: int = 0
    message_id: str
    channel_id: str
    guild_id: str | UnsetType = UNSET


class MessageObject(Struct, kw_only=True):
    id: str
    channel_id: str
    type: int
    author: UserObject
    content: str
    timestamp: str
    edited_timestamp: str | None
    tts: bool
    mention_everyone: bool
    mentions: list[UserObject]
    mention_roles: list[str]
    pinned: bool
    flags: int
    # Stored as the JSON that goes out.
    embeds: Raw
    attachments: list[AttachmentObject]
    components: list[Any] = []
    # Left out when there are none, as at Discord.
    reactions: list[ReactionObject] | UnsetType = UNSET
    nonce: str | int | UnsetType = UNSET
    message_reference: MessageReferenceObject | UnsetType = UNSET
    # null when the message that this one answers was deleted.
    referenced_message: "MessageObject | UnsetType | None" = UNSET


class MessageDispatch(MessageObject, kw_only=True):
    """MESSAGE_CREATE and MESSAGE_UPDATE: on the gateway only, with the server and the author's membership.

    In a private channel there are neither; MESSAGE_CREATE then says what channel it is.
    """

    guild_id: str | UnsetType = UNSET
    member: MemberObject | UnsetType = UNSET
    channel_type: int | UnsetType = UNSET


class MessageDelete(Struct, kw_only=True):
    id: str
    channel_id: str
    guild_id: str | UnsetType = UNSET


class MessageDeleteBulk(Struct, kw_only=True):
    ids: list[str]
    channel_id: str
    guild_id: str | UnsetType = UNSET


class ChannelPinsUpdate(Struct, kw_only=True):
    channel_id: str
    guild_id: str | UnsetType = UNSET
    last_pin_timestamp: str | None


class MessageAck(Struct, kw_only=True):
    """To the reader alone: how far they have read. Discord's clients know it, its documentation does not."""

    channel_id: str
    message_id: str
    mention_count: int
    version: int


class Acknowledged(Struct, kw_only=True):
    token: None = None


class PinObject(Struct, kw_only=True):
    pinned_at: str
    message: MessageObject


class PinsPage(Struct, kw_only=True):
    items: list[PinObject]
    has_more: bool


class FoundMessageObject(MessageObject, kw_only=True):
    hit: bool = True


class SearchPage(Struct, kw_only=True):
    """Each of `messages` is a list because Discord once answered with what stood around a message too."""

    total_results: int
    messages: list[list[FoundMessageObject]]
    doing_deep_historical_index: bool = False


def message_object(message: "Message") -> MessageObject:
    return MessageObject(**_fields(message))


def search_page(messages: Iterable["Message"], total: int) -> SearchPage:
    return SearchPage(total_results=total, messages=[[FoundMessageObject(**_fields(message))] for message in messages])


def message_dispatch(message: "Message", *, channel_type: int | None = None) -> MessageDispatch:
    """One body for all who get it, so none of them has reacted."""
    return MessageDispatch(
        guild_id=str(message.server_id) if message.server_id else UNSET,
        channel_type=UNSET if channel_type is None else channel_type,
        member=member_object(message.member, with_user=False) if message.HasField("member") else UNSET,
        **_fields(message, to_all=True),
    )


def _fields(message: "Message", *, to_all: bool = False) -> dict[str, Any]:
    return {
        "id": str(message.id),
        "channel_id": str(message.channel_id),
        "type": TYPE_NUMBERS[message.type],
        "author": user_object(message.author),
        "content": message.content,
        "timestamp": timestamp(message.created_at_ms),
        "edited_timestamp": timestamp(message.edited_at_ms) if message.edited_at_ms else None,
        "tts": message.tts,
        "mention_everyone": message.mention_everyone,
        "mentions": [user_object(user) for user in message.mentions],
        "mention_roles": [str(role_id) for role_id in message.mention_role_ids],
        "pinned": message.pinned_at_ms > 0,
        "flags": message.flags,
        "embeds": Raw(message.embeds) if message.embeds else NO_EMBEDS,
        "attachments": [attachment_object(attachment, attachment.url) for attachment in message.attachments],
        "reactions": [reaction_object(reaction, me=reaction.me and not to_all) for reaction in message.reactions]
        or UNSET,
        "nonce": _nonce(message),
        "message_reference": _reference(message.reference) if message.HasField("reference") else UNSET,
        "referenced_message": _referenced(message),
    }


def _nonce(message: "Message") -> str | int | UnsetType:
    if not message.nonce:
        return UNSET
    return int(message.nonce) if message.nonce_is_number else message.nonce


def _reference(reference: "MessageReference") -> MessageReferenceObject:
    return MessageReferenceObject(
        message_id=str(reference.message_id),
        channel_id=str(reference.channel_id),
        guild_id=str(reference.server_id) if reference.server_id else UNSET,
    )


def _referenced(message: "Message") -> MessageObject | UnsetType | None:
    if message.HasField("referenced_message"):
        return message_object(message.referenced_message)
    return None if message.type == message_pb2.MESSAGE_TYPE_REPLY else UNSET
