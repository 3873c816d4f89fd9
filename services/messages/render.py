"""From the stored message to the one that is answered and published: ids become the people that they stand for."""

from collections.abc import Iterable, Mapping

from beep.messages.v1 import message_pb2
from beep.servers.v1.member_pb2 import Member
from beep.users.v1.user_pb2 import User
from services.messages.domain.attachment import Attachment
from services.messages.domain.message import Message, MessageType
from services.messages.domain.reaction import Reaction
from services.wire.attachment import attachment_url

_TYPES: Mapping[MessageType, message_pb2.MessageType.ValueType] = {
    MessageType.DEFAULT: message_pb2.MESSAGE_TYPE_DEFAULT,
    MessageType.REPLY: message_pb2.MESSAGE_TYPE_REPLY,
    MessageType.PINNED: message_pb2.MESSAGE_TYPE_PINNED,
}


def attachment_from(attachment: message_pb2.Attachment) -> Attachment:
    """What the edge says of a file that it has stored."""
    return Attachment(
        id=attachment.id,
        filename=attachment.filename,
        description=attachment.description,
        content_type=attachment.content_type,
        size=attachment.size,
        width=attachment.width,
        height=attachment.height,
        token=attachment.token,
        spoiler=attachment.spoiler,
    )


def people_in(message: Message) -> tuple[int, ...]:
    """The users that `render` needs to know."""
    return (message.author_id, *message.mentions.user_ids)


def people_of(messages: Iterable[Message | None]) -> set[int]:
    """The users that `render` needs to know for all of them."""
    return {user_id for one in messages if one is not None for user_id in people_in(one)}


def render(
    message: Message,
    people: Mapping[int, User],
    *,
    public_url: str,
    answered: Message | None = None,
    member: Member | None = None,
    nonce: str = "",
    nonce_is_number: bool = False,
    reactions: Iterable[Reaction] = (),
) -> message_pb2.Message:
    """The message as a proto.

    Args:
        message: what is stored.
        people: profiles by id; whoever is missing has deleted the account.
        public_url: how clients reach Beep, with no slash at its end: where the files are.
        answered: the message that a reply answers, if it is still there.
        member: the author's membership, for events.
        nonce: the sender's, for the answer and the event of a new message.
        nonce_is_number: its type in JSON.
        reactions: those under it.
    """
    return message_pb2.Message(
        id=message.id,
        channel_id=message.channel_id,
        server_id=message.server_id,
        type=_TYPES[message.type],
        author=people.get(message.author_id) or _deleted(message.author_id),
        content=message.content,
        created_at_ms=message.created_at_ms,
        edited_at_ms=message.edited_at_ms,
        pinned_at_ms=message.pinned_at_ms,
        flags=message.flags,
        nonce=nonce,
        nonce_is_number=nonce_is_number,
        mentions=[people[user_id] for user_id in message.mentions.user_ids if user_id in people],
        mention_role_ids=message.mentions.role_ids,
        mention_everyone=message.mentions.everyone,
        embeds=message.embeds,
        reference=_reference(message) if message.reference_id else None,
        referenced_message=render(answered, people, public_url=public_url) if answered is not None else None,
        tts=message.tts,
        member=member,
        attachments=[_attachment(attachment, message.channel_id, public_url) for attachment in message.attachments],
        reactions=[
            message_pb2.Reaction(emoji=reaction.emoji, count=reaction.count, me=reaction.me) for reaction in reactions
        ],
    )


def _reference(message: Message) -> message_pb2.MessageReference:
    return message_pb2.MessageReference(
        message_id=message.reference_id, channel_id=message.channel_id, server_id=message.server_id
    )


def _attachment(attachment: Attachment, channel_id: int, public_url: str) -> message_pb2.Attachment:
    shown = message_pb2.Attachment(
        id=attachment.id,
        filename=attachment.filename,
        description=attachment.description,
        content_type=attachment.content_type,
        size=attachment.size,
        width=attachment.width,
        height=attachment.height,
        token=attachment.token,
        spoiler=attachment.spoiler,
    )
    shown.url = attachment_url(public_url, channel_id, shown)
    return shown


def _deleted(user_id: int) -> User:
    return User(id=user_id, username="Deleted User")
