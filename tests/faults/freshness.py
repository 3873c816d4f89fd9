"""Rounds of revoke-then-act: somebody acts and hears all the time, loses the right, and goes on trying.

What counts is what begins when the acknowledgement of the revoke is here: no act of the victim that begins then may
succeed, and no message that is sent then may reach the victim's sessions, those that resume then among them. What was
under way may end either way.

All of it is one event loop, so "when" is the order of its steps: there is no clock to compare.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.faults.revocations import Place, Revocations, Way
from tests.faults.stale import Defects
from tests.support.api import Api
from tests.support.authz_process import authz_processes
from tests.support.beep_process import BeepProcess
from tests.support.world import Accounts, make_accounts

SOUND: Final = "tests.support.moderated_beep"
STALE: Final = "tests.faults.stale"
EMBEDDED: Final = {"BEEP_AUTHORIZER": "embedded"}

LATE: Final = 2
"""What each sender still begins after the acknowledgement."""
SENDERS: Final = 2
"""Of the victim's; one more looks."""
REFUSED: Final = (403, 404)
ROUND_SECONDS: Final = 60.0
ROUNDS_PER_HEARTBEAT: Final = 10
"""A session without any is given up, and so is one that sends two each second."""


@asynccontextmanager
async def serving(
    directory: Path, engine: Mapping[str, str], *, processes: int = 0, defects: Defects | None = None
) -> AsyncIterator[tuple[BeepProcess, Accounts, AsyncExitStack]]:
    """A Beep, its people, and where their clients are closed."""
    module, data = (STALE if defects else SOUND), directory / "data"
    env = {**engine, **(defects.env if defects else {}), "BEEP_RATE_LIMITS": "off"}
    with ExitStack() as stack:
        authz = stack.enter_context(authz_processes(processes, data, env, module))
        env["BEEP_AUTHZ"] = ",".join(process.address for process in authz)
        beep = BeepProcess(data, env=env, module=module).start()
        stack.callback(beep.stop)
        accounts = await make_accounts(beep)
        async with AsyncExitStack() as clients:
            yield beep, accounts, clients


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

    @property
    def kinds(self) -> set[str]:
        """Of what was stale: acts, deliveries."""
        return {line.partition(":")[0] for line in self.stale}

    def __str__(self) -> str:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(self.rounds.items()))
        stale = Counter(line.partition(":")[0] for line in self.stale)
        return (
            f"{self.rounds.total():,} rounds in {self.seconds:.0f} s ({kinds}); "
            f"acts: {self.early:,} succeeded before, {self.between:,} were under way, {self.late:,} began after the "
            f"acknowledgement and {stale['act']:,} of them succeeded; messages: {self.delivered:,} delivered before, "
            f"{self.withheld:,} sent after it and {stale['delivery']:,} of them delivered"
        )


async def run_rounds(
    revocations: Revocations, count: int, *, seed: int = 7, only: str = "", given_back: bool = True
) -> Tally:
    """So many rounds, each way as often as the others, in an order of its own.

    `given_back` False: nobody waits to hear again. Where a revoke is acknowledged too early, so is its end.
    """
    begun, tally = time.perf_counter(), Tally()
    ways = [(place, way) for place, way in revocations.ways if not only or way.name == only]
    order = [ways[number % len(ways)] for number in range(count)]
    Random(seed).shuffle(order)
    for number, (place, way) in enumerate(order):
        async with asyncio.timeout(ROUND_SECONDS):
            if number % ROUNDS_PER_HEARTBEAT == 0:
                for session in revocations.sessions:
                    await session.send(1, session.seq)
            await _Round(f"{number} {way.name}", place, way, tally).run(given_back=given_back)
    tally.seconds = time.perf_counter() - begun
    return tally


class _Round:
    def __init__(self, name: str, place: Place, way: Way, tally: Tally) -> None:
        self._name = name
        self._place = place
        self._way = way
        self._tally = tally
        self._messages = f"/channels/{place.channel_id}/messages"
        self._acknowledged = False
        self._hot: list[asyncio.Event] = []
        self._late: list[Any] = []

    async def run(self, *, given_back: bool) -> None:
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
            lost, *_ = place.listening
            await lost.cut()
            await way.revoke()
            self._acknowledged = True
        for message in self._late:
            # An answer does not wait for the bus: what comes by when the right is given back may be heard again.
            await place.witness.wait_for_message(message)
        assert await lost.resume(), f"{self._name}: the session was over"
        await way.restore()
        if given_back:
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
                if answer.is_success:
                    self._tally.withheld += self._way.hides
                    self._late.append(answer.json())
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
        place.witness.dispatches.clear()
