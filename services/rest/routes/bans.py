"""https://docs.discord.com/developers/resources/guild#get-guild-bans"""

from typing import Annotated, Final

from litestar import delete, get, post, put
from litestar.params import JSONBody, QueryParameter
from msgspec import Meta, Struct

from beep.messages.v1.messages_service_pb2 import PurgeAuthorRequest
from beep.servers.v1.bans_service_pb2 import (
    BanMemberRequest,
    BanUsersRequest,
    GetBanRequest,
    ListBansRequest,
    UnbanUserRequest,
)
from services.common import limits
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, QueryId, Snowflake
from services.rest.request import ApiRequest
from services.wire.ban import BanObject, ban_object

DAY: Final = 24 * 3600
MANY_SECONDS: Final = 30.0
"""Each ban of many is a change of its own, and so is each batch of what somebody wrote."""

Page = Annotated[int, QueryParameter(ge=1, le=limits.BANS_PAGE)]
Seconds = Annotated[int, Meta(ge=0, le=limits.BAN_DELETES_SECONDS)]
Days = Annotated[int, Meta(ge=0, le=limits.BAN_DELETES_SECONDS // DAY)]
QuerySeconds = Annotated[int, QueryParameter(ge=0, le=limits.BAN_DELETES_SECONDS)]


class BanCreate(Struct):
    """How far back to delete what they wrote here; `delete_message_days` is the older form."""

    delete_message_seconds: Seconds | None = None
    delete_message_days: Days | None = None


class BulkBan(Struct):
    user_ids: Annotated[list[Snowflake], Meta(min_length=1, max_length=limits.BULK_BAN)]
    delete_message_seconds: Seconds = 0


class BulkBanned(Struct):
    banned_users: list[str]
    failed_users: list[str]


@get("/guilds/{server_id:str}/bans")
async def list_bans(
    request: ApiRequest, server_id: PathId, before: QueryId = 0, after: QueryId = 0, limit: Page = limits.BANS_PAGE
) -> list[BanObject]:
    answer = await request.services.bans.ListBans(
        ListBansRequest(server_id=server_id, before=before, after=after, limit=limit), metadata=request.to_servers
    )
    return [ban_object(ban) for ban in answer.bans]


@get("/guilds/{server_id:str}/bans/{user_id:str}")
async def get_ban(request: ApiRequest, server_id: PathId, user_id: PathId) -> BanObject:
    answer = await request.services.bans.GetBan(
        GetBanRequest(server_id=server_id, user_id=user_id), metadata=request.to_servers
    )
    return ban_object(answer.ban)


@put("/guilds/{server_id:str}/bans/{user_id:str}", status_code=204, dto=BodyDecoder[BanCreate], return_dto=None)
async def ban_member(
    request: ApiRequest,
    server_id: PathId,
    user_id: PathId,
    data: JSONBody[BanCreate | None] = None,
    delete_message_seconds: QuerySeconds = 0,
) -> None:
    """Libraries write `delete_message_seconds` into the body or into the query."""
    data = data or BanCreate()
    await request.services.bans.BanMember(
        BanMemberRequest(server_id=server_id, user_id=user_id, reason=request.reason), metadata=request.to_servers
    )
    days = data.delete_message_days or 0
    await _purge(request, server_id, user_id, data.delete_message_seconds or delete_message_seconds or days * DAY)


@delete("/guilds/{server_id:str}/bans/{user_id:str}", status_code=204)
async def unban_user(request: ApiRequest, server_id: PathId, user_id: PathId) -> None:
    await request.services.bans.UnbanUser(
        UnbanUserRequest(server_id=server_id, user_id=user_id, reason=request.reason), metadata=request.to_servers
    )


@post("/guilds/{server_id:str}/bulk-ban", status_code=200, dto=BodyDecoder[BulkBan], return_dto=None)
async def ban_users(request: ApiRequest, server_id: PathId, data: JSONBody[BulkBan]) -> BulkBanned:
    answer = await request.services.bans.BanUsers(
        BanUsersRequest(server_id=server_id, user_ids=data.user_ids, reason=request.reason),
        metadata=request.to_servers,
        timeout=MANY_SECONDS,
    )
    for user_id in answer.banned_user_ids:
        await _purge(request, server_id, user_id, data.delete_message_seconds)
    return BulkBanned(
        banned_users=[str(user_id) for user_id in answer.banned_user_ids],
        failed_users=[str(user_id) for user_id in answer.failed_user_ids],
    )


async def _purge(request: ApiRequest, server_id: int, author_id: int, seconds: int) -> None:
    """Behind the ban, so that they write nothing more meanwhile. If it fails, to ban them again does it."""
    if seconds:
        since_ms = request.edge.clock.now_ms() - 1000 * seconds
        await request.services.messages.PurgeAuthor(
            PurgeAuthorRequest(server_id=server_id, author_id=author_id, since_ms=since_ms),
            metadata=request.to_messages,
            timeout=MANY_SECONDS,
        )


ROUTES = [list_bans, get_ban, ban_member, unban_user, ban_users]
