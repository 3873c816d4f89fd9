"""Why the gateway closes a connection: each code by its cause, and nobody else notices.

https://docs.discord.com/developers/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from tests.support.gateway_client import GatewayClient
from tests.support.world import World

Misstep = Callable[[GatewayClient], Awaitable[None]]


@pytest.fixture
async def raw(world: World) -> AsyncIterator[GatewayClient]:
    """A connection of the owner on which nothing was said yet but HELLO."""
    client = GatewayClient(world.beep.gateway, world.owner.token)
    await client.open()
    yield client
    await client.close()


def sends(*frames: str | bytes) -> Misstep:
    async def misstep(client: GatewayClient) -> None:
        for frame in frames:
            await client.send_raw(frame)

    return misstep


def says(op: int, d: Any) -> Misstep:
    return sends(json.dumps({"op": op, "d": d}))


def identifies(**fields: Any) -> Misstep:
    async def misstep(client: GatewayClient) -> None:
        await client.send(2, {"token": client.token, "intents": 1, "properties": {}} | fields)

    return misstep


def identifies_and(op: int, d: Any) -> Misstep:
    async def misstep(client: GatewayClient) -> None:
        await client.send(2, {"token": client.token, "intents": 1, "properties": {}})
        await client.wait_for("READY")
        await client.send(op, d)

    return misstep


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    ("misstep", "code"),
    [
        pytest.param(says(77, None), 4001, id="an unknown opcode"),
        pytest.param(says(0, {}), 4001, id="an opcode that only servers send"),
        pytest.param(says(10, {}), 4001, id="another one"),
        pytest.param(sends("{"), 4002, id="broken JSON"),
        pytest.param(sends("[]"), 4002, id="no object"),
        pytest.param(sends('{"d":null}'), 4002, id="no opcode"),
        pytest.param(sends('{"op":"one"}'), 4002, id="an opcode of a wrong type"),
        pytest.param(sends(b"\xff\xfe\x00"), 4002, id="no UTF-8"),
        pytest.param(sends("x" * 4097), 4002, id="a frame over the limit"),
        pytest.param(sends("x" * (1 << 20)), 4002, id="a frame of 1 MiB"),
        pytest.param(sends("[" * 4000), 4002, id="deep nesting"),
        pytest.param(says(2, {"intents": 1}), 4002, id="identify without a token"),
        pytest.param(says(2, {"token": 1, "intents": "all"}), 4002, id="identify of wrong types"),
        pytest.param(says(1, "a heartbeat"), 4002, id="a heartbeat of a wrong type"),
        pytest.param(says(8, {"guild_id": "1"}), 4003, id="a command before identify"),
        pytest.param(says(3, {"status": "online"}), 4003, id="a presence before identify"),
        pytest.param(identifies(token="wrong"), 4004, id="a wrong token"),
        pytest.param(identifies(token=""), 4004, id="an empty token"),
        pytest.param(says(6, {"token": "wrong", "session_id": "x", "seq": 1}), 4004, id="resume with a wrong token"),
        pytest.param(identifies_and(2, {"token": "again", "intents": 1}), 4005, id="identify twice"),
        pytest.param(identifies_and(6, {"token": "t", "session_id": "s", "seq": 1}), 4005, id="resume after identify"),
        pytest.param(sends(*['{"op":1,"d":null}'] * 121), 4008, id="a flood"),
        pytest.param(identifies(shard=[2, 2]), 4010, id="a shard that cannot be"),
        pytest.param(identifies(shard=[-1, 0]), 4010, id="no shard at all"),
        pytest.param(identifies(intents=1 << 30), 4013, id="intents that there are not"),
        pytest.param(identifies(intents=-1), 4013, id="intents below zero"),
    ],
)
async def test_a_connection_is_closed_with_the_code_of_its_cause(
    world: World, raw: GatewayClient, misstep: Misstep, code: int
) -> None:
    witness = await world.connect(world.owner)
    await misstep(raw)
    assert await raw.closed() == code
    # Nobody else notices.
    sent = await world.owner.send(world.channel_id, "undisturbed")
    await witness.wait_for_message(sent)


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(("query", "code"), [("?v=9", 4012), ("?v=six", 4012), ("?v=10&encoding=etf", 4002)])
async def test_a_url_that_asks_for_what_is_not_spoken_is_told_so(world: World, query: str, code: int) -> None:
    assert await _close_code_at(f"{world.beep.gateway}/{query}") == code


async def _close_code_at(url: str) -> int | None:
    async with connect(url, compression=None) as socket:
        await socket.wait_closed()
        return socket.close_code
