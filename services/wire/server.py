"""https://docs.discord.com/developers/resources/guild — a server is called a guild on the wire, and only there."""

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from msgspec import UNSET, Struct, UnsetType

from services.wire.channel import ChannelObject, channel_object
from services.wire.encoding import optional_id, timestamp
from services.wire.member import MemberObject, member_object
from services.wire.role import RoleObject, role_object
from services.wire.thread import ThreadObject, thread_object

if TYPE_CHECKING:
    from beep.servers.v1.role_pb2 import Role
    from beep.servers.v1.server_pb2 import Server, ServerSnapshot

# Nothing in Beep bounds it; hikari wants a number, and this is the one that Discord gives.
MAX_MEMBERS = 500_000

# A server with more members than this is `large`: GUILD_CREATE leaves out those beyond, and op 8 asks for them.
LARGE_THRESHOLD = 1000


class GuildObject(Struct, kw_only=True):
    id: str
    name: str
    icon: str | None
    description: str | None
    owner_id: str
    roles: list[RoleObject]
    # Which servers anybody may join: Discord's word for it is a feature.
    features: list[str]
    system_channel_id: str | None
    approximate_member_count: int | UnsetType = UNSET
    # Who is there only the gateway knows, and it tells those who share the server: here nobody is counted.
    approximate_presence_count: int | UnsetType = UNSET
    max_members: int = MAX_MEMBERS
    max_presences: None = None
    splash: None = None
    discovery_splash: None = None
    banner: None = None
    afk_channel_id: None = None
    afk_timeout: int = 300
    verification_level: int = 0
    default_message_notifications: int = 0
    explicit_content_filter: int = 0
    mfa_level: int = 0
    nsfw_level: int = 0
    application_id: None = None
    system_channel_flags: int = 0
    rules_channel_id: None = None
    public_updates_channel_id: None = None
    safety_alerts_channel_id: None = None
    vanity_url_code: None = None
    premium_tier: int = 0
    premium_progress_bar_enabled: bool = False
    preferred_locale: str = "en-US"
    region: None = None
    emojis: list[Any] = []
    stickers: list[Any] = []


class GuildCreate(GuildObject, kw_only=True):
    """What GUILD_CREATE adds. No list of it is ever null."""

    joined_at: str
    large: bool
    unavailable: bool = False
    member_count: int
    members: list[MemberObject]
    channels: list[ChannelObject]
    threads: list[ThreadObject] = []
    presences: list[Any] = []
    voice_states: list[Any] = []
    stage_instances: list[Any] = []
    guild_scheduled_events: list[Any] = []
    soundboard_sounds: list[Any] = []


class PartialGuild(Struct, kw_only=True):
    """An entry of GET /users/@me/guilds."""

    id: str
    name: str
    icon: str | None
    banner: None = None
    owner: bool
    permissions: str
    features: list[str]
    approximate_member_count: int | UnsetType = UNSET
    approximate_presence_count: int | UnsetType = UNSET


class PublicGuild(Struct, kw_only=True):
    """What anybody may know of a server in the directory."""

    id: str
    name: str
    icon: str | None
    description: str | None
    features: list[str]
    approximate_member_count: int


class GuildPreview(Struct, kw_only=True):
    id: str
    name: str
    icon: str | None
    description: str | None
    features: list[str]
    approximate_member_count: int
    approximate_presence_count: int = 0
    splash: None = None
    discovery_splash: None = None
    emojis: list[Any] = []
    stickers: list[Any] = []


class UnavailableGuild(Struct, kw_only=True):
    """In READY (`unavailable` true), and the body of GUILD_DELETE (left out: the member is no longer in it)."""

    id: str
    unavailable: bool | UnsetType = UNSET


def features(server: "Server") -> list[str]:
    return ["DISCOVERABLE"] if server.is_public else []


def guild_object(server: "Server", roles: "Iterable[Role]") -> GuildObject:
    return GuildObject(
        id=str(server.id),
        name=server.name,
        icon=server.icon or None,
        description=server.description or None,
        owner_id=str(server.owner_id),
        roles=[role_object(role) for role in roles],
        features=features(server),
        system_channel_id=optional_id(server.system_channel_id),
        approximate_member_count=server.member_count or UNSET,
        approximate_presence_count=0 if server.member_count else UNSET,
    )


def guild_create(
    snapshot: "ServerSnapshot", *, user_id: int, channel_ids: Collection[int] | None = None
) -> GuildCreate:
    """The server as `user_id` gets it: only the channels in `channel_ids` (None: all), and their threads."""
    server = snapshot.server
    joined = next((member.joined_at_ms for member in snapshot.members if member.user.id == user_id), 0)
    return GuildCreate(
        id=str(server.id),
        name=server.name,
        icon=server.icon or None,
        description=server.description or None,
        owner_id=str(server.owner_id),
        roles=[role_object(role) for role in snapshot.roles],
        features=features(server),
        system_channel_id=optional_id(server.system_channel_id),
        joined_at=timestamp(joined),
        large=server.member_count > LARGE_THRESHOLD,
        member_count=server.member_count,
        members=[member_object(member) for member in snapshot.members],
        channels=[
            channel_object(channel) for channel in snapshot.channels if channel_ids is None or channel.id in channel_ids
        ],
        threads=[
            thread_object(thread)
            for thread in snapshot.threads
            if channel_ids is None or thread.parent_id in channel_ids
        ],
    )


def partial_guild(server: "Server", *, permissions: int, is_owner: bool) -> PartialGuild:
    return PartialGuild(
        id=str(server.id),
        name=server.name,
        icon=server.icon or None,
        owner=is_owner,
        permissions=str(permissions),
        features=features(server),
        approximate_member_count=server.member_count or UNSET,
        approximate_presence_count=0 if server.member_count else UNSET,
    )


def public_guild(server: "Server") -> PublicGuild:
    return PublicGuild(
        id=str(server.id),
        name=server.name,
        icon=server.icon or None,
        description=server.description or None,
        features=features(server),
        approximate_member_count=server.member_count,
    )


def guild_preview(server: "Server") -> GuildPreview:
    return GuildPreview(
        id=str(server.id),
        name=server.name,
        icon=server.icon or None,
        description=server.description or None,
        features=features(server),
        approximate_member_count=server.member_count,
    )
