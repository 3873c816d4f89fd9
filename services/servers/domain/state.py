"""The aggregate: what a server is.

`ServerState` is the root and one document: the server, its roles, its channels with their overwrites. Members and
invitations are too many for that and are rows of their own, but they too change only together with the root, whose
`version` rises by one with every change: so the version alone tells whether anything happened in between.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Self

from services.common.permissions import Permission
from services.servers.domain.errors import UnknownChannel, UnknownRole


class ChannelType(Enum):
    TEXT = "text"
    CATEGORY = "category"
    ANNOUNCEMENT = "announcement"


class OverwriteTarget(Enum):
    ROLE = "role"
    MEMBER = "member"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overwrite:
    """What a channel allows or denies to one role or one member, whatever their roles grant in the server."""

    target_id: int
    target: OverwriteTarget
    allow: int = 0
    deny: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    id: int
    type: ChannelType = ChannelType.TEXT
    name: str
    topic: str = ""
    position: int = 0
    # 0: in no category.
    parent_id: int = 0
    nsfw: bool = False
    rate_limit_per_user: int = 0
    overwrites: tuple[Overwrite, ...] = ()

    def overwrite(self, target_id: int) -> Overwrite | None:
        return next((overwrite for overwrite in self.overwrites if overwrite.target_id == target_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A side conversation. It has the id of the message that it began with, if there was one."""

    id: int
    server_id: int
    # The channel that it hangs on: whose viewers are its readers.
    channel_id: int
    owner_id: int
    name: str
    archived: bool = False
    # Only who manages threads may write in it, or un-archive it.
    locked: bool = False
    # Of inactivity, after which it is archived by itself.
    auto_archive_minutes: int
    rate_limit_per_user: int = 0
    archive_changed_at_ms: int
    created_at_ms: int
    member_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadMember:
    """Somebody who joined a thread, to be told of what goes on in it. To read it one need not."""

    thread_id: int
    user_id: int
    joined_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """@everyone is the role with the id of its server; its position is 0 and nothing is below it."""

    id: int
    name: str
    permissions: int = 0
    position: int = 1
    color: int = 0
    hoist: bool = False
    mentionable: bool = False
    # Belongs to the bot `bot_id`: nobody assigns or deletes it by hand.
    managed: bool = False
    bot_id: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    user_id: int
    joined_at_ms: int
    nick: str = ""
    # Sorted, without @everyone.
    role_ids: tuple[int, ...] = ()
    # 0: not muted. Whoever has another value is muted, until the timer sets it to 0: nothing reads a clock for it.
    muted_until_ms: int = 0

    @property
    def is_muted(self) -> bool:
        return self.muted_until_ms != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    code: str
    server_id: int
    channel_id: int
    inviter_id: int
    created_at_ms: int
    # Seconds; 0: for ever.
    max_age_seconds: int = 0
    # 0: as often as one likes.
    max_uses: int = 0
    uses: int = 0
    temporary: bool = False

    def is_live(self, now_ms: int) -> bool:
        """Neither expired nor used up."""
        expired = self.max_age_seconds and now_ms >= self.created_at_ms + 1000 * self.max_age_seconds
        return not expired and not self.is_used_up

    @property
    def is_used_up(self) -> bool:
        return self.max_uses > 0 and self.uses >= self.max_uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """Of one user, by somebody in the server."""

    id: int
    server_id: int
    inviter_id: int
    invitee_id: int
    created_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ban:
    """Holds against the user, and against every account that shares an identity that they have had then or since."""

    user_id: int
    reason: str = ""
    # Opaque; two users with a key in common are one person.
    identity_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Applicant:
    """Who wants to join, the bans that hold against them, and the invitations of the server that they have."""

    user_id: int
    bans: tuple[Ban, ...] = ()
    invitations: tuple[Invitation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    id: int
    name: str
    owner_id: int
    description: str = ""
    is_public: bool = False
    icon: str = ""
    system_channel_id: int = 0
    version: int = 1
    member_count: int = 0
    roles: tuple[Role, ...] = ()
    channels: tuple[Channel, ...] = ()

    def role(self, role_id: int) -> Role:
        """Raises UnknownRole."""
        role = next((role for role in self.roles if role.id == role_id), None)
        if role is None:
            raise UnknownRole
        return role

    def channel(self, channel_id: int) -> Channel:
        """Raises UnknownChannel."""
        channel = next((channel for channel in self.channels if channel.id == channel_id), None)
        if channel is None:
            raise UnknownChannel
        return channel

    @property
    def everyone(self) -> Role:
        return self.role(self.id)

    def changed(self, **fields: Any) -> Self:
        """The next version, with these fields."""
        return replace(self, version=self.version + 1, **fields)

    def with_roles(self, *roles: Role) -> tuple[Role, ...]:
        """The table with these roles put in, each in the place of the one with its id."""
        put = {role.id: role for role in roles}
        return (*(put.pop(role.id, role) for role in self.roles), *put.values())

    def with_channels(self, *channels: Channel) -> tuple[Channel, ...]:
        put = {channel.id: channel for channel in channels}
        return (*(put.pop(channel.id, channel) for channel in self.channels), *put.values())


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and what authz says that they hold: only of the bits that were asked about."""

    user_id: int
    role_ids: tuple[int, ...] = ()
    permissions: int = 0

    def holds_any(self, bits: int) -> bool:
        return bool(self.permissions & bits)


ALL_PERMISSIONS: Final[int] = sum(Permission)
"""Every bit that exists. What a client sends beyond them means nothing and is dropped, as Discord does."""
