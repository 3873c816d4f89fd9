"""The bodies (`d`) of dispatches that are no object of their own.

https://docs.discord.com/developers/events/gateway-events
"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from services.wire.encoding import timestamp
from services.wire.member import MemberObject, member_object
from services.wire.presence import PresenceObject
from services.wire.role import RoleObject, role_object
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.invite_pb2 import Invite
    from beep.servers.v1.member_pb2 import Member
    from beep.servers.v1.role_pb2 import Role
    from beep.users.v1.user_pb2 import User


class GuildMember(MemberObject, kw_only=True):
    """GUILD_MEMBER_ADD and GUILD_MEMBER_UPDATE."""

    guild_id: str


class GuildMemberRemove(Struct, kw_only=True):
    guild_id: str
    user: UserObject


class GuildRole(Struct, kw_only=True):
    """GUILD_ROLE_CREATE and GUILD_ROLE_UPDATE."""

    guild_id: str
    role: RoleObject


class GuildRoleDelete(Struct, kw_only=True):
    guild_id: str
    role_id: str


class InviteCreate(Struct, kw_only=True):
    channel_id: str
    guild_id: str
    code: str
    created_at: str
    inviter: UserObject
    max_age: int
    max_uses: int
    temporary: bool
    uses: int


class InviteDelete(Struct, kw_only=True):
    channel_id: str
    guild_id: str
    code: str


class TypingStart(Struct, kw_only=True):
    """`timestamp` is in seconds. In a private channel there is neither server nor member."""

    channel_id: str
    user_id: str
    timestamp: int
    guild_id: str | UnsetType = UNSET
    member: MemberObject | UnsetType = UNSET


class GuildMembersChunk(Struct, kw_only=True):
    """The answer to op 8, in chunks of at most 1,000 members."""

    guild_id: str
    members: list[MemberObject]
    chunk_index: int
    chunk_count: int
    not_found: list[str]
    presences: list[PresenceObject] | UnsetType = UNSET
    nonce: str | None = None


def guild_member(member: "Member") -> GuildMember:
    rendered = member_object(member)
    return GuildMember(
        guild_id=str(member.server_id),
        user=rendered.user,
        nick=rendered.nick,
        roles=rendered.roles,
        joined_at=rendered.joined_at,
        communication_disabled_until=rendered.communication_disabled_until,
    )


def guild_member_remove(server_id: int, user: "User") -> GuildMemberRemove:
    return GuildMemberRemove(guild_id=str(server_id), user=user_object(user))


def guild_role(role: "Role") -> GuildRole:
    return GuildRole(guild_id=str(role.server_id), role=role_object(role))


def invite_create(invite: "Invite") -> InviteCreate:
    return InviteCreate(
        channel_id=str(invite.channel_id),
        guild_id=str(invite.server_id),
        code=invite.code,
        created_at=timestamp(invite.created_at_ms),
        inviter=user_object(invite.inviter),
        max_age=invite.max_age_seconds,
        max_uses=invite.max_uses,
        temporary=invite.temporary,
        uses=invite.uses,
    )
