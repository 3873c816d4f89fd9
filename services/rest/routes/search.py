"""https://docs.discord.com/developers/resources/guild#search-guild-messages"""

from typing import Annotated, Literal

from litestar import get
from litestar.params import QueryParameter

from beep.messages.v1.messages_service_pb2 import (
    SEARCH_ORDER_NEWEST,
    SEARCH_ORDER_OLDEST,
    SEARCH_ORDER_RELEVANCE,
    SearchMessagesRequest,
    SearchOrder,
)
from services.common import limits
from services.rest.fields import OptionalQueryId, PathId, QueryId, Snowflake
from services.rest.request import ApiRequest
from services.wire.message import SearchPage, search_page

SortBy = Literal["timestamp", "relevance"]
SortOrder = Literal["desc", "asc"]


@get("/guilds/{server_id:str}/messages/search")
async def search_messages(
    request: ApiRequest,
    server_id: PathId,
    content: Annotated[str, QueryParameter(max_length=limits.SEARCH_CONTENT)] = "",
    channel_id: Annotated[list[Snowflake] | None, QueryParameter(max_items=limits.CHANNELS_PER_SERVER)] = None,
    author_id: Annotated[list[Snowflake] | None, QueryParameter(max_items=limits.SEARCH_AUTHORS)] = None,
    max_id: OptionalQueryId = None,
    min_id: QueryId = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.SEARCH_PAGE)] = limits.SEARCH_PAGE,
    offset: Annotated[int, QueryParameter(ge=0, le=limits.SEARCH_OFFSET)] = 0,
    sort_by: Annotated[SortBy, QueryParameter()] = "timestamp",
    sort_order: Annotated[SortOrder, QueryParameter()] = "desc",
) -> SearchPage:
    call = SearchMessagesRequest(
        server_id=server_id,
        content=content,
        channel_ids=channel_id,
        author_ids=author_id,
        before=max_id or 0,
        after=min_id,
        limit=limit,
        offset=offset,
        order=_order(sort_by, sort_order),
    )
    answer = await request.services.messages.SearchMessages(call, metadata=request.to_messages)
    return search_page(answer.messages, answer.total)


def _order(sort_by: SortBy, sort_order: SortOrder) -> SearchOrder.ValueType:
    if sort_by == "relevance":
        return SEARCH_ORDER_RELEVANCE
    return SEARCH_ORDER_OLDEST if sort_order == "asc" else SEARCH_ORDER_NEWEST


ROUTES = [search_messages]
