"""The cache of people: warm look-ups ask nobody, and nothing stale stays, whatever the interleaving."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from beep.servers.v1 import (
    channel_pb2,
    channels_service_pb2,
    members_service_pb2,
    role_pb2,
    server_pb2,
    servers_service_pb2,
)
from beep.servers.v1.member_pb2 import Member
from beep.users.v1 import users_service_pb2
from beep.users.v1.user_pb2 import User
from services.common.bus import Audience, Envelope
from services.common.bus.sqlite import SqliteBus
from services.common.errors import NotFound
from services.messages import directory as directory_module
from services.messages.directory import Directory
from tests.support.clock import ManualClock

SERVER = 7


class Peers:
    """Users, members and servers, as their stubs look. While `gate` is closed, answers are made but not delivered."""

    def __init__(self) -> None:
        self.name = "old"
        self.calls: list[object] = []
        self.gate = asyncio.Event()
        self.gate.set()

    async def GetUsers(self, request: Any) -> Any:
        answer = users_service_pb2.GetUsersResponse(users=[User(id=i, username=self.name) for i in request.ids])
        return await self._deliver(list(request.ids), answer)

    async def GetMember(self, request: Any) -> Any:
        if request.user_id == 404:
            raise NotFound("UNKNOWN_MEMBER")
        member = Member(server_id=request.server_id, nick=self.name)
        return await self._deliver("member", members_service_pb2.GetMemberResponse(member=member))

    async def GetSnapshot(self, request: Any) -> Any:
        roles = [role_pb2.Role(id=SERVER, mentionable=True), role_pb2.Role(id=8, mentionable=self.name == "new")]
        snapshot = server_pb2.ServerSnapshot(roles=roles)
        return await self._deliver("snapshot", servers_service_pb2.GetSnapshotResponse(snapshot=snapshot))

    async def GetChannel(self, request: Any) -> Any:
        channel = channel_pb2.Channel(id=request.channel_id, name=self.name)
        return await self._deliver("channel", channels_service_pb2.GetChannelResponse(channel=channel))

    async def _deliver(self, call: object, answer: Any) -> Any:
        self.calls.append(call)
        await self.gate.wait()
        return answer


class Setup:
    def __init__(self, bus: SqliteBus) -> None:
        self.bus = bus
        self.peers = Peers()
        peers: Any = self.peers
        self.directory = Directory(peers, peers, peers, peers, bus)
        self._events = 0
        self._observer = bus.subscribe([f"server:{SERVER}", "user:1"])

    async def publish(self, kind: str, body: object, shard: str = f"server:{SERVER}") -> None:
        """Returns when the directory, which was subscribed first, has been through the event."""
        self._events += 1
        encoded = msgspec.json.encode(body)
        await self.bus.publish([Envelope(self._events, shard, kind, encoded, Audience.SERVER, server_id=SERVER)])
        for _ in range(3):
            await asyncio.sleep(0)

    async def names(self) -> list[str]:
        user = (await self.directory.users([1]))[1]
        member = await self.directory.member(SERVER, 1)
        assert member is not None
        role = "new" if (await self.directory.roles(SERVER))[8] else "old"
        return [user.username, member.nick, role, (await self.directory.channel(SERVER, 9)).name]


@pytest.fixture
async def setup(tmp_path: Path) -> AsyncIterator[Setup]:
    bus = await SqliteBus.open(tmp_path / "bus.db", ManualClock(), retention_seconds=0, retention_entries=1)
    made = Setup(bus)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(made.directory.follow())
        yield made
        made.directory.close()
    await bus.close()


async def test_directory_asks_once(setup: Setup) -> None:
    assert await setup.names() == await setup.names() == ["old", "old", "old", "old"]
    assert len(setup.peers.calls) == 4


@pytest.mark.parametrize(
    ("kind", "body", "shard", "names"),
    [
        ("GUILD_MEMBER_UPDATE", {"user": {"id": "1"}}, f"server:{SERVER}", ["new", "new", "old", "old"]),
        ("GUILD_MEMBER_REMOVE", {"user": {"id": "1"}}, f"server:{SERVER}", ["old", "new", "old", "old"]),
        ("GUILD_ROLE_UPDATE", {"role": {"id": "8"}}, f"server:{SERVER}", ["old", "old", "new", "old"]),
        ("CHANNEL_UPDATE", {"id": "9"}, f"server:{SERVER}", ["old", "old", "old", "new"]),
        ("THREAD_UPDATE", {"id": "9"}, f"server:{SERVER}", ["old", "old", "old", "new"]),
        ("CHANNEL_UPDATE", {"id": "1"}, f"server:{SERVER}", ["old", "old", "old", "old"]),
        ("USER_UPDATE", {"id": "1"}, "user:1", ["new", "old", "old", "old"]),
        ("GUILD_MEMBER_UPDATE", {"user": {"id": "2"}}, f"server:{SERVER}", ["old", "old", "old", "old"]),
        ("MESSAGE_CREATE", {"author": {"id": "1"}}, f"server:{SERVER}", ["old", "old", "old", "old"]),
    ],
)
async def test_event_drops_what_it_changes_and_nothing_else(
    setup: Setup, kind: str, body: object, shard: str, names: list[str]
) -> None:
    await setup.names()
    setup.peers.name = "new"
    await setup.publish(kind, body, shard)
    assert await setup.names() == names


async def test_answer_that_was_asked_for_before_a_change_is_not_kept(setup: Setup) -> None:
    """We ask, the other service reads its old state and changes it, the event passes, and then the answer comes."""
    setup.peers.gate.clear()
    async with asyncio.TaskGroup() as tasks:
        asking = [
            tasks.create_task(setup.directory.users([1])),
            tasks.create_task(setup.directory.member(SERVER, 1)),
            tasks.create_task(setup.directory.roles(SERVER)),
            tasks.create_task(setup.directory.channel(SERVER, 9)),
        ]
        await asyncio.sleep(0)
        assert len(setup.peers.calls) == len(asking)
        setup.peers.name = "new"
        await setup.publish("GUILD_MEMBER_UPDATE", {"user": {"id": "1"}})
        await setup.publish("GUILD_ROLE_UPDATE", {"role": {"id": "8"}})
        await setup.publish("CHANNEL_UPDATE", {"id": "9"})
        setup.peers.gate.set()
    assert await setup.names() == ["new", "new", "new", "new"]


async def test_users_are_asked_for_by_the_thousand(setup: Setup) -> None:
    found = await setup.directory.users(range(1, 1502))
    assert len(found) == 1501
    assert [len(call) for call in setup.peers.calls if isinstance(call, list)] == [1000, 501]


async def test_directory_forgets_whom_it_used_longest_ago(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory_module, "MAX_USERS", 2)
    bus = await SqliteBus.open(tmp_path / "bus.db", ManualClock())
    setup = Setup(bus)
    for user_id in (1, 2, 1, 3, 1, 2):
        await setup.directory.users([user_id])
    assert setup.peers.calls == [[1], [2], [3], [2]]
    await bus.close()


async def test_nobody_is_a_member_who_is_not_found(setup: Setup) -> None:
    assert await setup.directory.member(SERVER, 404) is None


async def test_directory_starts_anew_when_the_bus_lost_its_history(tmp_path: Path) -> None:
    """So many events that the subscription falls behind, and by then the log has forgotten the ones that mattered."""
    clock = ManualClock()
    bus = await SqliteBus.open(tmp_path / "bus.db", clock, retention_seconds=0, retention_entries=1)
    setup = Setup(bus)
    await setup.names()
    setup.peers.name = "new"
    shard = f"server:{SERVER}"
    await bus.publish([Envelope(n, shard, "TYPING_START", b"{}", Audience.SERVER) for n in range(1, 5000)])
    clock.advance(1)
    assert await bus.trim() > 0
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(setup.directory.follow())
        for _ in range(1000):
            if await setup.names() == ["new", "new", "new", "new"]:
                break
            await bus.fetch([])  # a read of the log takes its time, as the subscription's does
        assert await setup.names() == ["new", "new", "new", "new"]
        assert not following.done()
        setup.directory.close()
    await bus.close()
