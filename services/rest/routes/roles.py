"""https://docs.discord.com/developers/resources/guild#create-guild-role"""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.roles_service_pb2 import (
    CreateRoleRequest,
    DeleteRoleRequest,
    ListRolesRequest,
    MoveRolesRequest,
    RoleMove,
    UpdateRoleRequest,
)
from services.common import limits
from services.common.errors import NotFound
from services.rest.body import BodyDecoder
from services.rest.fields import Color, PathId, Permissions, Position, RoleName, Snowflake, given, or_empty
from services.rest.request import ApiRequest
from services.wire.role import RoleObject, role_object

NEW_ROLE = "new role"


class RoleColorsIn(Struct):
    primary_color: Color | None = None


class RoleCreate(Struct):
    name: RoleName | None = None
    permissions: Permissions | None = None
    # `color` is deprecated for `colors` at Discord; libraries send either.
    color: Color | None = None
    colors: RoleColorsIn | None = None
    hoist: bool | None = None
    mentionable: bool | None = None


class RoleUpdate(Struct):
    name: RoleName | UnsetType | None = UNSET
    permissions: Permissions | UnsetType | None = UNSET
    color: Color | UnsetType | None = UNSET
    colors: RoleColorsIn | UnsetType | None = UNSET
    hoist: bool | UnsetType | None = UNSET
    mentionable: bool | UnsetType | None = UNSET


class RolePosition(Struct):
    id: Snowflake
    position: Position | None = None


RolePositions = Annotated[list[RolePosition], Meta(max_length=limits.ROLES_PER_SERVER)]


@post("/guilds/{server_id:str}/roles", status_code=200, dto=BodyDecoder[RoleCreate], return_dto=None)
async def create_role(request: ApiRequest, server_id: PathId, data: JSONBody[RoleCreate]) -> RoleObject:
    primary = data.colors.primary_color if data.colors else None
    answer = await request.services.roles.CreateRole(
        CreateRoleRequest(
            server_id=server_id,
            name=data.name or NEW_ROLE,
            permissions=data.permissions,
            color=primary or data.color or 0,
            hoist=data.hoist or False,
            mentionable=data.mentionable or False,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_servers,
    )
    return role_object(answer.role)


@get("/guilds/{server_id:str}/roles")
async def list_roles(request: ApiRequest, server_id: PathId) -> list[RoleObject]:
    answer = await request.services.roles.ListRoles(ListRolesRequest(server_id=server_id), metadata=request.to_servers)
    return [role_object(role) for role in answer.roles]


@patch("/guilds/{server_id:str}/roles", dto=BodyDecoder[RolePositions], return_dto=None)
async def move_roles(request: ApiRequest, server_id: PathId, data: JSONBody[RolePositions]) -> list[RoleObject]:
    moves = [RoleMove(role_id=move.id, position=move.position) for move in data if move.position is not None]
    answer = await request.services.roles.MoveRoles(
        MoveRolesRequest(server_id=server_id, moves=moves, reason=request.reason), metadata=request.to_servers
    )
    return [role_object(role) for role in answer.roles]


@get("/guilds/{server_id:str}/roles/{role_id:str}")
async def get_role(request: ApiRequest, server_id: PathId, role_id: PathId) -> RoleObject:
    answer = await request.services.roles.ListRoles(ListRolesRequest(server_id=server_id), metadata=request.to_servers)
    for role in answer.roles:
        if role.id == role_id:
            return role_object(role)
    raise NotFound("UNKNOWN_ROLE")


@patch("/guilds/{server_id:str}/roles/{role_id:str}", dto=BodyDecoder[RoleUpdate], return_dto=None)
async def update_role(
    request: ApiRequest, server_id: PathId, role_id: PathId, data: JSONBody[RoleUpdate]
) -> RoleObject:
    colors = given(data.colors)
    answer = await request.services.roles.UpdateRole(
        UpdateRoleRequest(
            server_id=server_id,
            role_id=role_id,
            name=given(data.name),
            permissions=given(data.permissions),
            color=or_empty(data.color, 0) if colors is None else colors.primary_color or 0,
            hoist=given(data.hoist),
            mentionable=given(data.mentionable),
            reason=request.reason,
        ),
        metadata=request.to_servers,
    )
    return role_object(answer.role)


@delete("/guilds/{server_id:str}/roles/{role_id:str}", status_code=204)
async def delete_role(request: ApiRequest, server_id: PathId, role_id: PathId) -> None:
    await request.services.roles.DeleteRole(
        DeleteRoleRequest(server_id=server_id, role_id=role_id, reason=request.reason), metadata=request.to_servers
    )


ROUTES = [create_role, list_roles, move_roles, get_role, update_role, delete_role]
