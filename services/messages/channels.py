"""Which channels there are, and which of them hold messages: all but categories, which hold channels."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from beep.servers.v1.channel_pb2 import CHANNEL_TYPE_CATEGORY
from beep.servers.v1.channels_service_pb2 import GetChannelRequest, ListChannelsRequest
from services.messages.domain.errors import WrongChannelType

if TYPE_CHECKING:
    from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub

CHANNELS_KEPT: Final = 20_000


class Channels:
    """Asks `servers`; once for each channel, because none changes between a category and another type."""

    def __init__(self, servers: "ChannelsServiceAsyncStub") -> None:
        self._servers = servers
        self._holds_messages: OrderedDict[int, bool] = OrderedDict()

    async def require_messages(self, channel_id: int) -> None:
        """Raises WrongChannelType; NotFound UNKNOWN_CHANNEL if the channel is just being deleted."""
        holds = self._holds_messages.get(channel_id)
        if holds is None:
            answer = await self._servers.GetChannel(GetChannelRequest(channel_id=channel_id))
            holds = self._holds_messages[channel_id] = answer.channel.type != CHANNEL_TYPE_CATEGORY
            if len(self._holds_messages) > CHANNELS_KEPT:
                self._holds_messages.popitem(last=False)
        if not holds:
            raise WrongChannelType

    async def holding_messages(self, server_id: int) -> list[int]:
        """The ids of the server's channels, whoever may view them. Raises NotFound UNKNOWN_SERVER.

        Asked anew each time: `servers` reads one row for it, and a list that is kept would have to follow events.
        """
        answer = await self._servers.ListChannels(ListChannelsRequest(server_id=server_id))
        return [channel.id for channel in answer.channels if channel.type != CHANNEL_TYPE_CATEGORY]
