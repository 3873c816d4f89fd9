"""https://docs.discord.com/developers/events/gateway-events#presence-update"""

from msgspec import UNSET, Struct, UnsetType


class UserReference(Struct, kw_only=True):
    id: str


class ActivityObject(Struct, kw_only=True):
    name: str
    type: int
    # Milliseconds. hikari insists on it.
    created_at: int
    url: str | UnsetType = UNSET
    state: str | UnsetType = UNSET
    details: str | UnsetType = UNSET


class PresenceObject(Struct, kw_only=True):
    """In GUILD_CREATE, READY and GUILD_MEMBERS_CHUNK; who is not there is offline."""

    user: UserReference
    status: str
    activities: list[ActivityObject]
    # By platform: desktop, mobile, web.
    client_status: dict[str, str]


class PresenceUpdate(PresenceObject, kw_only=True):
    """PRESENCE_UPDATE: of a member, or without a server of a friend."""

    guild_id: str | UnsetType = UNSET
