"""Rounds of revoke-then-act: somebody acts and hears all the time, loses the right, and goes on trying.

What counts is what begins when the acknowledgement of the revoke is here: no act of the victim that begins then may
succeed, and no message that is sent then may reach the victim's sessions. What was under way may end either way.

All of it is one event loop, so "when" is the order of its steps: there is no clock to compare.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, Self

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.circle import Circle, relationship_with
from tests.support.gateway_client import GatewayClient
from tests.support.moderated_beep import Moderators, Order
from tests.support.roles import NOTHING
from tests.support.world import Accounts, World

TALK: Final = P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY | P.SEND_MESSAGES | P.ADD_REACTIONS
DENY_VIEW: Final = {"allow": "0", "deny": str(int(P.VIEW_CHANNEL))}
TO_ROLE: Final = {"type": 0}
TO_MEMBER: Final = {"type": 1}

LATE: Final = 2
"""What each sender still begins after the acknowledgement."""
SENDERS: Final = 2
"""Of the victim's; one more looks."""
COMPRESSED: Final = ("", "zlib-stream", "zstd-stream")
"""The sessions that listen: one of each."""
REFUSED: Final = (403, 404)
ROUND_SECONDS: Final = 60.0

Step = Callable[[], Awaitable[object]]


async def _nothing() -> None:
    return


@dataclass(frozen=True)
class Place:
    """Where the victim acts, and those who go on talking there."""

    channel_id: str
    victim: Api
    others: Sequence[Api]
    listening: Sequence[GatewayClient]


@dataclass(frozen=True)
class Way:
    """To take the right to act.

    Attributes:
        prepare: lets the right come from what is about to be taken away, and from nothing else.
        restore: lets it be as before `prepare`.
        hides: the victim may not even look any more.
        silences: nor may the others speak.
    """

    name: str
    revoke: Step
    restore: Step
    prepare: Step = _nothing
    hides: bool = True
    silences: bool = False


@dataclass
class Tally:
    """What was tried and what came of it.

    Attributes:
        early: acts that succeeded before the revoke was acknowledged.
        between: acts that began before it and ended after.
        late: acts that began after it. None of them may succeed.
        delivered: messages that reached the victim.
        withheld: messages that were sent to others after it. None of them may reach the victim.
        stale: whatever did.
    """

    rounds: Counter[str] = field(default_factory=Counter)
    early: int = 0
    between: int = 0
    late: int = 0
    delivered: int = 0
    withheld: int = 0
    stale: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.rounds.items()))
        stale = Counter(line.partition(":")[0] for line in self.stale)
        return (
            f"{self.rounds.total():,} rounds in {self.seconds:.0f} s ({kinds}); "
            f"acts: {self.early:,} succeeded before, {self.between:,} were under way, {self.late:,} began after the "
            f"acknowledgement and {stale['act']:,} of them succeeded; messages: {self.delivered:,} delivered before, "
            f"{self.withheld:,} sent after it and {stale['delivery']:,} of them delivered"
        )


class Rounds:
    """A server with a category and a channel, one more that belongs to the victim, a direct message and a group."""

    def __init__(self, world: World, circle: Circle, moderators: Moderators, category_id: str, role_id: str) -> None:
        self._world = world
        self._circle = circle
        self._moderators = moderators
        self._category = category_id
        self._role = role_id
        self._estate = ""
        self._hidden = ""
        self._victim, self._owner = world.able, world.owner
        self.tally = Tally()
        self.ways: list[tuple[Place, Way]] = []

    @classmethod
    async def make(cls, beep: BeepProcess, accounts: Accounts, stack: AsyncExitStack) -> Self:
        """`able` of the world is the victim; `unable` and `member` go on talking."""
        world = await World.make(beep, accounts, stack)
        circle = await Circle.make(beep, accounts, stack)
        server = world.path
        category = await world.owner.ok("POST", f"{server}/channels", {"name": "category", "type": 4})
        await world.owner.ok(
            "PATCH",
            f"{server}/channels",
            [{"id": world.channel_id, "parent_id": category["id"], "lock_permissions": True}],
        )
        await world.role("talks on", P.ADMINISTRATOR, world.unable, world.member)
        rounds = cls(world, circle, Moderators(beep.data), category["id"], await world.role("talker", TALK, world.able))
        await rounds._furnish()
        return rounds

    async def _furnish(self) -> None:
        world, victim, owner = self._world, self._victim, self._owner
        hidden = [DENY_VIEW | TO_ROLE | {"id": world.server_id}]
        made = {"name": "hidden", "type": 4, "permission_overwrites": hidden}
        self._hidden = (await owner.ok("POST", f"{world.path}/channels", made))["id"]

        estate = await victim.ok("POST", "/guilds", {"name": "Estate"})
        self._estate = estate["id"]
        nothing = {"permissions": str(int(NOTHING))}
        await victim.ok("PATCH", f"/guilds/{self._estate}/roles/{self._estate}", nothing)
        ground = f"/channels/{estate['system_channel_id']}"
        invite = await victim.ok("POST", f"{ground}/invites", {})
        heirs = (owner, world.member)
        for other in heirs:
            await other.ok("POST", f"/invites/{invite['code']}", {})
        await victim.make_role(self._estate, "talks on", P.ADMINISTRATOR, *heirs)

        circle = self._circle
        ada, victim_there, cy = circle.ada, circle.bob, circle.cy
        direct = (await circle.direct(ada, victim_there))["id"]
        group = (await circle.group(ada, victim_there, cy))["id"]

        listening = [await world.connect(victim, compress=compress) for compress in COMPRESSED]
        at_ada = [await circle.connect(ada) for _ in range(2)]
        talkers = (world.unable, world.member)
        place = Place(world.channel_id, victim, talkers, listening)
        at_estate = Place(estate["system_channel_id"], victim, heirs, listening)
        # The one who blocks is the one who must hear nothing: nobody else is there to talk.
        at_direct = Place(direct, victim, (), at_ada)
        at_group = Place(group, victim, (ada, cy), listening)
        self.ways = [
            *((place, way) for way in (*self._of_roles(), *self._of_overwrites(), *self._of_members())),
            *((place, way) for way in self._of_moderators()),
            (at_estate, self._handing_over()),
            (at_direct, self._block(ada)),
            *((at_group, way) for way in self._of_groups(group)),
        ]

    # The ways.

    def _of_roles(self) -> list[Way]:
        ok, server, victim = self._owner.ok, self._world.path, self._victim

        def seat() -> str:
            return f"{server}/members/{victim.user_id}/roles/{self._role}"

        def role(permissions: P) -> Step:
            body = {"permissions": str(int(permissions))}
            return lambda: ok("PATCH", f"{server}/roles/{self._role}", body)

        def everyone(permissions: P) -> Step:
            return lambda: self._world.everyone(permissions)

        async def granted_to_everyone() -> None:
            await self._world.everyone(TALK)
            await ok("DELETE", seat())

        async def another_role() -> None:
            self._role = await self._world.role("talker", TALK, victim)

        return [
            Way("role removed", lambda: ok("DELETE", seat()), lambda: ok("PUT", seat())),
            Way("role edited", role(NOTHING), role(TALK)),
            Way("role deleted", lambda: ok("DELETE", f"{server}/roles/{self._role}"), another_role),
            Way("@everyone edited", everyone(NOTHING), lambda: ok("PUT", seat()), granted_to_everyone),
        ]

    def _of_overwrites(self) -> list[Way]:
        ok, world, victim = self._owner.ok, self._world, self._victim

        def put(channel_id: str, target: Callable[[], str], body: Any) -> Step:
            return lambda: ok("PUT", f"/channels/{channel_id}/permissions/{target()}", body)

        def drop(channel_id: str, target: Callable[[], str]) -> Step:
            return lambda: ok("DELETE", f"/channels/{channel_id}/permissions/{target()}")

        def move(category_id: str) -> Step:
            moved = [{"id": channel, "parent_id": category_id, "lock_permissions": True}]
            return lambda: ok("PATCH", f"{world.path}/channels", moved)

        def seat() -> str:
            return f"{world.path}/members/{victim.user_id}/roles/{self._role}"

        def role() -> str:
            return self._role

        def everyone() -> str:
            return world.server_id

        def own() -> str:
            return victim.user_id

        async def allowed_personally() -> None:
            await put(channel, own, TO_MEMBER | {"allow": str(int(TALK)), "deny": "0"})()
            await ok("DELETE", seat())

        channel, category = world.channel_id, self._category
        return [
            Way("role overwrite", put(channel, role, DENY_VIEW | TO_ROLE), drop(channel, role)),
            Way("own overwrite", put(channel, own, DENY_VIEW | TO_MEMBER), drop(channel, own)),
            Way("own overwrite removed", drop(channel, own), lambda: ok("PUT", seat()), allowed_personally),
            Way("channel hidden", put(channel, everyone, DENY_VIEW | TO_ROLE), drop(channel, everyone)),
            Way("category hidden", put(category, everyone, DENY_VIEW | TO_ROLE), drop(category, everyone)),
            Way("moved into a hidden category", move(self._hidden), move(category)),
        ]

    def _of_members(self) -> list[Way]:
        ok, server, victim = self._owner.ok, self._world.path, self._victim
        seat, ban = f"{server}/members/{victim.user_id}", f"{server}/bans/{victim.user_id}"

        def mute(until: datetime | None) -> Step:
            body = {"communication_disabled_until": until.isoformat() if until else None}
            return lambda: ok("PATCH", seat, body)

        async def unban() -> None:
            await ok("DELETE", ban)
            await self._come_back()

        for_long = datetime.now(UTC) + timedelta(days=1)
        return [
            Way("kick", lambda: ok("DELETE", seat), self._come_back),
            Way("ban", lambda: ok("PUT", ban), unban),
            Way("mute", mute(for_long), mute(None), hides=False),
        ]

    async def _come_back(self) -> None:
        world, victim = self._world, self._victim
        invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {"max_age": 600, "unique": True})
        await victim.ok("POST", f"/invites/{invite['code']}", {})
        await world.owner.ok("PUT", f"{world.path}/members/{victim.user_id}/roles/{self._role}")

    def _of_moderators(self) -> list[Way]:
        order, server_id, user_id = self._moderators.order, int(self._world.server_id), int(self._victim.user_id)

        def freeze(restrained: bool) -> Step:
            return lambda: order(Order(restrained, (server_id,)))

        def suspend(restrained: bool) -> Step:
            return lambda: order(Order(restrained, (server_id, int(self._estate)), user_id))

        return [
            Way("freeze", freeze(True), freeze(False), silences=True),
            Way("suspension", suspend(True), suspend(False)),
        ]

    def _handing_over(self) -> Way:
        estate, victim, heir = f"/guilds/{self._estate}", self._victim, self._owner
        return Way(
            "ownership handed over",
            lambda: victim.ok("PATCH", estate, {"owner_id": heir.user_id}),
            lambda: heir.ok("PATCH", estate, {"owner_id": victim.user_id}),
        )

    def _block(self, blocker: Api) -> Way:
        path = relationship_with(self._victim)
        return Way(
            "block",
            lambda: blocker.ok("PUT", path, {"type": 2}),
            lambda: blocker.ok("DELETE", path),
            hides=False,
        )

    def _of_groups(self, group: str) -> list[Way]:
        ada, victim = self._circle.ada, self._victim
        seat = f"/channels/{group}/recipients/{victim.user_id}"

        async def again() -> None:
            # A block has ended the friendship that it takes.
            if self._circle.ada.user_id not in await self._circle.relationships(victim):
                await self._circle.befriend(ada, victim)
            await ada.ok("PUT", seat)

        return [
            Way("sent out of a group", lambda: ada.ok("DELETE", seat), again),
            Way("left a group", lambda: victim.ok("DELETE", f"/channels/{group}"), again),
        ]

    # The rounds.

    async def run(self, count: int, *, seed: int = 7, only: str = "") -> Tally:
        """So many rounds, each way as often as the others, in an order of its own."""
        begun = time.perf_counter()
        ways = [(place, way) for place, way in self.ways if not only or way.name == only]
        order = [ways[number % len(ways)] for number in range(count)]
        Random(seed).shuffle(order)
        for number, (place, way) in enumerate(order):
            async with asyncio.timeout(ROUND_SECONDS):
                await _Round(f"{number} {way.name}", place, way, self.tally).run()
        self.tally.seconds += time.perf_counter() - begun
        return self.tally


class _Round:
    def __init__(self, name: str, place: Place, way: Way, tally: Tally) -> None:
        self._name = name
        self._place = place
        self._way = way
        self._tally = tally
        self._messages = f"/channels/{place.channel_id}/messages"
        self._acknowledged = False
        self._hot: list[asyncio.Event] = []

    async def run(self) -> None:
        place, way = self._place, self._way
        await way.prepare()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(SENDERS):
                self._begin(tasks, self._act("POST", {"content": f"{self._name}: mine"}, hot := asyncio.Event()), hot)
            if way.hides:
                self._begin(tasks, self._act("GET", None, hot := asyncio.Event()), hot)
            for other in place.others:
                self._begin(tasks, self._talk(other, hot := asyncio.Event()), hot)
            # The victim has just done and heard what it is about to lose: whatever is remembered is warm.
            for hot in self._hot:
                await hot.wait()
            for session in place.listening:
                await session.wait_for("MESSAGE_CREATE", lambda message: message["content"].startswith(self._name))
            await way.revoke()
            self._acknowledged = True
        await way.restore()
        await self._judge_deliveries()
        self._tally.rounds[way.name] += 1

    def _begin(self, tasks: asyncio.TaskGroup, job: Any, hot: asyncio.Event) -> None:
        self._hot.append(hot)
        tasks.create_task(job)

    async def _act(self, method: str, body: Any, hot: asyncio.Event) -> None:
        """What the victim does, again and again, and a few times more when it may no longer."""
        tally, left = self._tally, LATE
        while left:
            late = self._acknowledged
            answer = await self._place.victim.call(method, self._messages, body)
            assert answer.is_success or answer.status_code in REFUSED, f"{self._name}: {answer.text}"
            if late:
                left -= 1
                tally.late += 1
                if answer.is_success:
                    tally.stale.append(f"act: {method} in round {self._name}")
            elif self._acknowledged:
                tally.between += 1
            elif answer.is_success:
                tally.early += 1
                hot.set()

    async def _talk(self, who: Api, hot: asyncio.Event) -> None:
        """What others say meanwhile, and for a while after. What is sent after says so."""
        left = LATE
        while left:
            late = self._acknowledged
            answer = await who.call("POST", self._messages, {"content": f"{self._name}: {'late' if late else 'early'}"})
            silenced = self._way.silences and answer.status_code in REFUSED
            assert answer.is_success or silenced, f"{self._name}: {answer.text}"
            if late:
                left -= 1
                self._tally.withheld += self._way.hides and answer.is_success
                if silenced or not self._way.silences:
                    continue
                self._tally.stale.append(f"act: another one's in round {self._name}")
            elif answer.is_success:
                hot.set()

    async def _judge_deliveries(self) -> None:
        """Wait until the victim would have heard all of it, and look what it heard."""
        place, way, tally = self._place, self._way, self._tally
        speaker = place.others[0] if place.others else place.victim
        back = await speaker.send(place.channel_id, f"{self._name}: back")
        for session in place.listening:
            await session.wait_for_message(back)
            heard = [message["content"].partition(": ")[2] for message in session.of_kind("MESSAGE_CREATE")]
            late = heard.count("late") if way.hides else 0
            tally.stale += [f"delivery: in round {self._name}"] * late
            tally.delivered += heard.count("early") + heard.count("mine")
            session.dispatches.clear()
