"""What kind of channel somebody sends to: whether it holds messages, how fast one may send there, who takes part."""

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from beep.servers.v1.channel_pb2 import CHANNEL_TYPE_CATEGORY
from beep.servers.v1.channels_service_pb2 import ListChannelsRequest
from beep.servers.v1.threads_service_pb2 import UpdateThreadRequest
from beep.users.v1.private_channels_service_pb2 import GetPrivateChannelRequest
from services.messages.directory import Directory
from services.messages.domain.errors import WrongChannelType
from services.messages.domain.place import Place
from services.wire.private_channel import TYPE_NUMBERS

if TYPE_CHECKING:
    from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub
    from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub
    from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceAsyncStub

PRIVATE_CHANNELS_KEPT: Final = 20_000


class Channels:
    """Asks `servers` and `users`, who own the channels."""

    def __init__(
        self,
        servers: "ChannelsServiceAsyncStub",
        threads: "ThreadsServiceAsyncStub",
        users: "PrivateChannelsServiceAsyncStub",
        directory: Directory,
    ) -> None:
        self._servers = servers
        self._threads = threads
        self._users = users
        self._directory = directory
        # For good: a direct message never becomes a group.
        self._types: OrderedDict[int, int] = OrderedDict()

    async def slow_mode_ms(self, place: Place) -> int:
        """How long an author waits between two messages in this channel of a server; 0: not at all.

        Raises:
            WrongChannelType: no messages are sent there: categories hold channels.
            NotFound: UNKNOWN_CHANNEL, if it is just being deleted.
        """
        channel = await self._directory.channel(place.server_id, place.channel_id)
        if channel.type == CHANNEL_TYPE_CATEGORY:
            raise WrongChannelType
        return channel.rate_limit_per_user * 1000

    async def type_number(self, place: Place) -> int | None:
        """Discord's number of a private channel's type; None for all others: their clients know it already."""
        if not place.is_private:
            return None
        number = self._types.get(place.channel_id)
        if number is None:
            answer = await self._users.GetPrivateChannel(GetPrivateChannelRequest(channel_id=place.channel_id))
            number = self._types[place.channel_id] = TYPE_NUMBERS[answer.channel.type]
            if len(self._types) > PRIVATE_CHANNELS_KEPT:
                self._types.popitem(last=False)
        return number

    async def unarchive(self, thread_id: int) -> None:
        """Whoever may write in an archived thread brings it back. Raises what `servers` answers."""
        await self._threads.UpdateThread(UpdateThreadRequest(thread_id=thread_id, archived=False))

    async def holding_messages(self, server_id: int) -> list[int]:
        """The ids of the server's channels, whoever may view them. Raises NotFound UNKNOWN_SERVER.

        Asked anew each time: `servers` reads one row for it, and a list that is kept would have to follow events.
        """
        answer = await self._servers.ListChannels(ListChannelsRequest(server_id=server_id))
        return [channel.id for channel in answer.channels if channel.type != CHANNEL_TYPE_CATEGORY]
