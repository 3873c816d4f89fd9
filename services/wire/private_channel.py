"""Direct messages and groups: https://docs.discord.com/developers/resources/channel#channel-object-example-dm-channel"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, Struct, UnsetType

from beep.users.v1 import private_channels_service_pb2 as channels_pb
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.users.v1.private_channels_service_pb2 import PrivateChannel
    from beep.users.v1.user_pb2 import User

TYPE_NUMBERS: Final[Mapping[channels_pb.PrivateChannelType.ValueType, int]] = {
    channels_pb.PRIVATE_CHANNEL_TYPE_DIRECT: 1,
    channels_pb.PRIVATE_CHANNEL_TYPE_GROUP: 3,
}


class PrivateChannelObject(Struct, kw_only=True):
    """A channel of no server, as one of its participants sees it. Only a group has a name, an icon and an owner."""

    id: str
    type: int
    # Only `messages` knows it: whoever shows a channel that may have a message puts it in.
    last_message_id: str | UnsetType | None = None
    # Without the one who sees it.
    recipients: list[UserObject]
    flags: int = 0
    name: str | UnsetType | None = UNSET
    icon: str | UnsetType | None = UNSET
    owner_id: str | UnsetType = UNSET


class ChannelRecipient(Struct, kw_only=True):
    """CHANNEL_RECIPIENT_ADD and CHANNEL_RECIPIENT_REMOVE."""

    channel_id: str
    user: UserObject


def private_channel_object(channel: "PrivateChannel", viewer_id: int) -> PrivateChannelObject:
    """The channel as `viewer_id`, one of its participants, sees it."""
    is_group = channel.type == channels_pb.PRIVATE_CHANNEL_TYPE_GROUP
    return PrivateChannelObject(
        id=str(channel.id),
        type=TYPE_NUMBERS[channel.type],
        recipients=[user_object(user) for user in channel.participants if user.id != viewer_id],
        name=(channel.name or None) if is_group else UNSET,
        icon=(channel.icon or None) if is_group else UNSET,
        owner_id=str(channel.owner_id) if is_group else UNSET,
    )


def channel_recipient(channel_id: int, user: "User") -> ChannelRecipient:
    return ChannelRecipient(channel_id=str(channel_id), user=user_object(user))
