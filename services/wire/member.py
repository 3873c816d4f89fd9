"""https://docs.discord.com/developers/resources/guild#guild-member-object"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from services.wire.encoding import timestamp
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.member_pb2 import Member


class MemberObject(Struct, kw_only=True):
    user: UserObject | UnsetType = UNSET
    nick: str | None
    avatar: None = None
    roles: list[str]
    joined_at: str
    premium_since: None = None
    deaf: bool = False
    mute: bool = False
    flags: int = 0
    pending: bool = False
    communication_disabled_until: str | None


def member_object(member: "Member", *, with_user: bool = True) -> MemberObject:
    """`with_user=False` is the partial member beside a message, whose user is the message's author."""
    return MemberObject(
        user=user_object(member.user) if with_user else UNSET,
        nick=member.nick or None,
        roles=[str(role_id) for role_id in member.role_ids],
        joined_at=timestamp(member.joined_at_ms),
        communication_disabled_until=timestamp(member.muted_until_ms) if member.muted_until_ms else None,
    )
