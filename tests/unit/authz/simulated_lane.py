"""Several authz processes in one thread, in simulated time: the real lane, succession and mandate, each on an event
loop of its own whose clock runs a little faster or slower than the others', over a network that delays and loses.

A process can be frozen (its loop does not run, what is sent to it waits), deaf (it asks, and hears no answer of its
peers) and killed. Clients make changes and ask, at
whatever process, and the judge knows what was acknowledged when.
"""

import asyncio
import heapq
import itertools
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

from beep.authz.v1 import authz_service_pb2 as authz_pb
from beep.authz.v1 import lane_service_pb2 as pb
from services.authz.domain.changes import SetSuspended
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value, user_entity
from services.authz.domain.lease import HELD_SECONDS, NOBODYS, Lease
from services.authz.domain.projection import user_epoch
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.lane_service import LaneService
from services.authz.mandate import Mandate
from services.authz.reign import not_leading
from services.authz.store.ports import Context, Token
from services.authz.succession import Succession
from services.common.auth import Principal, PrincipalKind, Serving
from services.common.errors import BeepError, DeadlineExceeded, Unavailable

USERS: Final = range(1, 6)
PEER: Final = Principal(PrincipalKind.SERVICE, service="authz")
SLOWEST_DECISION: Final = 0.5
"""Of a process that is not frozen."""


class World:
    """The time that really passes, and what happens in it."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.now = 0.0
        self._order = itertools.count()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self.processes: list[Process] = []

    def at(self, when: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), do))

    def later(self, seconds: float, do: Callable[[], None]) -> None:
        self.at(self.now + seconds, do)

    def run(self, until: float) -> None:
        while True:
            for process in self.processes:
                process.run_ready()
            when = min(
                [process.next_timer() for process in self.processes] + ([self._due[0][0]] if self._due else []),
                default=until,
            )
            if when >= until:
                self.now = until
                return
            self.now = max(self.now, when)
            while self._due and self._due[0][0] <= self.now:
                heapq.heappop(self._due)[2]()


class _Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock is its process's."""

    def __init__(self, world: World, rate: float, offset: float) -> None:
        super().__init__()
        self._world, self._rate, self._offset = world, rate, offset

    def time(self) -> float:
        return self._offset + self._world.now * self._rate

    def real(self, when: float) -> float:
        # A little later, so that rounding never leaves a timer just before its time.
        return (when - self._offset) / self._rate + 1e-6


class _Clock:
    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return int(self._loop.time() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Network:
    """Carries calls from a process to whatever is elsewhere."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.loss = 0.02

    def delay(self, near: bool) -> float:
        chance = self._world.random
        return chance.uniform(0.05, 0.1 if near else 0.6) if chance.random() < 0.05 else chance.uniform(0.0002, 0.005)

    async def call(
        self, caller: "Process", there: Callable[[Callable[[Any], None]], None], *, near: bool = False
    ) -> Any:
        """`there` happens elsewhere, later, and gets a function that brings its answer (or BeepError) back.

        What is `near` (the engine, the lease) loses nothing, and answers soon.
        """
        if caller.buried:
            raise Unavailable("DEAD")
        world, answer = self._world, caller.loop.create_future()
        caller.waiting.add(answer)
        answer.add_done_callback(caller.waiting.discard)

        def settle(result: Any) -> None:
            if not answer.done():
                answer.set_exception(result) if isinstance(result, BeepError) else answer.set_result(result)

        def bring_back(result: Any) -> None:
            if near or (world.random.random() >= self.loss and not caller.deaf):
                world.later(self.delay(near), lambda: caller.loop.call_soon(settle, result))

        if near or world.random.random() >= self.loss:
            world.later(self.delay(near), lambda: there(bring_back))
        return await answer


class Engine:
    """The permission engine: exactly as of a token; notices when two writes are in flight."""

    def __init__(self, world: World, judge: "Judge") -> None:
        self._world = world
        self._judge = judge
        self.revision = 1
        self._facts: dict[tuple[Entity, str], list[tuple[int, Value]]] = {}
        self._in_flight: set[str] = set()
        self.failing = False

    def begin_write(self, writer: str, attributes: Sequence[Attribute], answer: Callable[[Any], None]) -> None:
        if self._in_flight:
            self._judge.wrong(f"two writes in flight, of {self._in_flight} and {writer}")
        chance = self._world.random
        self._in_flight.add(writer)
        fails, applies = chance.random() < 0.03, chance.random() < 0.5

        def commit() -> None:
            self._in_flight.discard(writer)
            if not fails or applies:
                self.revision += 1
                for item in attributes:
                    self._facts.setdefault((item.entity, item.name), []).append((self.revision, item.value))
            answer(Unavailable("ENGINE_DOWN") if fails else str(self.revision))

        self._world.later(chance.uniform(0.1, 0.8) if chance.random() < 0.1 else chance.uniform(0.001, 0.01), commit)

    def read(self, entities: Sequence[Entity], token: Token) -> dict[Entity, dict[str, Value]]:
        found: dict[Entity, dict[str, Value]] = {}
        for (entity, name), values in self._facts.items():
            old = [value for revision, value in values if revision <= int(token or 0)]
            if entity in entities and old:
                found.setdefault(entity, {})[name] = old[-1]
        return found


class _Authorizer:
    """The engine as one process reaches it."""

    def __init__(self, engine: Engine, network: Network, process: "Process") -> None:
        self._engine, self._network, self._process = engine, network, process

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        def there(answer: Callable[[Any], None]) -> None:
            self._engine.begin_write(self._process.name, attributes, answer)

        return str(await self._network.call(self._process, there, near=True))

    async def head(self) -> Token:
        return str(
            await self._network.call(self._process, lambda answer: answer(str(self._engine.revision)), near=True)
        )

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        found: Mapping[Entity, Mapping[str, Value]] = await self._network.call(
            self._process, lambda answer: answer(self._engine.read(entities, token)), near=True
        )
        return found

    async def write_schema(self, schema: str) -> str:
        raise NotImplementedError

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        raise NotImplementedError

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        raise NotImplementedError

    async def delete(self, query: RelationshipFilter) -> Token:
        raise NotImplementedError


class _Leases:
    """The record that all share, as one process reaches it."""

    def __init__(self, shared: list[Lease], network: Network, process: "Process") -> None:
        self._shared, self._network, self._process = shared, network, process

    async def read(self) -> Lease:
        found: Lease = await self._network.call(self._process, lambda answer: answer(self._shared[0]), near=True)
        return found

    async def swap(self, expected: Lease, lease: Lease) -> bool:
        def there(answer: Callable[[Any], None]) -> None:
            same = (self._shared[0].fence, self._shared[0].beat) == (expected.fence, expected.beat)
            if same:
                self._shared[0] = lease
            answer(same)

        return bool(await self._network.call(self._process, there, near=True))


class _Leader:
    """`services.authz.leader.Leader`, over the simulated network."""

    def __init__(self, world: World, network: Network, process: "Process") -> None:
        self._world, self._network, self._process = world, network, process
        self._address = ""

    @property
    def elsewhere(self) -> bool:
        return self._address != ""

    async def at(self, address: str) -> None:
        self._address = address

    async def follow(self, request: pb.FollowEpochsRequest, seconds: float) -> pb.FollowEpochsResponse:
        answered = await self._call(lambda peer: peer.service.FollowEpochs(request, None), seconds)
        assert isinstance(answered, pb.FollowEpochsResponse)
        return answered

    async def apply(self, request: authz_pb.ApplyFactsRequest) -> authz_pb.ApplyFactsResponse:
        forwarded = pb.ForwardFactsRequest(facts=request)
        answer: pb.ForwardFactsResponse = await self._call(lambda peer: peer.service.ForwardFacts(forwarded, None), 5.0)
        return answer.applied

    async def close(self) -> None:
        self._address = ""

    async def _call(self, method: Callable[["Process"], Awaitable[Any]], seconds: float) -> Any:
        peers = [peer for peer in self._world.processes if peer.name == self._address]
        if not peers:
            raise not_leading()

        async def serve(answer: Callable[[Any], None]) -> None:
            with Serving(PEER):
                try:
                    answer(await method(peers[0]))
                except BeepError as error:
                    answer(error)

        try:
            async with asyncio.timeout(seconds):
                return await self._network.call(self._process, lambda answer: peers[0].spawn(serve(answer)))
        except TimeoutError:
            raise DeadlineExceeded("DEADLINE_EXCEEDED") from None


class Judge:
    """Knows what was acknowledged when, and what was answered."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._acknowledged: dict[int, list[tuple[float, int]]] = {user: [] for user in USERS}
        self.found: list[str] = []
        self.count: Counter[str] = Counter()

    def acknowledged(self, user: int, version: int) -> None:
        self.count["changes"] += 1
        self._acknowledged[user].append((self._world.now, version))

    def decided(self, process: str, user: int, version: int, began: float) -> None:
        self.count["decisions"] += 1
        # Who was stopped in the middle may still tell what it knew when it began, but not for longer than its lease.
        since = max(began, self._world.now - HELD_SECONDS - SLOWEST_DECISION)
        newest = max((known for when, known in self._acknowledged[user] if when <= since), default=0)
        if version < newest:
            self.wrong(f"{process} decided by version {version} of {user}, when {newest} was acknowledged")

    def wrong(self, what: str) -> None:
        self.found.append(f"{self._world.now:.3f}: {what}")


class Process:
    """One authz."""

    def __init__(self, name: str, world: World, network: Network, engine: Engine, leases: list[Lease]) -> None:
        chance = world.random
        self.name = name
        self.world = world
        self.loop = _Loop(world, chance.uniform(0.97, 1.03), chance.uniform(0, 1000))
        self.frozen = self.deaf = self.dead = self.buried = False
        self.waiting: set[asyncio.Future[Any]] = set()
        clock = _Clock(self.loop)
        self._authorizer = _Authorizer(engine, network, self)
        self.epochs = Epochs("")
        self.lane = Lane(self._authorizer, self.epochs)
        self.mandate = Mandate(clock.monotonic)
        self.leader = _Leader(world, network, self)
        self.succession = Succession(
            _Leases(leases, network, self),
            self._authorizer,
            self.lane,
            self.epochs,
            self.mandate,
            clock,
            self.leader,  # type: ignore[arg-type]
            name=name,
            address=name,
        )
        self.service = LaneService(self.succession, self._apply)
        self._member = self.spawn(self.succession.run())
        world.processes.append(self)

    def spawn(self, job: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        return self.loop.create_task(job)

    def run_ready(self) -> None:
        if self.frozen or self.dead:
            return
        while self.loop._ready or self.next_timer() <= self.world.now:  # type: ignore[attr-defined]
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def next_timer(self) -> float:
        timers = self.loop._scheduled  # type: ignore[attr-defined]
        if self.frozen or self.dead or not timers:
            return float("inf")
        return self.loop.real(timers[0].when())

    def stop(self) -> None:
        """As at SIGTERM."""
        self._member.cancel()

    def kill(self) -> None:
        self.dead = True

    def bury(self) -> None:
        """Let go of the tasks of a process, when nothing that they do counts any more."""
        self.frozen = self.dead = False
        self.buried = True
        self._member.cancel()
        while left := asyncio.all_tasks(self.loop):
            for answer in list(self.waiting):
                if not answer.done():
                    answer.set_exception(Unavailable("BURIED"))
            self.run_ready()
            self.world.now += 1.0
            if self._member.done():
                for task in left:
                    task.cancel()
        self.loop.close()

    async def _apply(self, request: authz_pb.ApplyFactsRequest) -> authz_pb.ApplyFactsResponse:
        changes = [
            SetSuspended(change.set_suspended.user_id, change.set_suspended.suspended) for change in request.changes
        ]
        return authz_pb.ApplyFactsResponse(snap_token=await self.lane.apply(request.version, changes))

    async def change(self, user: int, version: int) -> None:
        request = authz_pb.ApplyFactsRequest(version=version)
        request.changes.add().set_suspended.user_id = user
        if self.leader.elsewhere:
            await self.leader.apply(request)
        else:
            await self._apply(request)

    async def decide(self, user: int) -> int:
        """The version of the user's facts by which this process decides now."""
        number = self.mandate.begin()
        token = self.epochs.of(user_epoch(user))
        for _ in range(2):  # as the waves of a decision, one after the other
            facts = await self._authorizer.read_attributes([user_entity(user)], token)
        self.mandate.confirm(number)
        version = facts.get(user_entity(user), {}).get("version", 0)
        assert isinstance(version, int)
        return version


class Simulation:
    """Processes, clients and accidents. Equal seeds give equal runs."""

    def __init__(self, seed: int, processes: int = 3) -> None:
        self.world = World(seed)
        self.judge = Judge(self.world)
        self._network = Network(self.world)
        self._engine = Engine(self.world, self.judge)
        self._leases = [NOBODYS]
        self._names = itertools.count(1)
        self._size = processes
        self._gone: list[Process] = []

    def run(self, seconds: float) -> Judge:
        try:
            for _ in range(self._size):
                self._start()
            for user in USERS:
                self._change(user, 1)
            self._ask()
            self._accident()
            self.world.run(seconds)
        finally:
            for process in (*self.world.processes, *self._gone):
                process.bury()
        return self.judge

    def _start(self) -> None:
        Process(f"p{next(self._names)}", self.world, self._network, self._engine, self._leases)

    def _change(self, user: int, version: int) -> None:
        """A client that repeats each change until it is acknowledged, as a relay does."""
        chance, process = self.world.random, self.world.random.choice(self.world.processes)

        async def change() -> None:
            with suppress(BeepError, TimeoutError):
                async with asyncio.timeout(4.0):
                    await process.change(user, version)
                if not process.dead:
                    self.judge.acknowledged(user, version)
                    state[0] = True

        state = [False]
        task = process.spawn(change())

        def go_on() -> None:
            if state[0]:
                self.world.later(chance.uniform(0.0, 0.2), lambda: self._change(user, version + 1))
            elif task.done() or process.dead:
                self.world.later(chance.uniform(0.02, 0.1), lambda: self._change(user, version))
            else:
                self.world.later(0.01, go_on)

        go_on()

    def _ask(self) -> None:
        chance = self.world.random
        for process in self.world.processes:
            process.spawn(self._decide(process, chance.choice(USERS)))
        self.world.later(chance.uniform(0.005, 0.03), self._ask)

    async def _decide(self, process: Process, user: int) -> None:
        began = self.world.now
        try:
            version = await process.decide(user)
        except Unavailable:
            self.judge.count["refused"] += 1
            return
        self.judge.decided(process.name, user, version, began)

    def _accident(self) -> None:
        chance = self.world.random
        process = chance.choice(self.world.processes)
        match chance.choice(("freeze", "freeze", "deafen", "kill", "stop", "nothing")):
            case "freeze" if not process.frozen:
                process.frozen = True
                self.judge.count["freezes"] += 1
                self.world.later(chance.choice((0.3, 0.8, 1.5, 4.0, 8.0)), lambda: setattr(process, "frozen", False))
            case "deafen" if not process.deaf:
                process.deaf = True
                self.judge.count["deafened"] += 1
                self.world.later(chance.choice((0.8, 1.5, 4.0)), lambda: setattr(process, "deaf", False))
            case "kill" if not process.frozen:
                self.judge.count["kills"] += 1
                process.kill()
                self._replace(process, chance.uniform(0.1, 2.0))
            case "stop" if not process.frozen:
                self.judge.count["stops"] += 1
                process.stop()
                self.world.later(2.5, lambda: self._replace(process, 0.1))
        self.world.later(chance.uniform(0.5, 4.0), self._accident)

    def _replace(self, process: Process, seconds: float) -> None:
        if process in self.world.processes:
            process.dead = True
            self.world.processes.remove(process)
            self._gone.append(process)
            self.world.later(seconds, self._start)
