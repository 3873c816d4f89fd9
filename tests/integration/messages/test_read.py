"""Reading: pages of the history, and how the people in it are shown."""

import msgspec
import pytest

from beep.messages.v1 import messages_service_pb2 as pb
from beep.users.v1.user_pb2 import User
from services.common.bus import Audience, Envelope
from services.common.errors import InvalidArgument
from tests.integration.messages.harness import ANN, BOB, CHANNEL, OTHER_CHANNEL, SERVER, World

MIDDLE = 5


@pytest.mark.parametrize(
    ("anchor", "limit", "expected"),
    [
        (None, 3, [9, 8, 7]),
        (None, 100, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]),
        ("before", 2, [4, 3]),
        ("after", 2, [7, 6]),
        ("around", 1, [5]),
        ("around", 4, [6, 5, 4, 3]),
        ("around", 5, [7, 6, 5, 4, 3]),
    ],
)
async def test_history_pages_newest_first(world: World, anchor: str | None, limit: int, expected: list[int]) -> None:
    sent = [await world.send(ANN, str(n)) for n in range(10)]
    await world.send(ANN, "elsewhere", channel_id=OTHER_CHANNEL)
    request = pb.ListMessagesRequest(channel_id=CHANNEL, limit=limit)
    if anchor:
        setattr(request, anchor, sent[MIDDLE].id)
    page = (await world.as_user(BOB).ListMessages(request)).messages
    assert [int(message.content) for message in page] == expected


async def test_history_after_zero_begins_with_the_oldest(world: World) -> None:
    for n in range(3):
        await world.send(ANN, str(n))
    request = pb.ListMessagesRequest(channel_id=CHANNEL, limit=2, after=0)
    page = (await world.as_user(BOB).ListMessages(request)).messages
    assert [message.content for message in page] == ["1", "0"]


@pytest.mark.parametrize("limit", [-1, 101])
async def test_history_refuses_a_limit_that_is_out_of_range(world: World, limit: int) -> None:
    with pytest.raises(InvalidArgument):
        await world.as_user(ANN).ListMessages(pb.ListMessagesRequest(channel_id=CHANNEL, limit=limit))


async def test_history_shows_who_deleted_their_account(world: World) -> None:
    await world.send(ANN)
    del world.tables.users[ANN]
    await world.restart()
    [shown] = await world.history()
    assert (shown.author.id, shown.author.username) == (ANN, "Deleted User")


async def test_new_name_is_shown_when_its_event_has_passed(world: World) -> None:
    await world.send(ANN)
    world.tables.users[ANN] = User(id=ANN, username="renamed")
    assert [message.author.username for message in await world.history()] == ["ann"]
    body = msgspec.json.encode({"guild_id": str(SERVER), "user": {"id": str(ANN)}})
    shard = f"server:{SERVER}"
    await world.bus.publish([Envelope(1, shard, "GUILD_MEMBER_UPDATE", body, Audience.SERVER, server_id=SERVER)])
    await world.events(2)
    assert [message.author.username for message in await world.history()] == ["renamed"]
