"""What only `messages` knows of a channel: its newest message."""

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from beep.messages.v1.messages_service_pb2 import ListLastMessagesRequest
from services.common.errors import DeadlineExceeded, Internal, Unavailable
from services.rest.request import ApiRequest

if TYPE_CHECKING:
    from beep.servers.v1.channel_pb2 import Channel

logger = logging.getLogger(__name__)


async def last_messages(request: ApiRequest, channel_ids: Sequence[int]) -> dict[int, int]:
    """The newest message of each of these channels that has one."""
    try:
        answer = await request.services.messages.ListLastMessages(ListLastMessagesRequest(channel_ids=channel_ids))
    except (Unavailable, DeadlineExceeded, Internal) as error:
        # A channel can be shown and opened while nobody knows what was said in it last.
        logger.warning("last_messages_unknown", extra={"error": error})
        return {}
    return {each.channel_id: each.message_id for each in answer.last_messages}


async def fill_in_last_messages(request: ApiRequest, channels: "Sequence[Channel]") -> None:
    """Set `last_message_id` of a server's channels or threads."""
    last = await last_messages(request, [channel.id for channel in channels])
    for channel in channels:
        channel.last_message_id = last.get(channel.id, 0)
