"""https://docs.discord.com/developers/resources/user"""

from typing import Annotated

from litestar import delete, get, patch
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.members_service_pb2 import GetMemberRequest
from beep.servers.v1.servers_service_pb2 import LeaveServerRequest, ListServersRequest
from beep.users.v1.users_service_pb2 import GetAccountRequest, GetUsersRequest, UpdateAccountRequest
from services.common import limits
from services.common.errors import NotFound
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, QueryId, given, or_empty
from services.rest.files.pictures import PictureIn
from services.rest.request import ApiRequest
from services.wire.member import MemberObject, member_object
from services.wire.server import PartialGuild, partial_guild
from services.wire.user import AccountObject, UserObject, account_object, user_object


class AccountChange(Struct):
    """`avatar`: a data URI; null takes it away. First and last name are Beep's own, and shown to nobody else."""

    username: Annotated[str, Meta(min_length=limits.USERNAME_MIN, max_length=limits.USERNAME)] | UnsetType = UNSET
    global_name: Annotated[str, Meta(max_length=limits.GLOBAL_NAME)] | UnsetType | None = UNSET
    avatar: PictureIn | UnsetType | None = UNSET
    first_name: Annotated[str, Meta(max_length=limits.PERSON_NAME)] | UnsetType | None = UNSET
    last_name: Annotated[str, Meta(max_length=limits.PERSON_NAME)] | UnsetType | None = UNSET


@get("/users/@me")
async def get_account(request: ApiRequest) -> AccountObject:
    answer = await request.services.users.GetAccount(GetAccountRequest(), metadata=request.to_users)
    return account_object(answer.account)


@patch("/users/@me", dto=BodyDecoder[AccountChange], return_dto=None)
async def update_account(request: ApiRequest, data: JSONBody[AccountChange]) -> AccountObject:
    async with request.edge.pictures.changing("avatars", request.caller.user_id, data.avatar, "avatar") as avatar:
        answer = await request.services.users.UpdateAccount(
            UpdateAccountRequest(
                username=given(data.username),
                global_name=or_empty(data.global_name, ""),
                avatar=avatar,
                first_name=or_empty(data.first_name, ""),
                last_name=or_empty(data.last_name, ""),
            ),
            metadata=request.to_users,
        )
    return account_object(answer.account)


@get("/users/{user_id:str}")
async def get_user(request: ApiRequest, user_id: PathId) -> UserObject:
    answer = await request.services.users.GetUsers(GetUsersRequest(ids=[user_id]), metadata=request.to_users)
    if not answer.users:
        raise NotFound("UNKNOWN_USER")
    return user_object(answer.users[0])


@get("/users/@me/guilds")
async def list_servers(
    request: ApiRequest,
    before: QueryId = 0,
    after: QueryId = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.SERVERS_PER_USER)] = limits.SERVERS_PER_USER,
) -> list[PartialGuild]:
    answer = await request.services.servers.ListServers(
        ListServersRequest(before=before, after=after, limit=limit), metadata=request.to_servers
    )
    return [
        partial_guild(entry.server, permissions=entry.permissions, is_owner=entry.is_owner) for entry in answer.servers
    ]


@delete("/users/@me/guilds/{server_id:str}", status_code=204)
async def leave_server(request: ApiRequest, server_id: PathId) -> None:
    await request.services.servers.LeaveServer(LeaveServerRequest(server_id=server_id), metadata=request.to_servers)


@get("/users/@me/guilds/{server_id:str}/member")
async def get_own_member(request: ApiRequest, server_id: PathId) -> MemberObject:
    answer = await request.services.members.GetMember(
        GetMemberRequest(server_id=server_id, user_id=request.caller.user_id), metadata=request.to_servers
    )
    return member_object(answer.member)


ROUTES = [get_account, update_account, get_user, list_servers, leave_server, get_own_member]
