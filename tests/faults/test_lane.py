"""Several real authz processes on one lane: killed, frozen and stopped. On Permify, and where there is none on an
embedded engine that they share."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from services.authz.config import LANE_DATABASE
from services.authz.domain.lease import HELD_SECONDS, LEASE_SECONDS
from services.authz.domain.read_leases import READ_LEASE_SECONDS
from services.authz.store.lease import SqliteLeases
from services.cli.data import INTERNAL_KEY
from services.common.auth import InternalTokens, load_or_create_key
from services.common.clock import SystemClock
from services.common.errors import DeadlineExceeded, Unavailable
from services.common.permissions import Permission
from services.common.rpc import grpc_channel
from tests.support.authz_process import AuthzProcess, authz_processes
from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo
from tests.support.in_process import service

SERVER, USER = 10, 21
TAKEOVER_SECONDS = 5.0
MEMBER, STRANGER = pb.OUTCOME_ALLOWED, pb.OUTCOME_HIDDEN


class Asked:
    """One of the processes, as a service calls it."""

    def __init__(self, process: AuthzProcess, stub: AuthzServiceStub) -> None:
        self.process = process
        self._stub = stub

    async def outcome(self, timeout: float = 2.0) -> "pb.Outcome":
        request = pb.AuthorizeRequest(user_id=USER, server_id=SERVER, required=int(Permission.VIEW_CHANNEL))
        answer = await self._stub.Authorize(request, timeout=timeout)
        return answer.outcome

    async def change(self, version: int, timeout: float = 5.0) -> None:
        """In odd versions the user is a member."""
        request = pb.ApplyFactsRequest(server_id=SERVER, version=version)
        change = request.changes.add()
        if version % 2:
            change.set_seat.server_id, change.set_seat.user_id = SERVER, USER
        else:
            change.remove_seat.server_id, change.remove_seat.user_id = SERVER, USER
        await self._stub.ApplyFacts(request, timeout=timeout)

    async def create_server(self) -> None:
        request = pb.ApplyFactsRequest(server_id=SERVER, version=1)
        server = request.changes.add().set_server
        server.server_id, server.owner_id = SERVER, 20
        roles = request.changes.add().set_roles
        roles.server_id = SERVER
        roles.roles.add(role_id=SERVER, permissions=int(Permission.VIEW_CHANNEL))
        await self._stub.ApplyFacts(request)


@dataclass
class Group:
    """All of them, and who leads."""

    data: Path
    all: list[Asked]
    leases: SqliteLeases

    async def leader(self) -> Asked:
        lease = await self.leases.read()
        return next(asked for asked in self.all if asked.process.address == lease.address)

    async def followers(self) -> list[Asked]:
        leader = await self.leader()
        return [asked for asked in self.all if asked is not leader]

    async def fence(self) -> int:
        return (await self.leases.read()).fence


@asynccontextmanager
async def group(processes: list[AuthzProcess], data: Path) -> AsyncIterator[Group]:
    tokens = InternalTokens(load_or_create_key(data / INTERNAL_KEY), SystemClock())
    async with AsyncExitStack() as stack:
        leases = await SqliteLeases.open(data / LANE_DATABASE)
        stack.push_async_callback(leases.close)
        asked = []
        for process in processes:
            channel = grpc_channel("authz", process.address, service("servers"), tokens)
            stack.push_async_callback(channel.close)
            asked.append(Asked(process, AuthzServiceStub(channel)))
        await asked[0].create_server()
        await asked[0].change(1)
        yield Group(data, asked, leases)


@pytest.fixture(params=["embedded", "permify"])
def processes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[list[AuthzProcess]]:
    env, module = {}, "tests.faults.shared_engine"
    if request.param == "permify":
        server = request.getfixturevalue("permify")
        env, module = server.environment(server.new_tenant()), "services.cli"
    with authz_processes(3, tmp_path / "data", env, module) as started:
        yield started


@pytest.fixture
async def lane(processes: list[AuthzProcess], tmp_path: Path) -> AsyncIterator[Group]:
    async with group(processes, tmp_path / "data") as found:
        yield found


async def until(done: Callable[[], Awaitable[object]], seconds: float) -> float:
    """Repeat what a lane without a leader refuses. Returns how long it took."""
    begun = time.monotonic()
    while True:
        try:
            await done()
            return time.monotonic() - begun
        except (Unavailable, DeadlineExceeded):
            assert time.monotonic() - begun < seconds, f"not within {seconds} s"
            await asyncio.sleep(0.02)


async def test_change_is_seen_at_every_process_when_any_of_them_acknowledges_it(lane: Group) -> None:
    assert [await asked.outcome() for asked in lane.all] == [MEMBER] * 3
    for version in range(2, 62):
        await lane.all[version % 3].change(version)
        answers = await asyncio.gather(*(asked.outcome() for asked in lane.all))
        assert answers == [MEMBER if version % 2 else STRANGER] * 3


async def test_another_leads_and_changes_go_on_when_the_leader_is_killed(lane: Group) -> None:
    leader, fence = await lane.leader(), await lane.fence()
    survivors = await lane.followers()
    leader.process.kill()
    took = await until(lambda: survivors[0].change(2, timeout=1.0), TAKEOVER_SECONDS)
    assert took > LEASE_SECONDS - 1.0, "somebody else wrote while the killed one may have had the lease"
    assert await lane.fence() > fence
    for asked in survivors:
        await until(asked.outcome, 1.0)
        assert await asked.outcome() == STRANGER
    leader.process.start()
    assert await leader.outcome() == STRANGER
    await leader.change(3)
    assert [await asked.outcome() for asked in lane.all] == [MEMBER] * 3


async def test_leader_that_was_frozen_past_its_lease_decides_and_writes_nothing_stale(lane: Group) -> None:
    leader = await lane.leader()
    followers = await lane.followers()
    # Both are under way when it freezes: what is asked of it waits in its socket.
    leader.process.freeze()
    try:
        asked = [asyncio.ensure_future(leader.outcome(timeout=20)) for _ in range(5)]
        late = asyncio.ensure_future(leader.change(2, timeout=20))
        await until(lambda: followers[0].change(4, timeout=1.0), TAKEOVER_SECONDS + 1.0)
        await until(lambda: followers[1].change(5), TAKEOVER_SECONDS)
        await followers[1].change(6)
    finally:
        leader.process.thaw()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) or answer == STRANGER for answer in answers), answers
    # Refused, or given to who leads now; there it is older than what is there.
    await asyncio.gather(late, return_exceptions=True)
    await until(leader.outcome, 2.0)
    assert [await asked.outcome() for asked in lane.all] == [STRANGER] * 3
    await leader.change(7)
    assert [await asked.outcome() for asked in lane.all] == [MEMBER] * 3


async def test_follower_that_was_frozen_decides_nothing_stale_when_it_goes_on(lane: Group) -> None:
    leader = await lane.leader()
    frozen, _ = await lane.followers()
    for version in (2, 3):
        gone, come = (MEMBER, STRANGER) if version % 2 == 0 else (STRANGER, MEMBER)
        assert await frozen.outcome() == gone
        frozen.process.freeze()
        try:
            asked = [asyncio.ensure_future(frozen.outcome(timeout=20)) for _ in range(10)]
            await asyncio.sleep(0.1)  # they wait in its socket, before any news
            await leader.change(version)
        finally:
            # At once: were its lease not over, it would decide by what it knew.
            frozen.process.thaw()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(answer, Unavailable) or answer == come for answer in answers), answers
        await until(frozen.outcome, 2.0)


async def test_change_waits_for_a_frozen_follower_only_until_its_lease_is_over(lane: Group) -> None:
    leader = await lane.leader()
    frozen, other = await lane.followers()
    frozen.process.freeze()
    try:
        begun = time.monotonic()
        await leader.change(2)
        took = time.monotonic() - begun
        # It has polled a moment ago, so most of its lease was left.
        assert READ_LEASE_SECONDS / 4 < took < READ_LEASE_SECONDS + 1.0
        begun = time.monotonic()
        await other.change(4)
        await leader.change(6)
        assert time.monotonic() - begun < READ_LEASE_SECONDS / 2, "who may not decide any more holds up nobody"
    finally:
        frozen.process.thaw()


async def test_follower_decides_nothing_when_it_has_not_heard_the_leader_for_its_lease(lane: Group) -> None:
    leader = await lane.leader()
    follower, _ = await lane.followers()
    leader.process.freeze()
    try:
        await asyncio.sleep(READ_LEASE_SECONDS)
        with pytest.raises(Unavailable, match="NO_AUTHZ_LEASE"):
            await follower.outcome()
    finally:
        leader.process.thaw()
    await until(follower.outcome, HELD_SECONDS)


async def test_another_leads_at_once_when_the_leader_is_stopped(lane: Group) -> None:
    leader = await lane.leader()
    survivors = await lane.followers()
    await asyncio.to_thread(leader.process.stop)
    took = await until(lambda: survivors[0].change(2), TAKEOVER_SECONDS)
    assert took < LEASE_SECONDS - 1.0
    begun = time.monotonic()
    await asyncio.to_thread(leader.process.start)
    assert await leader.outcome() == STRANGER
    assert time.monotonic() - begun < TAKEOVER_SECONDS


async def test_beep_goes_on_when_one_of_its_authz_is_killed(lane: Group) -> None:
    env = {"BEEP_RATE_LIMITS": "off", "BEEP_AUTHZ": ",".join(asked.process.address for asked in lane.all)}
    beep = await asyncio.to_thread(BeepProcess(lane.data, env=env).start)
    async with AsyncExitStack() as stack:
        try:
            demo = await Demo.make(beep, stack)
            for asked in await lane.followers():
                asked.process.kill()
                # Nobody notices: the next one is asked.
                for number in range(20):
                    await demo.sender.send(demo.channel_id, f"{number}")
            (await lane.leader()).process.kill()
            answer = await demo.sender.call("POST", demo.messages, {"content": "Nobody decides."})
            assert answer.status_code == 503
            lane.all[0].process.start()
            # It is found again within the second after which a lost connection is tried anew.
            async with asyncio.timeout(TAKEOVER_SECONDS):
                while not answer.is_success:
                    answer = await demo.sender.call("POST", demo.messages, {"content": "Somebody does."})
        finally:
            await asyncio.to_thread(beep.stop)


async def test_processes_agree_when_all_of_them_change_while_leaders_die(lane: Group) -> None:
    """Whoever is asked after an acknowledgement answers by it, or not at all."""
    newest = 1
    for round_ in range(3):
        for version in range(newest + 1, newest + 12):
            writer = lane.all[version % 3]
            await until(lambda writer=writer, version=version: writer.change(version, timeout=2.0), 12.0)  # type: ignore[misc]
            wanted = MEMBER if version % 2 else STRANGER
            for asked in lane.all:
                with suppress(Unavailable, DeadlineExceeded):
                    assert await asked.outcome() == wanted
            newest = version
        leader = await lane.leader()
        leader.process.kill()
        if round_ % 2:
            await asyncio.sleep(LEASE_SECONDS)
        leader.process.start()
