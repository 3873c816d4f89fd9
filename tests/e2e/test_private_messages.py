"""Direct messages: said to one person, read by the two, heard by nobody else, and silent when one blocks the other."""

import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.api import Api
from tests.support.gateway_client import GatewayClient
from tests.support.world import World, assert_hidden

CANNOT_MESSAGE = (403, 50007)


async def befriend(one: Api, other: Api) -> None:
    """Whatever an earlier test made of them: all worlds have the same people."""
    await one.call("DELETE", f"/users/@me/relationships/{other.user_id}")
    await other.call("DELETE", f"/users/@me/relationships/{one.user_id}")
    await one.ok("PUT", f"/users/@me/relationships/{other.user_id}", {})
    await other.ok("PUT", f"/users/@me/relationships/{one.user_id}", {})


async def direct(one: Api, other: Api) -> str:
    opened = await one.ok("POST", "/users/@me/channels", {"recipient_id": other.user_id})
    return str(opened["id"])


def heard(session: GatewayClient, kind: str, channel_id: str) -> list[Any]:
    return [body for body in session.of_kind(kind) if body["channel_id"] == channel_id]


@pytest.mark.story("CHT-08", "SOC-14", "GTW-02")
async def test_a_direct_message_reaches_the_two_and_nobody_else(world: World) -> None:
    ann, bob, other = world.able, world.unable, world.owner
    await befriend(ann, bob)
    channel = await direct(ann, bob)
    sessions = [await world.connect(who) for who in (ann, bob, other)]
    sent = await ann.send(channel, f"psst, <@{bob.user_id}> <@{other.user_id}> @everyone")
    thumb, messages = quote("\N{THUMBS UP SIGN}"), f"/channels/{channel}/messages"
    await bob.ok("PUT", f"{messages}/{sent['id']}/reactions/{thumb}/@me")
    await bob.ok("PUT", f"{messages}/pins/{sent['id']}")
    await ann.ok("PATCH", f"{messages}/{sent['id']}", {"content": "hush"})
    await ann.ok("DELETE", f"{messages}/{sent['id']}")

    for session in sessions[:2]:
        await session.wait_for("MESSAGE_DELETE", lambda d: d["id"] == sent["id"])
        created, notice = heard(session, "MESSAGE_CREATE", channel)
        assert {key: created[key] for key in sent} == sent
        assert (created["channel_type"], notice["type"]) == (1, 6)
        told = [
            body
            for kind in ("CREATE", "UPDATE", "DELETE", "REACTION_ADD")
            for body in heard(session, f"MESSAGE_{kind}", channel)
        ]
        assert not [body for body in told if {"guild_id", "member"} & body.keys()]
        assert len(heard(session, "CHANNEL_PINS_UPDATE", channel)) == 1
    assert [user["id"] for user in sent["mentions"]] == [bob.user_id]
    assert sent["mention_everyone"] is False
    await world.caught_up(sessions[2])
    assert channel not in json.dumps(sessions[2].dispatches)


@pytest.mark.story("CHT-08", "CHT-12", "CHT-07")
async def test_a_direct_message_is_read_and_searched_by_the_two_only(world: World) -> None:
    ann, bob = world.able, world.unable
    await befriend(ann, bob)
    channel = await direct(ann, bob)
    sent = await ann.send(channel, "a needle")
    messages = f"/channels/{channel}/messages"
    for who in (ann, bob):
        assert (await who.ok("GET", messages))[0]["id"] == sent["id"]
        assert (await who.ok("GET", f"{messages}/search?content=needle"))["messages"][0][0]["id"] == sent["id"]
    calls = (
        ("GET", messages, None),
        ("GET", f"{messages}/search?content=needle", None),
        ("POST", messages, {"content": "let me in"}),
        ("POST", f"{messages}/{sent['id']}/ack", {}),
        ("DELETE", f"{messages}/{sent['id']}", None),
    )
    for method, path, body in calls:
        await assert_hidden(world.owner, method, path, body)


@pytest.mark.story("CHT-17", "SOC-14")
async def test_reading_a_direct_message_is_known(world: World) -> None:
    ann, bob = world.able, world.unable
    await befriend(ann, bob)
    channel = await direct(ann, bob)
    session = await world.connect(bob)
    sent = await ann.send(channel, f"<@{bob.user_id}>")
    await bob.ok("POST", f"/channels/{channel}/messages/{sent['id']}/ack", {})
    told = await session.wait_for("MESSAGE_ACK", lambda d: d["channel_id"] == channel)
    assert (told["message_id"], told["mention_count"]) == (sent["id"], 0)


@pytest.mark.story("SOC-08", "CHT-08")
async def test_neither_writes_once_one_has_blocked_the_other(world: World) -> None:
    ann, bob = world.able, world.member
    await befriend(ann, bob)
    channel = await direct(ann, bob)
    sent = await ann.send(channel, "friends?")
    block = f"/users/@me/relationships/{ann.user_id}"
    world.stack.push_async_callback(bob.call, "DELETE", block)
    await bob.ok("PUT", block, {"type": 2})
    messages = f"/channels/{channel}/messages"
    for who in (ann, bob):
        assert await who.refused("POST", messages, {"content": "hello?"}) == CANNOT_MESSAGE
        assert (await who.ok("GET", messages))[0]["id"] == sent["id"]
