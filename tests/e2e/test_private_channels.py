"""Direct messages and groups, through the public edge (SOC-14)."""

from typing import Any

import pytest

from tests.support.api import Api
from tests.support.circle import CHANNELS, Circle
from tests.support.gateway_client import GatewayClient
from tests.support.newcomer import Newcomer
from tests.support.refusals import (
    BOTS_CANNOT_USE,
    CANNOT_MESSAGE_USER,
    INVALID_FORM,
    INVALID_RECIPIENTS,
    MISSING_PERMISSIONS,
    TAKES_NO_REQUESTS,
    UNKNOWN_CHANNEL,
    UNKNOWN_USER,
    WRONG_CHANNEL_TYPE,
)
from tests.support.world import NOBODYS_ID, assert_hidden

pytestmark = pytest.mark.story("SOC-14")

DIRECT, GROUP = 1, 3
EVENTS = (
    "CHANNEL_CREATE",
    "CHANNEL_UPDATE",
    "CHANNEL_DELETE",
    "CHANNEL_RECIPIENT_ADD",
    "CHANNEL_RECIPIENT_REMOVE",
    "MESSAGE_CREATE",
    "MESSAGE_UPDATE",
    "MESSAGE_DELETE",
    "MESSAGE_REACTION_ADD",
    "CHANNEL_PINS_UPDATE",
    "TYPING_START",
)


def others(channel: Any) -> list[str]:
    return [user["id"] for user in channel["recipients"]]


async def listed(who: Api) -> list[str]:
    return [channel["id"] for channel in await who.ok("GET", CHANNELS)]


async def wait_for_channel(session: GatewayClient, kind: str, channel_id: str, *, start: int = 0) -> Any:
    return await session.wait_for(kind, lambda channel: channel["id"] == channel_id, start=start)


async def test_direct_message_is_one_for_both_and_goes_both_ways(circle: Circle) -> None:
    ada, bob, eve = circle.ada, circle.bob, circle.eve
    at_ada, at_bob, at_eve = [await circle.connect(who) for who in (ada, bob, eve)]
    channel = await circle.direct(ada, bob)
    assert (channel["type"], others(channel), channel["flags"]) == (DIRECT, [bob.user_id], 0)
    assert "guild_id" not in channel
    assert "name" not in channel
    assert (await circle.direct(bob, ada))["id"] == channel["id"]
    assert (await ada.ok("POST", CHANNELS, {"recipients": [bob.user_id]}))["id"] == channel["id"]
    assert others(await bob.ok("GET", f"/channels/{channel['id']}")) == [ada.user_id]
    assert others(await wait_for_channel(at_ada, "CHANNEL_CREATE", channel["id"])) == [bob.user_id]

    sent = await ada.send(channel["id"], "hello")
    for session in (at_ada, at_bob):
        event = await session.wait_for_message(sent)
        assert (event["channel_type"], event["author"]["id"]) == (DIRECT, ada.user_id)
        assert "guild_id" not in event
        assert "member" not in event
    answer = await bob.send(channel["id"], "hello yourself", message_reference={"message_id": sent["id"]})
    await at_ada.wait_for_message(answer)
    assert (await ada.ok("GET", f"/channels/{channel['id']}"))["last_message_id"] == answer["id"]
    await circle.caught_up((eve, at_eve))
    assert circle.told(at_eve, *EVENTS) == []


async def test_everything_in_a_channel_is_open_to_who_takes_part_and_hidden_from_all_others(circle: Circle) -> None:
    ada, bob, eve = circle.ada, circle.bob, circle.eve
    at_bob, at_eve = await circle.connect(bob), await circle.connect(eve)
    path = f"/channels/{(await circle.direct(ada, bob))['id']}"
    message = await ada.send(path.rpartition("/")[2], "between us")
    one = f"{path}/messages/{message['id']}"
    for method, what, body in (
        ("GET", path, None),
        ("GET", f"{path}/messages", None),
        ("GET", one, None),
        ("POST", f"{path}/messages", {"content": "and me"}),
        ("PATCH", one, {"content": "not mine"}),
        ("DELETE", one, None),
        ("PUT", f"{path}/messages/pins/{message['id']}", None),
        ("GET", f"{path}/messages/pins", None),
        ("PUT", f"{one}/reactions/%F0%9F%91%8D/@me", None),
        ("POST", f"{one}/ack", {}),
        ("POST", f"{path}/typing", None),
        ("GET", f"{path}/messages/search?content=between", None),
        ("PUT", f"{path}/recipients/{eve.user_id}", None),
        ("DELETE", f"{path}/recipients/{bob.user_id}", None),
        ("PATCH", path, {"name": "mine"}),
        ("DELETE", path, None),
    ):
        await assert_hidden(eve, method, what, body)

    await bob.ok("PUT", f"{path}/messages/pins/{message['id']}")
    assert [pin["message"]["id"] for pin in (await ada.ok("GET", f"{path}/messages/pins"))["items"]] == [message["id"]]
    await bob.ok("PUT", f"{one}/reactions/%F0%9F%91%8D/@me")
    await ada.ok("POST", f"{path}/typing")
    assert (await at_bob.wait_for("TYPING_START"))["channel_id"] == path.rpartition("/")[2]
    await ada.ok("PATCH", one, {"content": "between the two of us"})
    await at_bob.wait_for("MESSAGE_UPDATE", lambda event: event["content"] == "between the two of us")
    # What one wrote nobody else deletes, nor is there anybody who manages messages here.
    assert (await bob.refused("DELETE", one))[0] == 403
    await ada.ok("DELETE", one)
    await at_bob.wait_for("MESSAGE_DELETE")
    await circle.caught_up((eve, at_eve))
    assert circle.told(at_eve, *EVENTS) == []


async def test_direct_message_comes_into_a_list_with_the_first_message_and_again_after_it_was_closed(
    circle: Circle,
) -> None:
    ada, cy = circle.ada, circle.cy
    at_ada, at_cy = await circle.connect(ada), await circle.connect(cy)
    channel = (await circle.direct(ada, cy))["id"]
    assert (await listed(ada), await listed(cy)) == ([channel], [])
    await circle.caught_up((cy, at_cy))
    assert circle.told(at_cy, "CHANNEL_CREATE") == []

    await ada.send(channel, "hello")
    assert others(await wait_for_channel(at_cy, "CHANNEL_CREATE", channel)) == [ada.user_id]
    assert await listed(cy) == [channel]
    start = len(at_ada.dispatches)
    assert (await ada.ok("DELETE", f"/channels/{channel}"))["id"] == channel
    await wait_for_channel(at_ada, "CHANNEL_DELETE", channel)
    assert (await listed(ada), await listed(cy)) == ([], [channel])

    sent = await cy.send(channel, "are you there?")
    await at_ada.wait_for_message(sent)
    await wait_for_channel(at_ada, "CHANNEL_CREATE", channel, start=start)
    assert await listed(ada) == [channel]
    ready = await (await circle.connect(ada)).wait_for("READY")
    [private] = ready["private_channels"]
    assert (private["id"], others(private), private["last_message_id"]) == (channel, [cy.user_id], sent["id"])

    # Who opens it by hand again is shown what there is to read, too.
    await ada.ok("DELETE", f"/channels/{channel}")
    start = len(at_ada.dispatches)
    await circle.direct(ada, cy)
    assert (await wait_for_channel(at_ada, "CHANNEL_CREATE", channel, start=start))["last_message_id"] == sent["id"]


async def test_private_channel_is_refused_when_it_is_with_nobody_or_not_of_friends(circle: Circle) -> None:
    ada, bob, cy, eve = circle.ada, circle.bob, circle.cy, circle.eve
    await circle.befriend(ada, bob)
    for body, refusal in (
        ({"recipient_id": NOBODYS_ID}, UNKNOWN_USER),
        ({"recipient_id": ada.user_id}, INVALID_RECIPIENTS),
        ({"recipients": []}, INVALID_FORM),
        ({}, INVALID_FORM),
        ({"recipients": [bob.user_id, eve.user_id]}, INVALID_RECIPIENTS),
        ({"recipients": [bob.user_id, cy.user_id]}, INVALID_RECIPIENTS),
        ({"recipients": [NOBODYS_ID, bob.user_id]}, INVALID_RECIPIENTS),
    ):
        assert await ada.refused("POST", CHANNELS, body) == refusal, body


async def test_group_is_of_friends_and_has_a_name_and_an_owner(circle: Circle) -> None:
    ada, bob, cy, eve = circle.ada, circle.bob, circle.cy, circle.eve
    at_bob, at_cy, at_eve = [await circle.connect(who) for who in (bob, cy, eve)]
    group = await circle.group(ada, bob, cy, name="us")
    assert (group["type"], group["name"], group["owner_id"]) == (GROUP, "us", ada.user_id)
    assert others(group) == [bob.user_id, cy.user_id]
    assert others(await wait_for_channel(at_bob, "CHANNEL_CREATE", group["id"])) == [ada.user_id, cy.user_id]
    assert group["id"] in await listed(cy)

    sent = await bob.send(group["id"], f"hello <@{cy.user_id}>")
    event = await at_cy.wait_for_message(sent)
    assert (event["channel_type"], [user["id"] for user in event["mentions"]]) == (GROUP, [cy.user_id])
    await assert_hidden(eve, "GET", f"/channels/{group['id']}")
    await assert_hidden(eve, "POST", f"/channels/{group['id']}/messages", {"content": "me too"})

    renamed = await cy.ok("PATCH", f"/channels/{group['id']}", {"name": "we three"})
    assert renamed["name"] == "we three"
    assert (await wait_for_channel(at_bob, "CHANNEL_UPDATE", group["id"]))["name"] == "we three"
    await circle.caught_up((eve, at_eve))
    assert circle.told(at_eve, *EVENTS) == []


async def test_group_is_made_once_when_its_request_is_repeated(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    await circle.befriend(ada, bob, cy)
    body = {"recipients": [bob.user_id, cy.user_id]}
    key = {"Idempotency-Key": f"group of {ada.user_id}"}
    first, second = [await ada.ok("POST", CHANNELS, body, headers=key) for _ in range(2)]
    assert first["id"] == second["id"]
    assert (await ada.ok("POST", CHANNELS, body))["id"] != first["id"]


async def test_group_grows_by_friends_of_who_takes_part(circle: Circle) -> None:
    ada, bob, cy, eve = circle.ada, circle.bob, circle.cy, circle.eve
    group = (await circle.group(ada, bob, cy))["id"]
    at_ada, at_eve = await circle.connect(ada), await circle.connect(eve)
    path = f"/channels/{group}/recipients/{eve.user_id}"
    assert await bob.refused("PUT", path) == INVALID_RECIPIENTS
    await assert_hidden(eve, "PUT", path)
    await circle.befriend(bob, eve)
    said = await ada.send(group, "shall we bring Eve?")
    await bob.ok("PUT", path)
    shown = await wait_for_channel(at_eve, "CHANNEL_CREATE", group)
    assert others(shown) == [ada.user_id, bob.user_id, cy.user_id]
    # There is something to read for who has just come.
    assert shown["last_message_id"] == said["id"]
    added = await at_ada.wait_for("CHANNEL_RECIPIENT_ADD", lambda event: event["channel_id"] == group)
    assert added["user"]["id"] == eve.user_id
    sent = await eve.send(group, "thank you")
    await at_ada.wait_for_message(sent)


async def test_owner_alone_sends_somebody_out_who_then_sees_nothing(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    group = (await circle.group(ada, bob, cy))["id"]
    at_bob, at_cy = await circle.connect(bob), await circle.connect(cy)
    assert await bob.refused("DELETE", f"/channels/{group}/recipients/{cy.user_id}") == MISSING_PERMISSIONS
    await ada.ok("DELETE", f"/channels/{group}/recipients/{bob.user_id}")
    hidden = await ada.send(group, "without bob")
    await at_cy.wait_for_message(hidden)
    gone = await at_cy.wait_for("CHANNEL_RECIPIENT_REMOVE")
    assert (gone["channel_id"], gone["user"]["id"]) == (group, bob.user_id)
    await circle.caught_up((bob, at_bob))
    assert [kind for kind, _ in circle.told(at_bob, *EVENTS)] == ["CHANNEL_DELETE"]
    await assert_hidden(bob, "GET", f"/channels/{group}")
    await assert_hidden(bob, "GET", f"/channels/{group}/messages")
    assert group not in await listed(bob)


async def test_owner_who_leaves_hands_the_group_on(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    group = (await circle.group(ada, bob, cy))["id"]
    at_ada, at_cy = await circle.connect(ada), await circle.connect(cy)
    await ada.ok("DELETE", f"/channels/{group}")
    await wait_for_channel(at_ada, "CHANNEL_DELETE", group)
    assert (await wait_for_channel(at_cy, "CHANNEL_UPDATE", group))["owner_id"] == bob.user_id
    await assert_hidden(ada, "GET", f"/channels/{group}")
    for who in (bob, cy):
        await who.ok("DELETE", f"/channels/{group}")
    assert await bob.refused("GET", f"/channels/{group}") == UNKNOWN_CHANNEL


async def test_direct_message_is_of_the_same_two_for_ever(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    await circle.befriend(ada, cy)
    path = f"/channels/{(await circle.direct(ada, bob))['id']}"
    assert await ada.refused("PUT", f"{path}/recipients/{cy.user_id}") == WRONG_CHANNEL_TYPE
    assert await ada.refused("DELETE", f"{path}/recipients/{bob.user_id}") == WRONG_CHANNEL_TYPE
    assert await ada.refused("PATCH", path, {"name": "us"}) == WRONG_CHANNEL_TYPE


async def test_bot_writes_to_a_person_and_is_answered_and_makes_no_groups(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    made = await ada.ok("POST", "/api/beep/v1/bots", {"name": "helper"})
    bot = Api(circle.beep.url, f"Bot {made['token']}", user_id=made["bot"]["id"])
    await circle.stack.enter_async_context(bot)
    at_bot, at_bob = await circle.connect(bot), await circle.connect(bob)
    channel = (await circle.direct(bot, bob))["id"]
    sent = await bot.send(channel, "beep")
    assert (await at_bob.wait_for_message(sent))["author"]["bot"] is True
    await wait_for_channel(at_bob, "CHANNEL_CREATE", channel)
    answer = await bob.send(channel, "boop")
    event = await at_bot.wait_for_message(answer)
    assert (event["channel_type"], event["content"]) == (DIRECT, "boop")
    assert at_bot.of_kind("CHANNEL_CREATE") == []
    ready = await at_bot.wait_for("READY")
    assert ready.get("private_channels", []) == []

    assert await bot.refused("POST", CHANNELS, {"recipients": [bob.user_id, cy.user_id]}) == BOTS_CANNOT_USE
    await circle.befriend(ada, bob)
    assert await ada.refused("POST", CHANNELS, {"recipients": [bob.user_id, bot.user_id]}) == INVALID_RECIPIENTS
    group = (await circle.group(cy, bob, ada))["id"]
    assert await cy.refused("PUT", f"/channels/{group}/recipients/{bot.user_id}") == INVALID_RECIPIENTS
    # To who blocks it, it is silent as any other.
    await bob.ok("PUT", f"/users/@me/relationships/{bot.user_id}", {"type": 2})
    assert await bot.refused("POST", f"/channels/{channel}/messages", {"content": "?"}) == CANNOT_MESSAGE_USER


@pytest.mark.story("ACC-08")
async def test_direct_message_of_a_deleted_user_stays_and_their_seat_in_a_group_goes(circle: Circle) -> None:
    ada, bob = circle.ada, circle.bob
    async with Newcomer.at(circle.beep.url, "leaver") as newcomer:
        account = await newcomer.become_user()
    leaver = await circle.stack.enter_async_context(Api(circle.beep.url, account.token, user_id=account.user_id))
    circle.names[leaver.user_id] = account.username
    group = (await circle.group(ada, leaver, bob))["id"]
    direct = (await circle.direct(leaver, ada))["id"]
    await leaver.send(direct, "farewell")
    at_ada = await circle.connect(ada)
    await leaver.ok("DELETE", "/api/beep/v1/account", {"password": account.password})

    assert leaver.user_id not in await circle.relationships(ada)
    await at_ada.wait_for("RELATIONSHIP_REMOVE", lambda gone: gone["id"] == leaver.user_id)
    await at_ada.wait_for("CHANNEL_RECIPIENT_REMOVE", lambda gone: gone["user"]["id"] == leaver.user_id)
    assert others(await ada.ok("GET", f"/channels/{group}")) == [bob.user_id]
    [shown] = (await ada.ok("GET", f"/channels/{direct}"))["recipients"]
    assert (shown["id"], shown["global_name"]) == (leaver.user_id, "Deleted User")
    [farewell] = await ada.ok("GET", f"/channels/{direct}/messages")
    assert (farewell["content"], farewell["author"]["global_name"]) == ("farewell", "Deleted User")
    assert await ada.refused("POST", f"/channels/{direct}/messages", {"content": "?"}) == CANNOT_MESSAGE_USER
    assert await ada.refused("PUT", f"/users/@me/relationships/{leaver.user_id}", {}) == TAKES_NO_REQUESTS
