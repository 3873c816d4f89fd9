"""Where somebody may search: a channel that they may not read is as if nothing had been said there."""

from collections.abc import Mapping
from typing import Final

from beep.messages.v1 import messages_service_pb2 as pb
from services.common.errors import NotFound
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.authorizer import Authorizer, denied
from services.messages.channels import Channels
from services.messages.domain import search
from services.messages.domain.search import Order, Search

_ORDERS: Final[Mapping[int, Order]] = {
    pb.SEARCH_ORDER_UNSPECIFIED: Order.NEWEST,
    pb.SEARCH_ORDER_NEWEST: Order.NEWEST,
    pb.SEARCH_ORDER_OLDEST: Order.OLDEST,
    pb.SEARCH_ORDER_RELEVANCE: Order.RELEVANCE,
}


async def permitted(
    request: pb.SearchMessagesRequest, user_id: int, *, authorizer: Authorizer, channels: Channels
) -> Search | None:
    """The search that is asked for, in the channels that this user may read; None if it can find nothing.

    Raises:
        InvalidForm: it is not one.
        NotFound: UNKNOWN_SERVER; UNKNOWN_CHANNEL: a channel that is named is not one of the server's.
        PermissionDenied: a channel that is named may not be read, or none of the server's.
    """
    terms = search.parse_terms(request.content)
    limit = search.check_page(request.limit, request.offset)
    named, author_ids = frozenset(request.channel_ids), frozenset(request.author_ids)
    search.check_filters(named, author_ids)
    asked = sorted(named) or await channels.holding_messages(request.server_id)
    missing = await authorizer.missing_to_read(user_id, request.server_id, asked)
    if named - missing.keys():
        raise NotFound("UNKNOWN_CHANNEL", "Unknown channel.")
    readable = frozenset(channel_id for channel_id, lacks in missing.items() if not lacks)
    if named - readable:
        raise denied(max(missing.values(), key=_by_access))
    if missing and not readable:
        raise denied(min(missing.values(), key=_by_access))
    if terms is None:
        return None
    return Search(
        channel_ids=readable,
        terms=terms,
        author_ids=author_ids,
        before=request.before or MAX_SNOWFLAKE,
        after=request.after,
        order=_ORDERS.get(request.order, Order.NEWEST),
        limit=limit,
        offset=request.offset,
    )


def _by_access(missing: Permission) -> bool:
    """Orders what is missing: who may not even view a channel is further from reading it."""
    return bool(missing & Permission.VIEW_CHANNEL)
