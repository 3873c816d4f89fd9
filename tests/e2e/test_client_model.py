"""Whoever follows the events knows what somebody knows who has just come: no event was forgotten, none says too much.

A failure prints its seed; `SEEDS` is where to put it while it is looked into.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import AsyncExitStack

import pytest

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.circle import part
from tests.support.client_model import ClientModel, differences
from tests.support.gateway_client import GatewayClient
from tests.support.random_actions import Crowd, found_server
from tests.support.world import Accounts

SEEDS = (3, 5, 10, 17)
ACTIONS = 200
SECONDS = 10.0
"""For what was done last to get to everybody."""


async def knowledge_of_somebody_new(beep: BeepProcess, who: Api) -> object:
    # Invisible: to look is not to be seen.
    client = GatewayClient(beep.gateway, who.token)
    await client.identify(presence={"status": "invisible", "activities": [], "since": None, "afk": False})
    model = ClientModel()
    model.apply_all(client.dispatches)
    await client.close()
    return model.knowledge()


class Follower:
    def __init__(self, who: Api, client: GatewayClient) -> None:
        self.who = who
        self.client = client
        self._model = ClientModel()
        self._applied = 0

    def knowledge(self) -> object:
        news = self.client.dispatches[self._applied :]
        self._applied += len(news)
        self._model.apply_all(news)
        return self._model.knowledge()


async def all_differences(beep: BeepProcess, followers: Sequence[Follower]) -> list[str]:
    found: list[str] = []
    for number, follower in enumerate(followers):
        begins = await knowledge_of_somebody_new(beep, follower.who)
        found += differences(follower.knowledge(), begins, f"{number} ")
    return found


@pytest.mark.story("GTW-02")
@pytest.mark.parametrize("seed", SEEDS)
async def test_who_follows_knows_what_somebody_new_knows(beep: BeepProcess, accounts: Accounts, seed: int) -> None:
    async with AsyncExitStack() as stack:
        people = [Api(beep.url, account.token, user_id=account.user_id) for account in accounts.values()]
        followers = []
        for person in people:
            await stack.enter_async_context(person)
            client = await stack.enter_async_context(GatewayClient(beep.gateway, person.token))
            followers.append(Follower(person, client))
        crowd = Crowd(random.Random(seed), people, {each.who.user_id: each.client for each in followers})
        await found_server(crowd)
        for _ in range(ACTIONS):
            await crowd.act()

        left: list[str] = []
        try:
            async with asyncio.timeout(SECONDS):
                # Presence is told once a second, and nothing tells when all of it has been.
                while left := await all_differences(beep, followers):  # noqa: ASYNC110
                    await asyncio.sleep(0.2)
        except TimeoutError:
            pytest.fail("\n".join([f"seed {seed}", *crowd.done, *left]))
        finally:
            for place in crowd.places:
                for person in people:
                    await person.call("DELETE", f"/guilds/{place.id}")
            await part(people)
