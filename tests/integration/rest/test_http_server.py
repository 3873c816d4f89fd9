"""What only a socket shows."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from beep.messages.v1.messages_service_pb2 import CreateMessageResponse
from services.common import limits
from services.common.auth import InternalTokens, load_or_create_key
from services.common.bus.sqlite import SqliteBus
from services.common.clock import SystemClock
from services.common.rpc import RpcServer
from services.common.runtime import Runtime
from services.rest import http_server
from services.rest.__main__ import build
from services.rest.config import Settings
from services.rest.http_server import HEADER_BYTES
from tests.integration.rest.running_edge import GATEWAY_URL
from tests.integration.rest.upstream import Upstream

STOP_SECONDS = 2


@asynccontextmanager
async def running(tmp_path: Path) -> AsyncIterator[tuple[int, Upstream]]:
    clock = SystemClock()
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), clock)
    upstream = Upstream(tokens)
    upstream.add_user(1, "token")
    bus = await SqliteBus.open(tmp_path / "bus.db", clock)
    runtime = Runtime(tmp_path, clock, tokens, bus, RpcServer("rest", tokens), upstream.channels())
    try:
        async with build(runtime, Settings(gateway_url=GATEWAY_URL, port=0)) as edge:
            yield edge.port, upstream
    finally:
        await bus.close()


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[tuple[int, Upstream]]:
    async with running(tmp_path) as edge:
        yield edge


async def raw(port: int, request: bytes) -> bytes:
    """Sends bytes as they are, and reads until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        await writer.drain()
        return await asyncio.wait_for(reader.read(), 10)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_serves_at_the_port_that_it_tells(served: tuple[int, Upstream]) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served[0]}") as client:
        response = await client.get("/api/v10/gateway")

    assert response.json() == {"url": GATEWAY_URL}
    assert "server" not in response.headers


async def test_signal_handlers_are_left_alone(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with running(tmp_path):
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_stops_in_time_though_clients_linger(tmp_path: Path) -> None:
    asked, never = asyncio.Event(), asyncio.Event()

    async def hang(_: Any) -> Any:
        asked.set()
        await never.wait()

    async with httpx.AsyncClient() as client:
        async with running(tmp_path) as (port, upstream):
            upstream.answer("CreateMessage", hang)
            url = f"http://127.0.0.1:{port}"
            await client.get(f"{url}/healthz")
            request = client.post(
                f"{url}/api/v10/channels/1/messages", json={"content": "x"}, headers={"Authorization": "token"}
            )
            pending = asyncio.create_task(request)
            await asked.wait()
            leaving = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - leaving < STOP_SECONDS
        [result] = await asyncio.gather(pending, return_exceptions=True)
        # Cut off, or told: but never acknowledged.
        assert isinstance(result, httpx.HTTPError) or result.status_code >= 500


async def test_body_is_counted_though_its_length_is_not_told(served: tuple[int, Upstream]) -> None:
    port, upstream = served
    upstream.answer("CreateMessage", CreateMessageResponse())

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(limits.REQUEST_BODY_BYTES // 65_536 + 1):
            yield b"a" * 65_536

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"Authorization": "token"}) as client:
        response = await client.post("/api/v10/channels/1/messages", content=chunks())
        alive = await client.get("/healthz")

    assert (response.status_code, response.json()["message"]) == (413, "Request entity too large")
    assert alive.status_code == 200
    assert not upstream.calls["CreateMessage"]


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
async def test_endless_headers_are_cut_off(served: tuple[int, Upstream], end: bytes) -> None:
    answer = await raw(served[0], b"GET / HTTP/1.1\r\nx-long: " + b"a" * (HEADER_BYTES + 1) + end)

    assert answer.startswith(b"HTTP/1.1 431 ")
    assert answer.endswith(b'{"message":"431: Request Header Fields Too Large","code":0}')


@pytest.mark.parametrize(
    ("beginning", "begun"),
    [(b"", b""), (b"GET / HTTP/1.1\r\nho", b""), (b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\nGET /", b'"serving"')],
)
async def test_half_a_request_and_then_silence_ends_the_connection(
    served: tuple[int, Upstream], monkeypatch: pytest.MonkeyPatch, beginning: bytes, begun: bytes
) -> None:
    monkeypatch.setattr(http_server, "HEADER_SECONDS", 0.05)
    answer = await raw(served[0], beginning)

    assert begun in answer
    assert answer.endswith(b'{"message":"408: Request Timeout","code":0}')


async def test_answer_that_nobody_takes_is_dropped(
    served: tuple[int, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "STALLED_SECONDS", 0.1)
    # It stops reading after a byte, so the answers soon are more than sockets hold.
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0], limit=1)
    writer.write(b"GET /api/beep/v1/openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 200)

    async def write_on() -> None:
        while True:
            writer.write(b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.01)

    with pytest.raises(ConnectionError):
        await write_on()
    reader.feed_eof()


async def test_connection_is_kept_between_requests(
    served: tuple[int, Upstream], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_server, "HEADER_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", served[0])
    for _ in range(2):
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        # Longer than a client may take for its headers: between requests it may be silent.
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.1)
    writer.close()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET\r\n\r\n",
        b"POST /api/v10/guilds HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        b"GET /%ff%fe%00 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: \x00\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ],
)
async def test_rubbish_harms_nobody_else(served: tuple[int, Upstream], request_bytes: bytes) -> None:
    answer = await raw(served[0], request_bytes)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 ")
    assert b"Traceback" not in answer
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{served[0]}") as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_upgrade_to_a_web_socket_is_no_upgrade(served: tuple[int, Upstream]) -> None:
    answer = await raw(
        served[0],
        b"GET /api/v10/gateway HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: websocket\r\n\r\n",
    )

    assert not answer.startswith(b"HTTP/1.1 101")
