"""Profiles are remembered until their user changes; what is remembered is bounded, and so is what is followed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from joserfc.jwk import OKPKey

from beep.users.v1 import users_service_pb2 as pb
from beep.users.v1.user_pb2 import User
from beep.users.v1.users_service_pb2_grpc import (
    UsersServiceServicer,
    UsersServiceStub,
    add_UsersServiceServicer_to_server,
)
from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.bus import MAX_ENVELOPE_BYTES, Audience, Envelope, user_shard
from services.common.bus.sqlite import SqliteBus
from services.common.rpc import RpcServer
from services.servers.directory import NOBODY, Directory
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

ANN, BOB, EVE = 1, 2, 3


class Table(UsersServiceServicer):
    """Answers for users, and counts what it is asked. Held: it answers when it is let go."""

    def __init__(self) -> None:
        self.names = {ANN: "ann", BOB: "bob", EVE: "eve"}
        self.asked: list[list[int]] = []
        self.was_asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def GetUsers(self, request: pb.GetUsersRequest, context: Any) -> pb.GetUsersResponse:
        self.asked.append(sorted(request.ids))
        users = [User(id=each, username=self.names[each]) for each in request.ids if each in self.names]
        self.was_asked.set()
        await self.let_go.wait()
        return pb.GetUsersResponse(users=users)


class World:
    def __init__(self, table: Table, directory: Directory, bus: SqliteBus) -> None:
        self.table, self.directory, self._bus = table, directory, bus
        self._events = 0

    async def name(self, user_id: int) -> str:
        return (await self.directory.get([user_id]))[user_id].username

    async def rename(self, user_id: int, name: str) -> None:
        self.table.names[user_id] = name
        self._events += 1
        event = Envelope(self._events, user_shard(user_id), "USER_UPDATE", b"{}", Audience.NONE)
        await self._bus.publish([event])
        for _ in range(10):
            await asyncio.sleep(0)


def users_of(table: Table, clock: ManualClock) -> "UsersServiceAsyncStub":
    rpc = RpcServer("users", InternalTokens(OKPKey.generate_key("Ed25519", private=True), clock))
    add_UsersServiceServicer_to_server(table, rpc)
    return UsersServiceStub(rpc.in_process_channel(Principal(PrincipalKind.SERVICE, service="servers")))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    table = Table()
    bus = await SqliteBus.open(tmp_path / "bus.db", clock)
    directory = Directory(users_of(table, clock), bus, capacity=2)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(directory.follow())
        yield World(table, directory, bus)
        directory.close()
    await bus.close()


async def test_profile_is_asked_for_once_until_it_changes(world: World) -> None:
    assert [await world.name(ANN) for _ in range(3)] == ["ann"] * 3
    assert world.table.asked == [[ANN]]
    await world.rename(ANN, "anna")
    assert await world.name(ANN) == "anna"


async def test_change_while_the_profile_is_being_fetched_is_not_missed(world: World) -> None:
    world.table.let_go.clear()
    # The table has read the old name; the answer is on its way when the name changes.
    async with asyncio.TaskGroup() as tasks:
        early = tasks.create_task(world.name(ANN))
        await world.table.was_asked.wait()
        await world.rename(ANN, "anna")
        world.table.let_go.set()
    assert early.result() == "ann"
    assert await world.name(ANN) == "anna"
    assert await world.name(ANN) == "anna"
    assert len(world.table.asked) == 2


async def test_least_recently_used_profile_is_forgotten(world: World) -> None:
    for user_id in (ANN, BOB, ANN, EVE):
        await world.name(user_id)
    await world.name(ANN)
    assert world.table.asked == [[ANN], [BOB], [EVE]]
    await world.name(BOB)
    assert world.table.asked[-1] == [BOB]


async def test_nobody_stands_for_whoever_is_gone(world: World) -> None:
    assert await world.name(99) == NOBODY
    assert set(await world.directory.get([ANN, 98])) == {ANN, 98}


async def test_profiles_are_asked_for_anew_when_events_were_missed(tmp_path: Path) -> None:
    clock = ManualClock()
    bus = await SqliteBus.open(tmp_path / "bus.db", clock, retention_seconds=1, retention_entries=1)
    table = Table()
    world = World(table, Directory(users_of(table, clock), bus, capacity=2), bus)
    assert await world.name(ANN) == "ann"
    # More than a subscription holds, and then gone from the log before anybody has read it.
    body = bytes(MAX_ENVELOPE_BYTES // 2)
    for number in range(40):
        await bus.publish([Envelope(1000 + number, user_shard(ANN), "TYPING_START", body, Audience.NONE)])
    clock.advance(2)
    await bus.trim()
    table.names[ANN] = "anna"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.directory.follow())
        async with asyncio.timeout(10):
            while await world.name(ANN) != "anna":  # noqa: ASYNC110 (nothing tells when)
                await asyncio.sleep(0)
        await world.rename(ANN, "annette")
        assert await world.name(ANN) == "annette"
        world.directory.close()
    await bus.close()
