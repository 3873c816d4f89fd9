"""Rubbish, floods, silence and clients that do not read: each gets its close code, and harms nobody."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from services.common.bus import Audience, Envelope
from tests.integration.gateway.harness import ANN, OWNER, World, contents, running_world, settled, until_content
from tests.support.clock import ManualClock


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ("{", 4002),
        ("[]", 4002),
        ('{"op":"1"}', 4002),
        (b"\xff\xfe", 4002),
        ('{"op":2,"d":{}}', 4002),
        ('{"op":2,"d":{"token":"token-11","intents":1073741824}}', 4013),
        ('{"op":2,"d":{"token":"token-11","shard":[2,2]}}', 4010),
        ('{"op":2,"d":{"token":"nonsense"}}', 4004),
        ('{"op":2,"d":{"token":""}}', 4004),
        ('{"op":77}', 4001),
        ('{"op":0,"d":{}}', 4001),
        ('{"op":8,"d":{"guild_id":"1"}}', 4003),
        ('{"op":3,"d":{}}', 4003),
        ("[" * 4000, 4002),
        ("x" * 4097, 4002),
        ("x" * (1 << 20), 4002),
    ],
)
async def test_connection_is_closed_with_its_code_when_the_client_sends(
    world: World, frame: str | bytes, code: int
) -> None:
    client = world.client(OWNER)
    await client.open()
    await client.send_raw(frame)
    assert await client.closed() == code


async def test_identify_is_refused_when_it_comes_twice(world: World) -> None:
    async with world.client(OWNER) as client:
        await client.send(2, {"token": "token-11", "intents": 1})
        assert await client.closed() == 4005


async def test_binary_json_is_understood_as_hikari_sends_it(world: World) -> None:
    client = world.client(OWNER)
    await client.open()
    await client.send_raw(b'{"op":1,"d":null}')
    await client.wait_for_op(11)
    await client.send_raw(json.dumps({"op": 2, "d": {"token": "Bot token-11", "intents": 1}}).encode())
    await client.wait_for("READY")
    await client.close()


async def test_flood_closes_its_connection_and_no_other(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    async with world.client(ANN) as ann, world.client(OWNER) as flood:
        for _ in range(300):
            await flood.send(1, None)
        assert await flood.closed() == 4008
        await world.send(channel_id, "still here")
        await until_content(ann, "still here")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?v=6", 4012),
        ("?v=10&encoding=etf", 4002),
        ("?v=10&compress=unheard-of", None),
        ("?v=10&compress=", None),
        ("?v=%ff", 4012),
        ("/[", None),
        ("/[::1/?v=6", 4012),
    ],
)
async def test_url_is_refused_when_it_asks_for_what_is_not_spoken(world: World, query: str, code: int | None) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(
        f"GET /{query} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    opcode, size = await reader.readexactly(2)
    payload = await reader.readexactly(size)
    if code is None:
        assert b'"op":10' in payload
    else:
        assert opcode == 0x88
        assert int.from_bytes(payload[:2], "big") == code
    writer.close()
    await writer.wait_closed()


async def test_plain_http_is_answered_when_it_is_no_websocket(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 426")
    await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_silent_client_is_asked_then_cut_off_when_it_does_not_answer(data_dir: Path) -> None:
    clock = ManualClock()
    async with running_world(data_dir, clock) as world:
        async with world.client(OWNER) as client:
            await clock.until_sleeping()
            clock.advance(42)
            await client.wait_for_op(1)
            await client.send(1, client.seq)
            await client.wait_for_op(11)
            clock.advance(42)
            await settled()
            clock.advance(21)
            assert await client.closed() == 4009
            assert await client.resume()
        idle = world.client(OWNER)
        await idle.open()
        clock.advance(31)
        assert await idle.closed() == 4009


async def test_detached_session_is_forgotten_when_its_time_is_over(data_dir: Path) -> None:
    clock = ManualClock()
    async with running_world(data_dir, clock) as world:
        await world.create_server()
        async with world.client(OWNER) as client:
            await client.cut()
            await settled()
            clock.advance(world.settings.resume_window + 1)
            await settled()
            assert not await client.resume()


async def test_client_that_does_not_read_is_closed_and_resumes_when_it_reads_again(world: World) -> None:
    await world.start_gateway(backlog_events=100)
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    async with world.client(OWNER) as reader, world.client(ANN) as stalled:
        stalled._connection.transport.pause_reading()  # type: ignore[union-attr]
        blob = os.urandom(8192).hex()
        for number in range(900):
            body = json.dumps({"content": f"m{number}", "blob": blob}).encode()
            envelope = Envelope(
                7_000_000 + number,
                f"server:{server_id}",
                "MESSAGE_CREATE",
                body,
                Audience.CHANNEL,
                server_id,
                channel_id,
            )
            await world.bus.publish([envelope])
        await until_content(reader, "m899")
        assert contents(reader) == [f"m{number}" for number in range(900)]
        stalled._connection.transport.resume_reading()  # type: ignore[union-attr]
        assert await stalled.closed() == 4000
        assert len(contents(stalled)) < 900
        assert await stalled.resume()
        await world.send(channel_id, "end")
        await until_content(stalled, "end")
        assert contents(stalled) == [*(f"m{number}" for number in range(900)), "end"]


async def test_half_a_handshake_is_dropped_when_the_rest_does_not_come(data_dir: Path) -> None:
    clock = ManualClock()
    async with running_world(data_dir, clock) as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
        writer.write(b"GET / HTTP/1.1\r\nHost:")
        await settled()
        await clock.until_sleeping()
        clock.advance(11)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        writer.transport.abort()


async def test_message_is_refused_when_it_comes_in_fragments_without_end(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    writer.write(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    _, size = await reader.readexactly(2)
    await reader.readexactly(size)
    # An empty text frame that is not the last, and then nothing but empty continuations (RFC 6455 §5.4).
    writer.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 200)
    opcode, size = await reader.readexactly(2)
    assert opcode == 0x88
    assert int.from_bytes((await reader.readexactly(size))[:2], "big") == 4002
    writer.close()
    await writer.wait_closed()
