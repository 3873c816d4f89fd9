"""What `users` asks `messages`, who knows what is said in private channels."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from beep.messages.v1.messages_service_pb2 import ListLastMessagesRequest
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from beep.messages.v1.read_states_service_pb2 import ForgetReaderRequest
from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceStub
from services.common.errors import BeepError, Unavailable
from services.common.rpc import Channel

if TYPE_CHECKING:
    from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub

MESSAGES: Final = "messages"

logger = logging.getLogger(__name__)


class Messages:
    def __init__(self, peers: Mapping[str, Channel]) -> None:
        """`peers`: looked into at each call, as `messages` starts after `users`."""
        self._peers = peers

    async def newest_in(self, channel_id: int) -> int:
        """The id of the newest message; 0: there is none, or nobody can tell now. Nothing waits for it to be known:
        to who is shown the channel it is a number that the next message replaces."""
        try:
            answer = await self._stub().ListLastMessages(ListLastMessagesRequest(channel_ids=[channel_id]))
        except (BeepError, TimeoutError) as error:
            logger.warning("newest_message_unknown", extra={"channel_id": channel_id, "error": error})
            return 0
        return max((last.message_id for last in answer.last_messages), default=0)

    async def forget_reader(self, user_id: int) -> None:
        """What somebody has read goes. May be repeated.

        Raises:
            Unavailable: messages are not there.
        """
        await ReadStatesServiceStub(self._channel()).ForgetReader(ForgetReaderRequest(user_id=user_id))

    def _stub(self) -> "MessagesServiceAsyncStub":
        return MessagesServiceStub(self._channel())

    def _channel(self) -> Channel:
        channel = self._peers.get(MESSAGES)
        if channel is None:
            raise Unavailable("MESSAGES_NOT_STARTED", "Messages are not there yet.")
        return channel
