"""Where somebody may search: a channel that they may not read is as if nothing had been said there."""

from collections.abc import Mapping
from typing import Final

from beep.messages.v1 import messages_service_pb2 as pb
from services.common.authorization import Access
from services.common.errors import NotFound
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.channels import Channels
from services.messages.domain import search
from services.messages.domain.search import Has, Order, Search

READS: Final = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY

_ORDERS: Final[Mapping[int, Order]] = {
    pb.SEARCH_ORDER_UNSPECIFIED: Order.NEWEST,
    pb.SEARCH_ORDER_NEWEST: Order.NEWEST,
    pb.SEARCH_ORDER_OLDEST: Order.OLDEST,
    pb.SEARCH_ORDER_RELEVANCE: Order.RELEVANCE,
}
_HAS: Final[Mapping[int, Has]] = {
    pb.SEARCH_HAS_FILE: Has.FILE,
    pb.SEARCH_HAS_IMAGE: Has.IMAGE,
    pb.SEARCH_HAS_EMBED: Has.EMBED,
    pb.SEARCH_HAS_LINK: Has.LINK,
}


async def permitted(
    request: pb.SearchMessagesRequest, user_id: int, *, access: Access, channels: Channels
) -> Search | None:
    """The search that is asked for, in the channels that this user may read; None if it can find nothing.

    Raises:
        InvalidForm: it is not one.
        NotFound: UNKNOWN_SERVER; UNKNOWN_CHANNEL: a channel that is named is not one of the server's, or not for this
            user to know.
        PermissionDenied: a channel that is named may not be read, or none of the server's.
    """
    terms = search.parse_terms(request.content)
    limit = search.check_page(request.limit, request.offset)
    named, author_ids = frozenset(request.channel_ids), frozenset(request.author_ids)
    mentioned_ids = frozenset(request.mentioned_user_ids)
    search.check_filters(named, author_ids, mentioned_ids)
    if request.in_channel_id:
        await access.in_channel(user_id, request.in_channel_id, required=READS)
        readable = frozenset({request.in_channel_id})
    else:
        readable = await _readable(named, request.server_id, user_id, access, channels)
    if terms is None:
        return None
    return Search(
        channel_ids=readable,
        terms=terms,
        author_ids=author_ids,
        mentioned_ids=mentioned_ids,
        has=frozenset(_HAS[has] for has in request.has if has in _HAS),
        pinned=request.pinned if request.HasField("pinned") else None,
        before=request.before or MAX_SNOWFLAKE,
        after=request.after,
        order=_ORDERS.get(request.order, Order.NEWEST),
        limit=limit,
        offset=request.offset,
    )


async def _readable(
    named: frozenset[int], server_id: int, user_id: int, access: Access, channels: Channels
) -> frozenset[int]:
    """Those of the server's channels (of those that are named, if any are) whose past the user may read."""
    asked = sorted(named) or await channels.holding_messages(server_id)
    held = await access.permissions(user_id, server_id, asked, wanted=READS)
    missing = {each.channel_id: READS & ~Permission(each.permissions) for each in held.channels}
    if named - missing.keys():
        raise NotFound("UNKNOWN_CHANNEL", "Unknown channel.")
    readable = frozenset(channel_id for channel_id, lacks in missing.items() if not lacks)
    refused = missing.keys() - readable
    if named and refused:
        # Whoever may not even view a channel is further from reading it: that is what they are told.
        by_access = sorted(refused, key=lambda channel_id: not missing[channel_id] & Permission.VIEW_CHANNEL)
        return readable | await _decided(by_access, user_id, access)
    if refused and not readable:
        nearest = min(refused, key=lambda channel_id: bool(missing[channel_id] & Permission.VIEW_CHANNEL))
        return await _decided([nearest], user_id, access)
    return readable


async def _decided(channel_ids: list[int], user_id: int, access: Access) -> frozenset[int]:
    """Refuse with a decision that can be looked up; what was granted in this very moment counts as granted."""
    for channel_id in channel_ids:
        await access.in_channel(user_id, channel_id, required=READS)
    return frozenset(channel_ids)
