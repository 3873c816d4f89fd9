"""Friends, requests and blocks, through the public edge: what the two do and are told, and that a third is not."""

import pytest

from tests.support.api import Api
from tests.support.circle import RELATIONSHIPS, Circle, relationship_with
from tests.support.refusals import (
    ALREADY_FRIENDS,
    BLOCKED_BY_CALLER,
    BOTS_CANNOT_USE,
    CANNOT_MESSAGE_USER,
    INVALID_FORM,
    NO_RELATIONSHIP,
    REQUEST_TO_SELF,
    TAKES_NO_REQUESTS,
    UNKNOWN_USER,
    UNKNOWN_USERNAME,
)
from tests.support.world import NOBODYS_ID

FRIEND, BLOCKED, INCOMING, OUTGOING = 1, 2, 3, 4
EVENTS = ("RELATIONSHIP_ADD", "RELATIONSHIP_REMOVE", "CHANNEL_CREATE", "CHANNEL_DELETE", "MESSAGE_CREATE")


async def bot_of(circle: Circle, owner: Api) -> Api:
    made = await owner.ok("POST", "/api/beep/v1/bots", {"name": "helper"})
    bot = Api(circle.beep.url, f"Bot {made['token']}", user_id=made["bot"]["id"])
    return await circle.stack.enter_async_context(bot)


@pytest.mark.story("SOC-01", "SOC-02")
async def test_request_by_username_is_listed_by_both_and_told_to_them_alone(circle: Circle) -> None:
    ada, bob, eve = circle.ada, circle.bob, circle.eve
    at_ada, at_bob, at_eve = [await circle.connect(who) for who in (ada, bob, eve)]
    await circle.ask(ada, bob)

    [sent], [received] = await ada.ok("GET", RELATIONSHIPS), await bob.ok("GET", RELATIONSHIPS)
    assert (sent["id"], sent["type"], sent["user"]["username"]) == (bob.user_id, OUTGOING, circle.names[bob.user_id])
    assert (received["id"], received["type"], received["nickname"]) == (ada.user_id, INCOMING, None)
    assert await at_ada.wait_for("RELATIONSHIP_ADD") == sent
    assert await at_bob.wait_for("RELATIONSHIP_ADD") == received
    await circle.caught_up((eve, at_eve))
    assert circle.told(at_eve, *EVENTS) == []
    assert await circle.relationships(eve) == {}

    # Somebody who comes now knows it from the beginning.
    ready = await (await circle.connect(bob)).wait_for("READY")
    assert ready["relationships"] == [received]


@pytest.mark.story("SOC-01")
async def test_request_is_refused_when_it_can_be_to_nobody(circle: Circle) -> None:
    ada, bob = circle.ada, circle.bob
    assert await ada.refused("POST", RELATIONSHIPS, {"username": "nobody_at_all"}) == UNKNOWN_USERNAME
    assert await ada.refused("POST", RELATIONSHIPS, {"username": circle.names[ada.user_id]}) == REQUEST_TO_SELF
    assert await ada.refused("POST", RELATIONSHIPS, {"username": ""}) == INVALID_FORM
    assert await ada.refused("PUT", f"{RELATIONSHIPS}/{NOBODYS_ID}", {}) == UNKNOWN_USER
    assert await ada.refused("PUT", relationship_with(bob), {"type": 3}) == INVALID_FORM
    await circle.befriend(ada, bob)
    assert await ada.refused("PUT", relationship_with(bob), {}) == ALREADY_FRIENDS


@pytest.mark.story("SOC-01", "SOC-02", "SOC-08")
async def test_bots_have_no_friends(circle: Circle) -> None:
    bot = await bot_of(circle, circle.eve)
    other = relationship_with(circle.bob)
    for method, path, body in (
        ("GET", RELATIONSHIPS, None),
        ("POST", RELATIONSHIPS, {"username": circle.names[circle.bob.user_id]}),
        ("PUT", other, {}),
        ("PUT", other, {"type": 2}),
        ("DELETE", other, None),
    ):
        assert await bot.refused(method, path, body) == BOTS_CANNOT_USE
    assert await circle.ada.refused("PUT", relationship_with(bot), {}) == TAKES_NO_REQUESTS


@pytest.mark.story("SOC-03", "SOC-06")
async def test_only_who_was_asked_can_accept(circle: Circle) -> None:
    ada, bob, eve = circle.ada, circle.bob, circle.eve
    at_ada, at_bob = await circle.connect(ada), await circle.connect(bob)
    await circle.ask(ada, bob)
    for third in (relationship_with(ada), relationship_with(bob)):
        assert await eve.refused("PUT", third, {"type": 1}) == NO_RELATIONSHIP
    assert await ada.refused("PUT", relationship_with(bob), {"type": 1}) == NO_RELATIONSHIP
    assert await circle.relationships(ada) == {bob.user_id: OUTGOING}

    await bob.ok("PUT", relationship_with(ada), {"type": 1})
    assert await circle.relationships(ada) == {bob.user_id: FRIEND}
    assert await circle.relationships(bob) == {ada.user_id: FRIEND}
    assert await circle.relationships(eve) == {}
    for session in (at_ada, at_bob):
        await session.wait_for("RELATIONSHIP_ADD", lambda added: added["type"] == FRIEND)


@pytest.mark.story("SOC-01", "SOC-03")
async def test_requests_that_cross_make_friends_at_once(circle: Circle) -> None:
    await circle.ask(circle.ada, circle.bob)
    await circle.ask(circle.bob, circle.ada)
    assert await circle.relationships(circle.ada) == {circle.bob.user_id: FRIEND}


@pytest.mark.story("SOC-04", "SOC-05", "SOC-07")
@pytest.mark.parametrize(
    ("who", "are_friends"), [("bob", False), ("ada", False), ("bob", True)], ids=["decline", "cancel", "unfriend"]
)
async def test_either_ends_what_there_is_and_a_third_cannot(circle: Circle, who: str, are_friends: bool) -> None:
    ada, bob, eve = circle.ada, circle.bob, circle.eve
    at_ada, at_bob = await circle.connect(ada), await circle.connect(bob)
    await circle.ask(ada, bob)
    if are_friends:
        await bob.ok("PUT", relationship_with(ada), {})
    before = await circle.relationships(ada), await circle.relationships(bob)
    for third in (relationship_with(ada), relationship_with(bob)):
        assert await eve.refused("DELETE", third) == NO_RELATIONSHIP
    assert (await circle.relationships(ada), await circle.relationships(bob)) == before

    actor, other = (bob, ada) if who == "bob" else (ada, bob)
    await actor.ok("DELETE", relationship_with(other))
    assert await circle.relationships(ada) == await circle.relationships(bob) == {}
    assert await at_ada.wait_for("RELATIONSHIP_REMOVE") == {"id": bob.user_id, "type": before[0][bob.user_id]}
    assert await at_bob.wait_for("RELATIONSHIP_REMOVE") == {"id": ada.user_id, "type": before[1][ada.user_id]}
    assert await actor.refused("DELETE", relationship_with(other)) == NO_RELATIONSHIP
    assert await bob.refused("PUT", relationship_with(ada), {"type": 1}) == NO_RELATIONSHIP


@pytest.mark.story("SOC-08")
async def test_block_ends_the_friendship_and_the_blocked_is_not_told_of_it(circle: Circle) -> None:
    ada, bob = circle.ada, circle.bob
    await circle.befriend(ada, bob)
    at_ada, at_bob = await circle.connect(ada), await circle.connect(bob)
    await bob.ok("PUT", relationship_with(ada), {"type": 2})
    assert await circle.relationships(bob) == {ada.user_id: BLOCKED}
    assert await circle.relationships(ada) == {}
    assert (await at_bob.wait_for("RELATIONSHIP_ADD"))["type"] == BLOCKED
    await circle.caught_up((ada, at_ada))
    assert circle.told(at_ada, *EVENTS) == [("RELATIONSHIP_REMOVE", {"id": bob.user_id, "type": FRIEND})]
    assert "block" not in str(await at_ada.wait_for("READY"))

    # Asking again is refused as by somebody who takes no requests at all.
    refused = await ada.call("PUT", relationship_with(bob), {})
    of_a_bot = await ada.call("PUT", relationship_with(await bot_of(circle, circle.eve)), {})
    assert (refused.status_code, refused.json()) == (of_a_bot.status_code, of_a_bot.json())
    by_name = await ada.call("POST", RELATIONSHIPS, {"username": circle.names[bob.user_id]})
    assert (by_name.status_code, by_name.json()) == (refused.status_code, refused.json())
    # Nobody lifts the block of somebody else, and who has blocked does not ask.
    assert await ada.refused("DELETE", relationship_with(bob)) == NO_RELATIONSHIP
    assert await bob.refused("PUT", relationship_with(ada), {}) == BLOCKED_BY_CALLER
    await bob.ok("DELETE", relationship_with(ada))
    await circle.ask(ada, bob)


@pytest.mark.story("SOC-08", "SOC-14")
async def test_block_holds_for_direct_messages_of_both_from_its_acknowledgement_on(circle: Circle) -> None:
    ada, bob = circle.ada, circle.bob
    channel = await circle.direct(ada, bob)
    hello = await ada.send(channel["id"], "hello")
    at_ada, at_bob = await circle.connect(ada), await circle.connect(bob)
    await bob.ok("PUT", relationship_with(ada), {"type": 2})
    messages = f"/channels/{channel['id']}/messages"
    refusals = [await who.call("POST", messages, {"content": "still there?"}) for who in (ada, bob)]
    assert [(each.status_code, each.json()["code"]) for each in refusals] == [CANNOT_MESSAGE_USER] * 2
    # Not even the form of the refusal says whose block it is.
    assert refusals[0].json()["message"] == refusals[1].json()["message"]
    assert (await ada.ok("GET", messages))[0]["content"] == "hello"
    assert (await circle.direct(ada, bob))["id"] == channel["id"]
    # Whatever says something new is silent; what one has said oneself one may take back.
    one = f"{messages}/{hello['id']}"
    for method, path, body in (
        ("PATCH", one, {"content": "do not ignore me"}),
        ("PUT", f"{one}/reactions/%F0%9F%91%8E/@me", None),
        ("PUT", f"/channels/{channel['id']}/messages/pins/{hello['id']}", None),
        ("POST", f"/channels/{channel['id']}/typing", None),
    ):
        assert await ada.refused(method, path, body) == CANNOT_MESSAGE_USER, path
    # Before its bytes are taken, a file is refused in the same words.
    assert await ada.refused("POST", messages, files={"files[0]": ("a.txt", b"?")}) == CANNOT_MESSAGE_USER
    await ada.ok("DELETE", one)
    await at_bob.wait_for("MESSAGE_DELETE", lambda event: event["id"] == hello["id"])

    await bob.ok("DELETE", relationship_with(ada))
    again = await ada.send(channel["id"], "and now")
    await at_bob.wait_for_message(again)
    assert [message["content"] for message in at_bob.of_kind("MESSAGE_CREATE")] == ["and now"]
    await at_ada.wait_for_message(again)


@pytest.mark.story("SOC-08", "SOC-14")
async def test_direct_message_can_be_opened_with_somebody_who_has_blocked_but_not_used(circle: Circle) -> None:
    cy, eve = circle.cy, circle.eve
    at_eve = await circle.connect(eve)
    await eve.ok("PUT", relationship_with(cy), {"type": 2})
    channel = await circle.direct(cy, eve)
    assert await cy.refused("POST", f"/channels/{channel['id']}/messages", {"content": "hi"}) == CANNOT_MESSAGE_USER
    assert await cy.refused("POST", f"/channels/{channel['id']}/typing") == CANNOT_MESSAGE_USER
    await circle.caught_up((eve, at_eve))
    assert circle.told(at_eve, "MESSAGE_CREATE", "CHANNEL_CREATE", "TYPING_START") == []
