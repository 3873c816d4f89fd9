"""Too much of anything: whoever sends it is cut off or refused, and nobody else notices."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.bystanders import Bystanders
from tests.support.demo import Demo
from tests.support.gateway_client import GatewayClient
from tests.support.raw_socket import RawSocket, frame
from tests.support.world import World

HEARTBEAT = frame(1, b'{"op":1,"d":null}')


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(HEARTBEAT, id="heartbeats"),
        pytest.param(frame(9, b"are you there"), id="pings"),
        pytest.param(frame(10), id="pongs that nobody asked for"),
    ],
)
async def test_a_flood_of_frames_closes_only_its_connection(world: World, bystanders: Bystanders, flood: bytes) -> None:
    sockets = [await RawSocket.web_socket(world.beep) for _ in range(10)]
    for socket in sockets:
        world.stack.push_async_callback(socket.close)
        socket.writer.write(flood * 20_000)
    await bystanders.talk()
    for socket in sockets:
        # 0x0fa8 is 4008. What was answered before it stands in front of it.
        answer = await socket.rest()
        assert b"\x0f\xa8Rate limited." in answer
        assert answer.count(b'"op":11') <= 120


@pytest.mark.story("GTW-07")
async def test_a_flood_of_requests_for_members_closes_only_its_connection(world: World, bystanders: Bystanders) -> None:
    session = await world.connect(world.owner)
    for _ in range(130):
        await session.send(8, {"guild_id": world.server_id, "query": "", "limit": 0})
    await bystanders.talk()
    assert await session.closed() == 4008


@pytest.mark.story("GTW-07", "GTW-01")
async def test_two_hundred_clients_that_come_at_once_are_all_served(world: World, bystanders: Bystanders) -> None:
    clients = [GatewayClient(world.beep.gateway, world.owner.token) for _ in range(200)]
    for client in clients:
        world.stack.push_async_callback(client.close)
    await asyncio.gather(*(client.identify() for client in clients))
    sent = await world.owner.send(world.channel_id, "to all of you")
    await asyncio.gather(*(client.wait_for_message(sent) for client in clients))
    # And gone at once, without a word.
    await asyncio.gather(*(client.cut() for client in clients))


@pytest.mark.story("GTW-07")
async def test_sockets_that_are_only_opened_keep_nobody_out(world: World, bystanders: Bystanders) -> None:
    idle = [await RawSocket.open(world.beep) for _ in range(400)]
    for socket in idle:
        world.stack.push_async_callback(socket.close)
    await bystanders.talk()
    async with GatewayClient(world.beep.gateway, world.owner.token) as newcomer:
        await newcomer.heartbeat()


@pytest.mark.story("GTW-07")
async def test_a_server_that_changes_all_the_time_slows_no_other(world: World, bystanders: Bystanders) -> None:
    """Changes of rights stop a server's lane for a moment, and no other lane."""
    other = await world.stranger.ok("POST", "/guilds", {"name": "Restless"})
    watching = await world.connect(world.stranger)
    done = asyncio.Event()

    async def restless() -> None:
        while not done.is_set():
            role = f"/guilds/{other['id']}/roles/{await world.stranger.make_role(other['id'], 'another', 0)}"
            await world.stranger.ok("PATCH", role, {"permissions": str(int(Permission.VIEW_CHANNEL))})
            await world.stranger.ok("DELETE", role)

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(restless())
        for _ in range(50):
            await bystanders.talk()
        done.set()
    assert watching.close_code is None
    await world.stranger.ok("DELETE", f"/guilds/{other['id']}")


# with limits on


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    process = BeepProcess(tmp_path_factory.mktemp("guarded") / "data").start()
    yield process
    assert process.stop() == 0


@pytest.fixture
async def demo(guarded: BeepProcess) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.make(guarded, stack)


@pytest.mark.story("BOT-04", "SYS-06")
async def test_whoever_guesses_tokens_is_refused_and_good_tokens_go_on(demo: Demo) -> None:
    await demo.sender.send(demo.channel_id, "before")
    async with Api(demo.beep.url) as guesser:

        async def guess(number: int) -> httpx.Response:
            return await guesser.call("GET", "/users/@me", headers={"Authorization": f"Bearer guess.{number}.x"})

        answers = [await guess(number) for number in range(400)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    assert answers[-1].headers["via"]
    # From the same address, and known: not refused.
    await demo.sender.send(demo.channel_id, "after")
