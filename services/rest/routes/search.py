"""https://docs.discord.com/developers/resources/guild#search-guild-messages, and the same in one channel.

Pages are cut by `offset` up to a depth, or by `max_id` and `min_id` to any: with the id of the last message that was
seen, the ten-thousandth page costs what the first does.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from litestar import get
from litestar.params import FromQuery, QueryParameter

from beep.messages.v1 import messages_service_pb2 as pb
from services.common import limits
from services.rest.fields import OptionalQueryId, PathId, QueryId, Snowflake
from services.rest.request import ApiRequest
from services.wire.message import SearchPage, search_page

SortBy = Literal["timestamp", "relevance"]
SortOrder = Literal["desc", "asc"]
HasKind = Literal["file", "image", "embed", "link"]

HAS: Final[Mapping[HasKind, pb.SearchHas.ValueType]] = {
    "file": pb.SEARCH_HAS_FILE,
    "image": pb.SEARCH_HAS_IMAGE,
    "embed": pb.SEARCH_HAS_EMBED,
    "link": pb.SEARCH_HAS_LINK,
}

Content = Annotated[str, QueryParameter(max_length=limits.SEARCH_CONTENT)]
People = Annotated[list[Snowflake] | None, QueryParameter(max_items=limits.SEARCH_AUTHORS)]
Kinds = Annotated[list[HasKind] | None, QueryParameter(max_items=len(HAS))]
Limit = Annotated[int, QueryParameter(ge=1, le=limits.SEARCH_PAGE)]
Offset = Annotated[int, QueryParameter(ge=0, le=limits.SEARCH_OFFSET)]


@get("/guilds/{server_id:str}/messages/search")
async def search_messages(
    request: ApiRequest,
    server_id: PathId,
    content: Content = "",
    channel_id: Annotated[list[Snowflake] | None, QueryParameter(max_items=limits.CHANNELS_PER_SERVER)] = None,
    author_id: People = None,
    mentions: People = None,
    has: Kinds = None,
    pinned: FromQuery[bool | None] = None,
    max_id: OptionalQueryId = None,
    min_id: QueryId = 0,
    limit: Limit = limits.SEARCH_PAGE,
    offset: Offset = 0,
    sort_by: Annotated[SortBy, QueryParameter()] = "timestamp",
    sort_order: Annotated[SortOrder, QueryParameter()] = "desc",
) -> SearchPage:
    """In the channels of the server that the caller may read."""
    call = pb.SearchMessagesRequest(
        server_id=server_id,
        content=content,
        channel_ids=channel_id,
        author_ids=author_id,
        mentioned_user_ids=mentions,
        has=[HAS[kind] for kind in has or ()],
        pinned=pinned,
        before=max_id or 0,
        after=min_id,
        limit=limit,
        offset=offset,
        order=_order(sort_by, sort_order),
    )
    return await _found(request, call)


@get("/channels/{channel_id:str}/messages/search")
async def search_channel_messages(
    request: ApiRequest,
    channel_id: PathId,
    content: Content = "",
    author_id: People = None,
    mentions: People = None,
    has: Kinds = None,
    pinned: FromQuery[bool | None] = None,
    max_id: OptionalQueryId = None,
    min_id: QueryId = 0,
    limit: Limit = limits.SEARCH_PAGE,
    offset: Offset = 0,
    sort_by: Annotated[SortBy, QueryParameter()] = "timestamp",
    sort_order: Annotated[SortOrder, QueryParameter()] = "desc",
) -> SearchPage:
    """In one channel, thread, direct message or group."""
    call = pb.SearchMessagesRequest(
        in_channel_id=channel_id,
        content=content,
        author_ids=author_id,
        mentioned_user_ids=mentions,
        has=[HAS[kind] for kind in has or ()],
        pinned=pinned,
        before=max_id or 0,
        after=min_id,
        limit=limit,
        offset=offset,
        order=_order(sort_by, sort_order),
    )
    return await _found(request, call)


async def _found(request: ApiRequest, call: pb.SearchMessagesRequest) -> SearchPage:
    answer = await request.services.messages.SearchMessages(call, metadata=request.to_messages)
    return search_page(answer.messages, answer.total)


def _order(sort_by: SortBy, sort_order: SortOrder) -> pb.SearchOrder.ValueType:
    if sort_by == "relevance":
        return pb.SEARCH_ORDER_RELEVANCE
    return pb.SEARCH_ORDER_OLDEST if sort_order == "asc" else pb.SEARCH_ORDER_NEWEST


ROUTES = [search_messages, search_channel_messages]
