"""https://docs.discord.com/developers/resources/guild#ban-object"""

from typing import TYPE_CHECKING

from msgspec import Struct

from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.bans_service_pb2 import Ban
    from beep.users.v1.user_pb2 import User


class BanObject(Struct, kw_only=True):
    reason: str | None
    user: UserObject


class GuildBan(Struct, kw_only=True):
    """GUILD_BAN_ADD and GUILD_BAN_REMOVE."""

    guild_id: str
    user: UserObject


def ban_object(ban: "Ban") -> BanObject:
    return BanObject(reason=ban.reason or None, user=user_object(ban.user))


def guild_ban(server_id: int, user: "User") -> GuildBan:
    return GuildBan(guild_id=str(server_id), user=user_object(user))
