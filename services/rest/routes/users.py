"""https://docs.discord.com/developers/resources/user"""

from typing import Annotated

from litestar import delete, get
from litestar.params import QueryParameter

from beep.servers.v1.members_service_pb2 import GetMemberRequest
from beep.servers.v1.servers_service_pb2 import LeaveServerRequest, ListServersRequest
from beep.users.v1.users_service_pb2 import GetAccountRequest, GetUsersRequest
from services.common import limits
from services.common.errors import NotFound
from services.rest.fields import PathId, QueryId
from services.rest.request import ApiRequest
from services.wire.member import MemberObject, member_object
from services.wire.server import PartialGuild, partial_guild
from services.wire.user import AccountObject, UserObject, account_object, user_object


@get("/users/@me")
async def get_account(request: ApiRequest) -> AccountObject:
    answer = await request.services.users.GetAccount(GetAccountRequest(), metadata=request.to_users)
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


ROUTES = [get_account, get_user, list_servers, leave_server, get_own_member]
