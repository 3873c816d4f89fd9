"""Clients that do not take what they are sent: closed so that they may come back, at nobody else's cost."""

import asyncio
from typing import Any, Final

import pytest

from tests.support.api import Api
from tests.support.bystanders import Bystanders
from tests.support.gateway_client import GatewayClient
from tests.support.raw_socket import RawSocket
from tests.support.world import World

# 6,000 characters, each of them four bytes: as much as one message can be.
LARGE: Final = {"embeds": [{"description": "\U0001f600" * 4000, "footer": {"text": "\U0001f600" * 2000}}]}
MESSAGES: Final = 600
SENDERS: Final = 8


async def say_much(world: World, number: int = MESSAGES) -> Any:
    """More than sockets hold. Returns the last message."""
    left = iter(range(number))

    async def sender() -> None:
        for n in left:
            await world.owner.send(world.channel_id, f"message {n}", **LARGE)

    await asyncio.gather(*(sender() for _ in range(SENDERS)))
    return await world.owner.send(world.channel_id, "the last")


def contents(session: GatewayClient) -> list[str]:
    return [message["content"] for message in session.of_kind("MESSAGE_CREATE")]


@pytest.mark.story("GTW-07", "GTW-05")
async def test_a_client_that_never_reads_is_closed_and_loses_nothing_when_it_comes_back(
    world: World, bystanders: Bystanders
) -> None:
    stalled = await world.connect(world.owner)
    compressed = await world.connect(world.owner, compress="zlib-stream")
    stalled.stop_reading()

    last = await say_much(world)
    # Whoever reads has everything long before the other is given up.
    await bystanders.reader.wait_for_message(last)
    await compressed.wait_for_message(last)

    stalled.read_again()
    # 4000: every library resumes on it.
    assert await stalled.closed() == 4000
    assert len(contents(stalled)) < MESSAGES
    assert await stalled.resume()
    await stalled.wait_for_message(last)
    assert contents(stalled) == contents(bystanders.reader) == contents(compressed)
    assert len(contents(stalled)) == MESSAGES + 1


@pytest.mark.story("GTW-07")
async def test_many_clients_that_never_read_cost_little_and_slow_nobody(world: World, bystanders: Bystanders) -> None:
    """The fixture looks at the memory: thirty of them, with fifteen megabytes each to take."""
    stalled = await asyncio.gather(*(world.connect(world.owner) for _ in range(30)))
    for client in stalled:
        client.stop_reading()

    await bystanders.reader.wait_for_message(await say_much(world))

    for client in stalled:
        await client.cut()


@pytest.mark.story("GTW-07")
async def test_a_client_that_asks_and_takes_no_answer_is_cut_off(world: World, bystanders: Bystanders) -> None:
    """On REST: a page of the history is more than two megabytes here."""
    await say_much(world, 100)
    request = (
        f"GET /api/v10/channels/{world.channel_id}/messages?limit=100 HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {world.owner.token}\r\n\r\n"
    ).encode()
    deaf = [await RawSocket.open(world.beep, request * 10) for _ in range(10)]
    for socket in deaf:
        world.stack.push_async_callback(socket.close)

    # A limit of one second: then they are gone, and what was kept for them with them.
    async with Api(world.beep.url, world.owner.token) as api:
        for socket in deaf:
            await _until_reset(socket, api)


async def _until_reset(socket: RawSocket, api: Api) -> None:
    """Others are served meanwhile. The end shows only to who writes: this one does not read."""
    async with asyncio.timeout(20):
        while not socket.writer.transport.is_closing():
            socket.writer.write(b"\r\n")
            assert (await api.call("GET", "/gateway")).status_code == 200
