"""authz as its callers see it, in this process, and the comparison of its answers with the oracle's.

Why the comparison asks as it does (each defect that hides from a simpler one is in defects.py):

- A question is asked *while* a change is in flight: the answer is of the state before or of one after, never a mixture.
- The same question is asked again after the acknowledgement: an answer of before, kept under the epoch of after, shows
  only where nobody asked in between.
- A step has several changes, some sent together and some one after the other: what is lost when two writes overlap
  shows only where two writes want to.
- Answers are forgotten at random: one kept under a wrong key is used only if the right one is not there.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.facts_pb2 import FactChange
from services.authz.__main__ import build
from services.authz.config import DEFAULTS, Settings
from services.common.auth import Principal
from services.common.clock import SystemClock
from services.common.errors import DeadlineExceeded, Unavailable
from services.common.permissions import Permission as P
from tests.integration.authz.questions import PATIENCE, AllRights, Audience, PrivateRights, Question, SomeRights
from tests.integration.authz.worlds import INTERESTING, World
from tests.support.in_process import in_process, service

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

CALLER = service("servers")

TRIES = 10
PAUSE_SECONDS = 0.2


@asynccontextmanager
async def serving(
    directory: Path, settings: Settings = DEFAULTS, principal: Principal = CALLER
) -> AsyncIterator["AuthzServiceAsyncStub"]:
    """A stub of an authz whose data is in the directory."""
    async with in_process(directory, SystemClock(), "authz") as beep, build(beep.runtime("authz"), settings):
        yield AuthzServiceStub(beep.channel("authz", principal))


@dataclass(frozen=True)
class Asking:
    """How much is asked after a step; at its end a world is asked everything.

    Attributes:
        all_rights: the share of questions about every bit; the others are about a few that interest.
        audiences: the share of steps after which the whole audience is asked.
        private: the share of steps after which the private channels are asked.
    """

    all_rights: float = 1.0
    audiences: float = 1.0
    private: float = 1.0


EVERYTHING = Asking()
"""For an engine in this process."""

FRUGAL = Asking(all_rights=0.05, audiences=0.05, private=0.3)
"""For one that costs a millisecond for each bit."""


@dataclass
class Tally:
    """What was compared, and where authz and the oracle disagreed.

    Attributes:
        decisions: bits that were decided, those in flight not counted.
        allowed: those of them that were granted. A generator that denies nearly everything agrees with anything.
        unexplained: refusals that authz explained otherwise than it decided.
        unanswered: what was asked again, because the engine was too slow to answer; that is no answer.
    """

    worlds: int = 0
    changes: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    decisions: int = 0
    allowed: int = 0
    wrong: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    unanswered: int = 0

    @property
    def share(self) -> float:
        return self.allowed / self.decisions

    def __iadd__(self, other: "Tally") -> "Tally":
        self.worlds += other.worlds
        self.changes += other.changes
        self.questions += other.questions
        self.decisions += other.decisions
        self.allowed += other.allowed
        self.wrong += other.wrong
        self.unexplained += other.unexplained
        self.unanswered += other.unanswered
        return self

    def __str__(self) -> str:
        asked = ", ".join(f"{count:,} {kind}" for kind, count in sorted(self.questions.items()))
        return (
            f"{self.worlds:,} servers, {self.changes:,} changes, {sum(self.questions.values()):,} questions ({asked}), "
            f"{self.decisions:,} decisions, {self.share:.1%} allowed, {self.unanswered} not answered at first, "
            f"{len(self.wrong)} differences"
        )


class Comparison:
    """Runs worlds: the whole state first, then changes, and after each step answers against the oracle's."""

    def __init__(
        self, authz: "AuthzServiceAsyncStub", asking: Asking = EVERYTHING, *, stop_at_first: bool = False
    ) -> None:
        self._authz = authz
        self._asking = asking
        self._stop_at_first = stop_at_first
        self.tally = Tally()

    async def run(self, number: int, seed: int, changes: int) -> None:
        """One world. Equal arguments give the same world and the same changes, whatever the engine and the asking."""
        run = _Run(self._authz, self._asking, self.tally, World(number, seed), seed)
        await run.begin()
        left = changes
        while left and not (self._stop_at_first and self.tally.wrong):
            left -= await run.step(min(left, run.changes_at_once()))
        await run.end()


class _Run:
    def __init__(self, authz: "AuthzServiceAsyncStub", asking: Asking, tally: Tally, world: World, seed: int) -> None:
        self._authz = authz
        self._asking = asking
        self._tally = tally
        self._world = world
        self._seed = seed
        # Not the world's own: what is asked must not change what happens.
        self._random = Random(seed)
        self._made = 0
        self._clock = SystemClock()

    async def begin(self) -> None:
        world = self._world
        self._tally.worlds += 1
        await self._apply(world.facts())
        await self._apply_elsewhere(world.private_facts())
        # Warm: the answers of before are remembered when the changes come.
        await self._compare(self._about(self._random.choice(world.users)))

    def changes_at_once(self) -> int:
        return self._random.choice((1, 1, 2, 3))

    async def step(self, changes: int) -> int:
        """Make the changes and compare. Returns how many were made."""
        world = self._world
        if self._random.random() < 0.2:
            await self._apply_elsewhere([world.change_elsewhere()])
        question = self._about(self._random.choice((*world.users, world.stranger)))
        right = [question.wanted(world)]
        requests: list[list[FactChange]] = []
        for _ in range(changes):
            facts = world.change()
            # Several in one request are seen at once, unless one is a removal, which is a write of its own.
            if requests and self._random.random() < 0.5 and not _removes(requests[-1] + facts):
                requests[-1] += facts
                right[-1] = question.wanted(world)
            else:
                requests.append(facts)
                right.append(question.wanted(world))
        # Sometimes the question is there first, sometimes a change.
        happening: list[Coroutine[object, object, object]] = [self._apply(facts) for facts in requests]
        happening.insert(place := self._random.randrange(len(requests) + 1), self._ask(question))
        asked = (await asyncio.gather(*happening))[place]
        self._made += changes
        self._tally.changes += changes
        self._tally.questions["in flight"] += 1
        if asked not in right:
            self._wrong(f"{question} in flight: {asked}, which was right at no time: {right}")
        await self._compare(question)
        await self._compare(self._about(self._random.choice(world.users)))
        if self._random.random() < self._asking.private:
            for channel in world.oracle.private:
                await self._compare(PrivateRights(self._random.choice((*world.users, world.stranger)), channel))
        if self._random.random() < self._asking.audiences:
            await self._compare(self._audience())
        return changes

    async def end(self) -> None:
        """Ask every bit, whatever the changes have left of what is remembered."""
        world = self._world
        if self._asking is EVERYTHING:
            for user in (*world.users, world.stranger):
                await self._compare(AllRights(world.server.id, user, world.places))
            await self._compare(self._audience())
        else:
            await self._compare(self._all_rights(self._random.choice(world.users)))

    async def _apply(self, changes: list[FactChange]) -> None:
        self._world.version += 1
        request = pb.ApplyFactsRequest(server_id=self._world.server.id, version=self._world.version, changes=changes)
        await self._answered(lambda: self._authz.ApplyFacts(request, timeout=PATIENCE))

    async def _apply_elsewhere(self, changes: list[FactChange]) -> None:
        """What is about no server."""
        self._world.version += 1
        request = pb.ApplyFactsRequest(version=self._world.version, changes=changes)
        await self._answered(lambda: self._authz.ApplyFacts(request, timeout=PATIENCE))

    async def _ask(self, question: Question) -> object:
        return await self._answered(lambda: question.ask(self._authz))

    async def _answered(self, call: Callable[[], Awaitable[object]]) -> object:
        """What the call returns, made again for as long as a slow engine may need to be found well again."""
        for attempt in range(TRIES):
            try:
                return await call()
            except (Unavailable, DeadlineExceeded):
                self._tally.unanswered += 1
                await self._clock.sleep(attempt * PAUSE_SECONDS)
        return await call()

    def _about(self, user: int) -> Question:
        world = self._world
        if self._random.random() < self._asking.all_rights:
            return self._all_rights(user)
        place = self._random.choice((*world.places, *world.places, 0))
        required, *others = self._random.sample(INTERESTING, 4)
        # Seldom one of those that nothing else tells apart from the interesting ones.
        others.append(self._random.choice(list(P)))
        return SomeRights(world.server.id, user, place, int(required), int(sum(set(others))))

    def _all_rights(self, user: int) -> Question:
        places = self._world.places
        if self._asking is not EVERYTHING and places:
            places = (self._random.choice(places),)
        return AllRights(self._world.server.id, user, places)

    def _audience(self) -> Question:
        return Audience(self._world.server.id, (*self._world.users, self._world.stranger))

    async def _compare(self, question: Question) -> None:
        answer, wanted = await self._ask(question), question.wanted(self._world)
        if answer != wanted:
            self._wrong(f"{question}: authz {answer}, oracle {wanted}")
        self._tally.questions[type(question).__name__] += 1
        for decided, allowed in question.masks(self._world):
            self._tally.decisions += decided.bit_count()
            self._tally.allowed += allowed.bit_count()

    def _wrong(self, what: str) -> None:
        self._tally.wrong.append(f"world {self._seed} after {self._made} changes, {what}")


def _removes(changes: list[FactChange]) -> bool:
    return any(change.HasField("remove_channel") for change in changes)
