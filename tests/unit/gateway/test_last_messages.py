"""The newest messages are asked for once, and again where something has happened."""

from beep.messages.v1.messages_service_pb2 import LastMessage, ListLastMessagesRequest, ListLastMessagesResponse
from beep.servers.v1.channel_pb2 import Channel
from services.common.errors import Unavailable
from services.gateway.last_messages import LastMessages

SERVER = 1
CHANNELS = [Channel(id=2), Channel(id=3), Channel(id=4, parent_id=2)]


class Messages:
    """Stands in for the stub: what it was asked for, and what it knows."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.newest = {2: 20}
        self.answers = True

    async def ListLastMessages(self, request: ListLastMessagesRequest) -> ListLastMessagesResponse:
        self.asked.append(sorted(request.channel_ids))
        if not self.answers:
            raise Unavailable("DOWN")
        found = [
            LastMessage(channel_id=id, message_id=self.newest[id]) for id in request.channel_ids if id in self.newest
        ]
        return ListLastMessagesResponse(last_messages=found)


async def test_channels_are_asked_for_again_only_when_something_was_posted_there() -> None:
    messages = Messages()
    last = LastMessages(messages)  # type: ignore[arg-type]  # as much of a stub as is called
    first = await last.of(SERVER, CHANNELS)
    assert first == {2: 20, 3: 0, 4: 0}
    assert await last.of(SERVER, CHANNELS) is first
    messages.newest = {2: 20, 4: 40}
    last.note(SERVER, 2)
    assert await last.of(SERVER, CHANNELS) == {2: 20, 3: 0, 4: 40}
    assert messages.asked == [[2, 3, 4], [2, 4]]


async def test_channels_are_left_out_and_asked_for_again_when_nobody_answers() -> None:
    messages = Messages()
    messages.answers = False
    last = LastMessages(messages)  # type: ignore[arg-type]  # as much of a stub as is called
    assert await last.of(SERVER, CHANNELS) == {}
    messages.answers = True
    assert await last.of(SERVER, CHANNELS) == {2: 20, 3: 0, 4: 0}


async def test_nothing_is_kept_of_a_server_that_is_not_followed() -> None:
    messages = Messages()
    last = LastMessages(messages)  # type: ignore[arg-type]  # as much of a stub as is called
    await last.of(SERVER, CHANNELS)
    last.forget(SERVER)
    last.note(SERVER, 2)
    messages.newest = {3: 30}
    assert await last.of(SERVER, CHANNELS) == {2: 0, 3: 30, 4: 0}
