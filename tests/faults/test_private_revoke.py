"""Out of a group, or behind a block, nothing comes any more: not even what was on its way when it was acknowledged."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.circle import Circle, relationship_with
from tests.support.gateway_client import GatewayClient
from tests.support.refusals import CANNOT_MESSAGE_USER, UNKNOWN_CHANNEL
from tests.support.world import Accounts

ROUNDS = int(os.environ.get("BEEP_PRIVATE_REVOKE_ROUNDS", "25"))
BURST = 6

pytestmark = pytest.mark.timeout(60 + 2 * ROUNDS)


@pytest.fixture
async def circle(sturdy: BeepProcess, accounts: Accounts) -> AsyncIterator[Circle]:
    async with AsyncExitStack() as stack:
        yield await Circle.make(sturdy, accounts, stack)


async def talk(who: Api, channel_id: str) -> None:
    """Several messages at once, of which some may be refused."""
    path = f"/channels/{channel_id}/messages"
    await asyncio.gather(*(who.call("POST", path, {"content": f"{number}"}) for number in range(BURST)))


def told_behind(session: GatewayClient, kind: str, **fields: Any) -> list[str]:
    """The kinds of what came behind this event."""
    events = session.dispatches
    place = next(
        number for number, event in enumerate(events) if event["t"] == kind and fields.items() <= event["d"].items()
    )
    return [event["t"] for event in events[place + 1 :]]


@pytest.mark.story("SOC-14", "GTW-02")
async def test_who_was_sent_out_of_a_group_hears_nothing_more_of_it(circle: Circle) -> None:
    ada, bob, cy = circle.ada, circle.bob, circle.cy
    group = (await circle.group(ada, bob, cy))["id"]
    seat = f"/channels/{group}/recipients/{bob.user_id}"
    at_bob = await circle.connect(bob)
    for _ in range(ROUNDS):
        talking = asyncio.gather(talk(ada, group), talk(cy, group), talk(bob, group))
        await ada.ok("DELETE", seat)
        await ada.send(group, "without bob")
        assert await bob.refused("GET", f"/channels/{group}/messages") == UNKNOWN_CHANNEL
        assert await bob.refused("POST", f"/channels/{group}/messages", {"content": "no"}) == UNKNOWN_CHANNEL
        await talking
        await circle.caught_up((bob, at_bob))
        assert "MESSAGE_CREATE" not in told_behind(at_bob, "CHANNEL_DELETE", id=group)

        await ada.ok("PUT", seat)
        await at_bob.wait_for_message(await cy.send(group, "bob is back"))
        at_bob.dispatches.clear()


@pytest.mark.story("SOC-08", "GTW-02")
async def test_who_has_blocked_hears_nothing_more_of_the_blocked(circle: Circle) -> None:
    ada, bob = circle.ada, circle.bob
    channel = (await circle.direct(ada, bob))["id"]
    at_bob = await circle.connect(bob)
    for _ in range(ROUNDS):
        await at_bob.wait_for_message(await ada.send(channel, "before"))
        talking = asyncio.create_task(talk(ada, channel))
        await bob.ok("PUT", relationship_with(ada), {"type": 2})
        messages = f"/channels/{channel}/messages"
        assert await ada.refused("POST", messages, {"content": "no"}) == CANNOT_MESSAGE_USER
        await talking
        await circle.caught_up((bob, at_bob))
        assert "MESSAGE_CREATE" not in told_behind(at_bob, "RELATIONSHIP_ADD", id=ada.user_id, type=2)

        await bob.ok("DELETE", relationship_with(ada))
        at_bob.dispatches.clear()
