"""Searching: where one may read, and with the people and the answered messages that belong to what is found."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from beep.messages.v1 import messages_service_pb2 as pb
from services.common.errors import InvalidArgument, NotFound, PermissionDenied
from services.common.permissions import Permission
from services.messages.config import DATABASE
from services.messages.indexing import PAUSE_SECONDS
from tests.integration.messages.harness import (
    ANN,
    BOB,
    CATEGORY,
    CHANNEL,
    OTHER_CHANNEL,
    READER,
    SERVER,
    STRANGER,
    World,
)


async def search(world: World, user_id: int, content: str = "", **fields: Any) -> pb.SearchMessagesResponse:
    request = pb.SearchMessagesRequest(**{"server_id": SERVER, "content": content} | fields)
    return await world.as_user(user_id).SearchMessages(request)


async def found(world: World, user_id: int, content: str = "", **fields: Any) -> list[str]:
    return [message.content for message in (await search(world, user_id, content, **fields)).messages]


async def test_search_finds_in_all_channels_with_people_and_answered_messages(world: World) -> None:
    first = await world.send(ANN, "apple")
    await world.send(BOB, "apple too", reply_to_message_id=first.id)
    there = await world.send(ANN, "pear", channel_id=OTHER_CHANNEL)
    await world.send(BOB, "an apple there", channel_id=OTHER_CHANNEL, reply_to_message_id=there.id)
    answer = await search(world, BOB, "apple")
    assert [message.content for message in answer.messages] == ["an apple there", "apple too", "apple"]
    assert [message.author.username for message in answer.messages] == ["bob", "bob", "ann"]
    assert [message.referenced_message.content for message in answer.messages] == ["pear", "apple", ""]
    assert answer.total == 3


async def test_search_asks_servers_for_the_channels_unless_some_are_named(world: World) -> None:
    await world.send(ANN, "apple")
    await search(world, ANN, "apple")
    await search(world, ANN, "apple", channel_ids=[CHANNEL])
    # Channels that are named need not be listed.
    assert world.tables.asked["ListChannels"] == 1


@pytest.mark.parametrize(
    ("right", "refusal"),
    [
        (Permission(0), "MISSING_ACCESS"),
        (Permission.VIEW_CHANNEL, "MISSING_PERMISSIONS"),
        (Permission.READ_MESSAGE_HISTORY, "MISSING_ACCESS"),
    ],
)
@pytest.mark.parametrize("named", [[], [CHANNEL]])
async def test_search_is_refused_to_who_may_read_none_of_the_channels(
    world: World, right: Permission, refusal: str, named: list[int]
) -> None:
    await world.grant(BOB, right)
    await world.send(ANN, "apple")
    for content in ("apple", "", "?"):
        with pytest.raises(PermissionDenied) as refused:
            await search(world, BOB, content, channel_ids=named)
        assert refused.value.reason == refusal
    await world.grant(BOB, READER)
    assert await found(world, BOB, "apple", channel_ids=named) == ["apple"]


async def test_search_hides_the_server_from_who_is_no_member(world: World) -> None:
    await world.send(ANN, "apple")
    for user_id, server_id in ((STRANGER, SERVER), (ANN, SERVER + 50)):
        for named in ([], [CHANNEL]):
            with pytest.raises(NotFound) as refused:
                await search(world, user_id, "apple", server_id=server_id, channel_ids=named)
            assert refused.value.reason == "UNKNOWN_SERVER"


async def test_search_knows_no_channel_of_another_server(world: World) -> None:
    with pytest.raises(NotFound) as refused:
        await search(world, ANN, channel_ids=[CHANNEL, 999])
    assert refused.value.reason == "UNKNOWN_CHANNEL"
    assert await found(world, ANN, channel_ids=[CATEGORY]) == []


@pytest.mark.parametrize(
    "fields", [{"limit": 26}, {"limit": -1}, {"offset": -1}, {"offset": 9_976}, {"content": "x" * 1_025}]
)
async def test_search_refuses_what_is_out_of_range(world: World, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgument):
        await search(world, ANN, **fields)


async def test_search_pages_in_the_order_asked_for(world: World) -> None:
    sent = [await world.send(ANN, f"apple {n}") for n in range(5)]
    assert await found(world, BOB, "apple", limit=2, offset=1) == ["apple 3", "apple 2"]
    assert await found(world, BOB, "apple", limit=2, order=pb.SEARCH_ORDER_OLDEST) == ["apple 0", "apple 1"]
    assert await found(world, BOB, "apple", before=sent[3].id, after=sent[1].id) == ["apple 2"]
    assert await found(world, BOB, "apple", author_ids=[BOB]) == []
    assert len(await found(world, BOB, "apple", order=pb.SEARCH_ORDER_RELEVANCE)) == 5


async def test_what_was_said_is_indexed_by_the_job_when_nobody_searches(world: World, data_dir: Path) -> None:
    await world.send(ANN, "apple one")
    with closing(sqlite3.connect(data_dir / DATABASE)) as beside:
        async with asyncio.timeout(20):
            while beside.execute("SELECT 1 FROM unindexed").fetchone():
                world.clock.advance(PAUSE_SECONDS)
                # A round through the store, while which the job does its own.
                await world.history()
    await world.send(ANN, "apple two")
    await world.restart()
    assert await found(world, BOB, "apple") == ["apple two", "apple one"]
