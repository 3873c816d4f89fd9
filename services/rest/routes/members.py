"""https://docs.discord.com/developers/resources/guild#get-guild-member"""

from datetime import datetime
from typing import Annotated

from litestar import delete, get, patch, put
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.members_service_pb2 import (
    AddMemberRoleRequest,
    GetMemberRequest,
    ListMembersRequest,
    RemoveMemberRequest,
    RemoveMemberRoleRequest,
    SearchMembersRequest,
    UpdateMemberRequest,
)
from services.common import limits
from services.rest.body import BodyDecoder
from services.rest.fields import Moment, Nickname, PathId, QueryId, QueryText, Snowflake, milliseconds, or_empty
from services.rest.request import ApiRequest
from services.wire.member import MemberObject, member_object

Page = Annotated[int, QueryParameter(ge=1, le=limits.MEMBERS_PAGE)]
RoleIds = Annotated[list[Snowflake], Meta(max_length=limits.ROLES_PER_SERVER)]


class OwnMemberUpdate(Struct):
    nick: Nickname | UnsetType | None = UNSET


class MemberUpdate(OwnMemberUpdate):
    roles: RoleIds | UnsetType | None = UNSET
    # Muted until then; null ends it.
    communication_disabled_until: Moment | UnsetType | None = UNSET


@get("/guilds/{server_id:str}/members")
async def list_members(
    request: ApiRequest, server_id: PathId, after: QueryId = 0, limit: Page = 1
) -> list[MemberObject]:
    answer = await request.services.members.ListMembers(
        ListMembersRequest(server_id=server_id, after=after, limit=limit), metadata=request.to_servers
    )
    return [member_object(member) for member in answer.members]


@get("/guilds/{server_id:str}/members/search")
async def search_members(
    request: ApiRequest, server_id: PathId, text: QueryText, limit: Page = 1
) -> list[MemberObject]:
    answer = await request.services.members.SearchMembers(
        SearchMembersRequest(server_id=server_id, query=text, limit=limit), metadata=request.to_servers
    )
    return [member_object(member) for member in answer.members]


@get("/guilds/{server_id:str}/members/{user_id:str}")
async def get_member(request: ApiRequest, server_id: PathId, user_id: PathId) -> MemberObject:
    answer = await request.services.members.GetMember(
        GetMemberRequest(server_id=server_id, user_id=user_id), metadata=request.to_servers
    )
    return member_object(answer.member)


@patch("/guilds/{server_id:str}/members/{user_id:str}", dto=BodyDecoder[MemberUpdate], return_dto=None)
async def update_member(
    request: ApiRequest, server_id: PathId, user_id: PathId, data: JSONBody[MemberUpdate]
) -> MemberObject:
    roles = or_empty(data.roles, [])
    until = data.communication_disabled_until
    answer = await request.services.members.UpdateMember(
        UpdateMemberRequest(
            server_id=server_id,
            user_id=user_id,
            nick=or_empty(data.nick, ""),
            role_ids=roles,
            set_roles=roles is not None,
            muted_until_ms=milliseconds(until) if isinstance(until, datetime) else or_empty(until, 0),
            reason=request.reason,
        ),
        metadata=request.to_servers,
    )
    return member_object(answer.member)


@patch("/guilds/{server_id:str}/members/@me", dto=BodyDecoder[OwnMemberUpdate], return_dto=None)
async def update_own_member(request: ApiRequest, server_id: PathId, data: JSONBody[OwnMemberUpdate]) -> MemberObject:
    answer = await request.services.members.UpdateMember(
        UpdateMemberRequest(
            server_id=server_id,
            user_id=request.caller.user_id,
            nick=or_empty(data.nick, ""),
            reason=request.reason,
        ),
        metadata=request.to_servers,
    )
    return member_object(answer.member)


@delete("/guilds/{server_id:str}/members/{user_id:str}", status_code=204)
async def remove_member(request: ApiRequest, server_id: PathId, user_id: PathId) -> None:
    await request.services.members.RemoveMember(
        RemoveMemberRequest(server_id=server_id, user_id=user_id, reason=request.reason), metadata=request.to_servers
    )


@put("/guilds/{server_id:str}/members/{user_id:str}/roles/{role_id:str}", status_code=204)
async def add_member_role(request: ApiRequest, server_id: PathId, user_id: PathId, role_id: PathId) -> None:
    await request.services.members.AddMemberRole(
        AddMemberRoleRequest(server_id=server_id, user_id=user_id, role_id=role_id, reason=request.reason),
        metadata=request.to_servers,
    )


@delete("/guilds/{server_id:str}/members/{user_id:str}/roles/{role_id:str}", status_code=204)
async def remove_member_role(request: ApiRequest, server_id: PathId, user_id: PathId, role_id: PathId) -> None:
    await request.services.members.RemoveMemberRole(
        RemoveMemberRoleRequest(server_id=server_id, user_id=user_id, role_id=role_id, reason=request.reason),
        metadata=request.to_servers,
    )


ROUTES = [
    list_members,
    search_members,
    get_member,
    update_member,
    update_own_member,
    remove_member,
    add_member_role,
    remove_member_role,
]
