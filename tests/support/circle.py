"""People who are no members of anything together: friends, and those who are not.

Who is who, in every test: `ada`, `bob` and `cy` are what the test is about, `eve` has nothing to do with it.
"""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.world import Accounts

RELATIONSHIPS = "/users/@me/relationships"
CHANNELS = "/users/@me/channels"


async def part(people: Sequence[Api]) -> None:
    """Leaves nothing between these people."""
    for person in people:
        for relationship in await person.ok("GET", RELATIONSHIPS):
            await person.ok("DELETE", f"{RELATIONSHIPS}/{relationship['id']}")
        for channel in await person.ok("GET", CHANNELS):
            await person.ok("DELETE", f"/channels/{channel['id']}")


@dataclass
class Circle:
    beep: BeepProcess
    stack: AsyncExitStack
    ada: Api
    bob: Api
    cy: Api
    eve: Api
    nobody: Api
    """Somebody whom nobody minds to block for a moment."""
    names: dict[str, str]
    """Usernames by user id."""

    @classmethod
    async def make(cls, beep: BeepProcess, accounts: Accounts, stack: AsyncExitStack) -> Self:
        people = [Api(beep.url, account.token, user_id=account.user_id) for account in accounts.values()]
        for person in people:
            await stack.enter_async_context(person)
        ada, bob, cy, eve, nobody = people
        names = {account.user_id: account.username for account in accounts.values()}
        circle = cls(beep, stack, ada, bob, cy, eve, nobody, names)
        # They are the people of other tests too, which may have left something.
        await part(people)
        stack.push_async_callback(part, people)
        return circle

    async def connect(self, who: Api) -> GatewayClient:
        return await self.stack.enter_async_context(GatewayClient(self.beep.gateway, who.token))

    async def ask(self, who: Api, other: Api) -> None:
        await who.ok("POST", RELATIONSHIPS, {"username": self.names[other.user_id]})

    async def befriend(self, who: Api, *others: Api) -> None:
        for other in others:
            await self.ask(who, other)
            await other.ok("PUT", relationship_with(who), {"type": 1})

    async def relationships(self, who: Api) -> dict[str, int]:
        """The types of all that somebody has, by user id."""
        return {each["id"]: each["type"] for each in await who.ok("GET", RELATIONSHIPS)}

    async def direct(self, who: Api, other: Api) -> Any:
        return await who.ok("POST", CHANNELS, {"recipient_id": other.user_id})

    async def group(self, owner: Api, *others: Api, **fields: Any) -> Any:
        """A new group of friends, who become friends for it."""
        await self.befriend(owner, *others)
        return await owner.ok("POST", CHANNELS, {"recipients": [other.user_id for other in others]} | fields)

    async def caught_up(self, *sessions: tuple[Api, GatewayClient]) -> None:
        """Waits until these people have got all that was done before, and puts it out of sight.

        What has not come by then was not sent: what a person is told comes in one order, and each of them does
        something here of which they alone are told.
        """
        for who, session in sessions:
            start = len(session.dispatches)
            await who.ok("PUT", relationship_with(self.nobody), {"type": 2})
            await who.ok("DELETE", relationship_with(self.nobody))
            await session.wait_for("RELATIONSHIP_REMOVE", lambda gone: gone["id"] == self.nobody.user_id, start=start)

    def told(self, session: GatewayClient, *kinds: str) -> list[tuple[str, Any]]:
        """The dispatches of these kinds until now, without those of `caught_up`."""
        return [
            (event["t"], event["d"])
            for event in session.dispatches
            if event["t"] in kinds and event["d"]["id" if "id" in event["d"] else "channel_id"] != self.nobody.user_id
        ]


def relationship_with(other: Api) -> str:
    return f"{RELATIONSHIPS}/{other.user_id}"
