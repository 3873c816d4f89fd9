"""https://docs.discord.com/developers/topics/permissions#role-object"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from beep.servers.v1.role_pb2 import Role


class RoleColors(Struct, kw_only=True):
    primary_color: int
    secondary_color: None = None
    tertiary_color: None = None


class RoleTags(Struct, kw_only=True):
    bot_id: str


class RoleObject(Struct, kw_only=True):
    id: str
    name: str
    permissions: str
    position: int
    color: int
    colors: RoleColors
    hoist: bool
    icon: None = None
    unicode_emoji: None = None
    managed: bool
    mentionable: bool
    flags: int = 0
    tags: RoleTags | UnsetType = UNSET


def role_object(role: "Role") -> RoleObject:
    return RoleObject(
        id=str(role.id),
        name=role.name,
        permissions=str(role.permissions),
        position=role.position,
        color=role.color,
        colors=RoleColors(primary_color=role.color),
        hoist=role.hoist,
        managed=role.managed,
        mentionable=role.mentionable,
        tags=RoleTags(bot_id=str(role.bot_id)) if role.bot_id else UNSET,
    )
