"""From the stored message to the one that is answered and published: ids become the people that they stand for."""

from collections.abc import Mapping

from beep.messages.v1 import message_pb2
from beep.servers.v1.member_pb2 import Member
from beep.users.v1.user_pb2 import User
from services.messages.domain.message import Message, MessageType

_TYPES: Mapping[MessageType, message_pb2.MessageType.ValueType] = {
    MessageType.DEFAULT: message_pb2.MESSAGE_TYPE_DEFAULT,
    MessageType.REPLY: message_pb2.MESSAGE_TYPE_REPLY,
    MessageType.PINNED: message_pb2.MESSAGE_TYPE_PINNED,
}


def people_in(message: Message) -> tuple[int, ...]:
    """The users that `render` needs to know."""
    return (message.author_id, *message.mentions.user_ids)


def render(
    message: Message,
    people: Mapping[int, User],
    *,
    answered: Message | None = None,
    member: Member | None = None,
    nonce: str = "",
    nonce_is_number: bool = False,
) -> message_pb2.Message:
    """The message as a proto.

    Args:
        message: what is stored.
        people: profiles by id; whoever is missing has deleted the account.
        answered: the message that a reply answers, if it is still there.
        member: the author's membership, for events.
        nonce: the sender's, for the answer and the event of a new message.
        nonce_is_number: its type in JSON.
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
        referenced_message=render(answered, people) if answered is not None else None,
        tts=message.tts,
        member=member,
    )


def _reference(message: Message) -> message_pb2.MessageReference:
    return message_pb2.MessageReference(
        message_id=message.reference_id, channel_id=message.channel_id, server_id=message.server_id
    )


def _deleted(user_id: int) -> User:
    return User(id=user_id, username="Deleted User")
