"""https://docs.discord.com/developers/resources/invite"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from services.wire.channel import TYPE_NUMBERS
from services.wire.encoding import timestamp
from services.wire.server import features
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.invite_pb2 import Invite


class InviteGuild(Struct, kw_only=True):
    id: str
    name: str
    icon: str | None
    description: str | None
    features: list[str]
    banner: None = None
    splash: None = None
    verification_level: int = 0
    nsfw_level: int = 0
    vanity_url_code: None = None
    premium_subscription_count: int = 0


class InviteChannel(Struct, kw_only=True):
    id: str
    name: str
    type: int


class InviteObject(Struct, kw_only=True):
    type: int = 0
    code: str
    guild_id: str
    guild: InviteGuild
    channel: InviteChannel
    inviter: UserObject
    expires_at: str | None
    approximate_member_count: int | UnsetType = UNSET
    uses: int
    max_uses: int
    max_age: int
    temporary: bool
    created_at: str


def invite_object(invite: "Invite") -> InviteObject:
    expires = invite.created_at_ms + 1000 * invite.max_age_seconds
    return InviteObject(
        code=invite.code,
        guild_id=str(invite.server_id),
        guild=InviteGuild(
            id=str(invite.server_id),
            name=invite.server.name,
            icon=invite.server.icon or None,
            description=invite.server.description or None,
            features=features(invite.server),
        ),
        channel=InviteChannel(
            id=str(invite.channel_id), name=invite.channel.name, type=TYPE_NUMBERS.get(invite.channel.type, 0)
        ),
        inviter=user_object(invite.inviter),
        expires_at=timestamp(expires) if invite.max_age_seconds else None,
        approximate_member_count=invite.server.member_count or UNSET,
        uses=invite.uses,
        max_uses=invite.max_uses,
        max_age=invite.max_age_seconds,
        temporary=invite.temporary,
        created_at=timestamp(invite.created_at_ms),
    )
