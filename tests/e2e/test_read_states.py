"""Knowing what one has read: acknowledgements, mention counts, and the newest message of each channel."""

from typing import Any

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS
from tests.support.roles import VIEWER
from tests.support.world import World, assert_hidden


async def acknowledge(who: Api, world: World, message: Any) -> Any:
    return await who.ok("POST", f"{world.channel_path}/messages/{message['id']}/ack", {})


@pytest.mark.story("CHT-17", "GTW-02")
async def test_reading_is_told_to_all_of_ones_sessions_and_to_nobody_else(world: World) -> None:
    await world.everyone(VIEWER)
    here, there, other = [await world.connect(who) for who in (world.member, world.member, world.able)]
    first, second, third = [
        await world.owner.send(world.channel_id, text)
        for text in (f"<@{world.member.user_id}>", "@everyone", f"<@{world.able.user_id}>")
    ]

    assert await acknowledge(world.member, world, first) == {"token": None}
    for session in (here, there):
        told = await session.wait_for("MESSAGE_ACK", lambda d: d["channel_id"] == world.channel_id)
        assert (told["message_id"], told["mention_count"]) == (first["id"], 1)
    # All read; and then, from an older message on, unread again.
    await acknowledge(world.member, world, third)
    await acknowledge(world.member, world, second)
    back = await here.wait_for("MESSAGE_ACK", lambda d: d["message_id"] == second["id"])
    read = await here.wait_for("MESSAGE_ACK", lambda d: d["message_id"] == third["id"])
    assert (read["mention_count"], back["mention_count"]) == (0, 0)
    assert told["version"] < read["version"] < back["version"]
    await world.caught_up(other)
    assert other.of_kind("MESSAGE_ACK") == []


@pytest.mark.story("CHT-17")
async def test_a_role_that_is_mentioned_counts_for_who_holds_it(world: World) -> None:
    await world.everyone(VIEWER)
    role = await world.role("alarmed", P(0), world.member)
    session, other = await world.connect(world.member), await world.connect(world.able)
    first = await world.owner.send(world.channel_id, "hello")
    await world.owner.send(world.channel_id, f"<@&{role}>")
    for who, heard, count in ((world.member, session, 1), (world.able, other, 0)):
        await acknowledge(who, world, first)
        told = await heard.wait_for("MESSAGE_ACK", lambda d: d["message_id"] == first["id"])
        assert told["mention_count"] == count


@pytest.mark.story("CHT-17")
async def test_only_who_may_read_acknowledges(world: World) -> None:
    able, unable, stranger = await world.cast(VIEWER, unable_lacks=P.READ_MESSAGE_HISTORY)
    sent = await world.owner.send(world.channel_id, "hello")
    path = f"{world.channel_path}/messages/{sent['id']}/ack"
    assert await unable.refused("POST", path, {}) == MISSING_PERMISSIONS
    assert await world.member.refused("POST", path, {}) == MISSING_ACCESS
    await assert_hidden(stranger, "POST", path, {})
    await able.ok("POST", path, {})


@pytest.mark.story("CHT-17")
async def test_a_channel_says_what_its_newest_message_is(world: World) -> None:
    quiet = await world.channel("quiet")
    await world.owner.send(world.channel_id, "one")
    last = await world.owner.send(world.channel_id, "two")
    channels = {each["id"]: each for each in await world.owner.ok("GET", f"{world.path}/channels")}
    assert channels[world.channel_id]["last_message_id"] == last["id"]
    assert channels[quiet]["last_message_id"] is None
    assert (await world.owner.ok("GET", world.channel_path))["last_message_id"] == last["id"]
