"""https://docs.discord.com/developers/events/gateway-events#ready"""

from msgspec import UNSET, Struct, UnsetType

from services.wire.invitation import InvitationObject
from services.wire.presence import PresenceObject
from services.wire.private_channel import PrivateChannelObject
from services.wire.relationship import RelationshipObject
from services.wire.server import UnavailableGuild
from services.wire.user import APPLICATION_FLAGS, AccountObject


class ReadyApplication(Struct):
    """Of a bot."""

    id: str
    flags: int = APPLICATION_FLAGS


class ReadStateEntry(Struct, kw_only=True):
    """`id` is a channel, `last_message_id` how far it is read (not what its newest message is)."""

    id: str
    last_message_id: str | None
    mention_count: int


class ReadState(Struct):
    entries: list[ReadStateEntry]
    version: int = 0


class Ready(Struct, kw_only=True):
    """Of what stands behind `application` bots get nothing; Discord documents none of it. `invitations` are Beep's."""

    v: int = 10
    user: AccountObject
    guilds: list[UnavailableGuild]
    session_id: str
    resume_gateway_url: str
    shard: tuple[int, int]
    private_channels: list[PrivateChannelObject] = []
    application: ReadyApplication | UnsetType = UNSET
    relationships: list[RelationshipObject] | UnsetType = UNSET
    presences: list[PresenceObject] | UnsetType = UNSET
    read_state: ReadState | UnsetType = UNSET
    invitations: list[InvitationObject] | UnsetType = UNSET
