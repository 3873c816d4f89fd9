"""https://docs.discord.com/developers/resources/channel"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct, UnsetType

from beep.servers.v1 import channel_pb2
from services.wire.encoding import optional_id

if TYPE_CHECKING:
    from beep.servers.v1.channel_pb2 import Channel, Overwrite

TYPE_NUMBERS: Final[Mapping[channel_pb2.ChannelType.ValueType, int]] = {
    channel_pb2.CHANNEL_TYPE_TEXT: 0,
    channel_pb2.CHANNEL_TYPE_CATEGORY: 4,
    channel_pb2.CHANNEL_TYPE_ANNOUNCEMENT: 5,
}
TYPES_BY_NUMBER: Final[Mapping[int, channel_pb2.ChannelType.ValueType]] = {
    number: kind for kind, number in TYPE_NUMBERS.items()
}

TARGET_NUMBERS: Final[Mapping[channel_pb2.OverwriteTarget.ValueType, int]] = {
    channel_pb2.OVERWRITE_TARGET_ROLE: 0,
    channel_pb2.OVERWRITE_TARGET_MEMBER: 1,
}
TARGETS_BY_NUMBER: Final[Mapping[int, channel_pb2.OverwriteTarget.ValueType]] = {
    number: target for target, number in TARGET_NUMBERS.items()
}


class OverwriteObject(Struct, kw_only=True):
    id: str
    type: int
    allow: str
    deny: str


class ChannelObject(Struct, kw_only=True):
    id: str
    type: int
    guild_id: str
    name: str
    topic: str | None
    position: int
    parent_id: str | None
    nsfw: bool
    rate_limit_per_user: int
    permission_overwrites: list[OverwriteObject]
    # Left out where it is not known: a null would take it away from whoever follows the messages.
    last_message_id: str | UnsetType | None
    last_pin_timestamp: None = None
    flags: int = 0


def overwrite_object(overwrite: "Overwrite") -> OverwriteObject:
    return OverwriteObject(
        id=str(overwrite.target_id),
        type=TARGET_NUMBERS[overwrite.target],
        allow=str(overwrite.allow),
        deny=str(overwrite.deny),
    )


def channel_object(channel: "Channel") -> ChannelObject:
    return ChannelObject(
        id=str(channel.id),
        type=TYPE_NUMBERS[channel.type],
        guild_id=str(channel.server_id),
        name=channel.name,
        topic=channel.topic or None,
        position=channel.position,
        parent_id=optional_id(channel.parent_id),
        nsfw=channel.nsfw,
        rate_limit_per_user=channel.rate_limit_per_user,
        permission_overwrites=[overwrite_object(overwrite) for overwrite in channel.overwrites],
        last_message_id=optional_id(channel.last_message_id),
    )
