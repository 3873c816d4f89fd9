"""Rubbish of every kind: a clear error in Discord's form or the right close code, and nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest

from services.common import limits
from tests.support.api import Api
from tests.support.bystanders import Bystanders
from tests.support.gateway_client import GatewayClient
from tests.support.raw_socket import RawSocket, frame
from tests.support.world import NOBODYS_ID, World

pytestmark = pytest.mark.usefixtures("bystanders")

INVALID_JSON: Final = (400, 50109)
INVALID_FORM: Final = (400, 50035)
MIB: Final = 1 << 20


def assert_discords_form(answer: httpx.Response) -> None:
    """https://docs.discord.com/developers/reference#error-messages"""
    assert 400 <= answer.status_code < 500, f"{answer.request.method} {answer.request.url}: {answer.text[:200]}"
    assert answer.headers["content-type"] == "application/json"
    if answer.request.method == "HEAD":
        # It has no body (RFC 9110, section 9.3.2).
        return
    body = answer.json()
    assert isinstance(body["message"], str)
    assert isinstance(body["code"], int)
    assert "Traceback" not in answer.text


async def connected(world: World, first: bytes = b"") -> RawSocket:
    """A connection on which these bytes were written."""
    socket = await RawSocket.open(world.beep, first)
    world.stack.push_async_callback(socket.close)
    return socket


async def web_socket(world: World) -> RawSocket:
    """A connection on which HELLO was read."""
    socket = await RawSocket.web_socket(world.beep)
    world.stack.push_async_callback(socket.close)
    return socket


async def post(world: World, content: bytes, **headers: str) -> httpx.Response:
    """Sends this body as a message."""
    return await world.owner.call(
        "POST",
        f"{world.channel_path}/messages",
        content=content,
        headers={"content-type": "application/json"} | headers,
    )


# bodies


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        pytest.param(b"", INVALID_JSON, id="no body"),
        pytest.param(b"{", INVALID_JSON, id="broken JSON"),
        pytest.param(b"content=hello", INVALID_JSON, id="a form"),
        pytest.param(b'{"content": "x"} x', INVALID_JSON, id="something behind it"),
        pytest.param(b"{'content': 'x'}", INVALID_JSON, id="Python's quotes"),
        pytest.param(b'{"content": NaN}', INVALID_JSON, id="NaN"),
        pytest.param(b'{"content": "\xff\xfe"}', INVALID_JSON, id="no UTF-8"),
        pytest.param(b'{"content": "\xed\xa0\x80"}', INVALID_JSON, id="a surrogate in UTF-8"),
        pytest.param(b'{"content": "\\ud800"}', INVALID_JSON, id="a lone surrogate"),
        pytest.param(b'{"content": "\\udc00\\ud800"}', INVALID_JSON, id="surrogates the wrong way round"),
        pytest.param(b'{"content": "a\\u0000b"}', INVALID_FORM, id="NUL"),
        pytest.param(b'{"content": "a\x00b"}', INVALID_JSON, id="a bare NUL"),
        pytest.param(b"[" * 100_000, INVALID_JSON, id="deep and open"),
        pytest.param(b"[" * 100_000 + b"]" * 100_000, INVALID_JSON, id="deep"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, INVALID_JSON, id="deep in what is ignored"),
        pytest.param(b"[]", INVALID_FORM, id="an array"),
        pytest.param(b"null", INVALID_FORM, id="null"),
        pytest.param(b'"content"', INVALID_FORM, id="a string"),
        pytest.param(b'{"content": ["x"]}', INVALID_FORM, id="a list for a text"),
        pytest.param(b'{"content": {"text": "x"}}', INVALID_FORM, id="an object for a text"),
        pytest.param(b'{"content": "x", "embeds": "e"}', INVALID_FORM, id="a text for a list"),
        pytest.param(b'{"content": "x", "embeds": [[]]}', INVALID_FORM, id="a list for an embed"),
        pytest.param(b'{"content": "x", "flags": 1e400}', INVALID_FORM, id="a number beyond all"),
        pytest.param(b'{"content": "x", "flags": ' + b"9" * 5000 + b"}", INVALID_FORM, id="five thousand digits"),
        pytest.param(b'{"content": "x", "nonce": 99999999999999999999}', INVALID_FORM, id="a nonce over 64 bits"),
        pytest.param(
            b'{"content": "x", "message_reference": {"message_id": "x"}}', INVALID_FORM, id="an id of letters"
        ),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(world: World, body: bytes, refusal: tuple[int, int]) -> None:
    answer = await post(world, body)
    assert_discords_form(answer)
    assert (answer.status_code, answer.json()["code"]) == refusal
    if refusal == INVALID_FORM:
        assert answer.json()["errors"], "it does not say which field"


@pytest.mark.story("GTW-07")
async def test_a_body_that_is_too_large_is_refused_before_it_was_read(world: World) -> None:
    almost = b'{"content": "%b"}' % (b"x" * (limits.REQUEST_BODY_BYTES + 1))
    answer = await post(world, almost)
    assert answer.status_code == 413
    assert_discords_form(answer)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * MIB

    # Without a length, so that only counting helps. Cut off in the middle is an answer too.
    try:
        answer = await post(world, endless())  # type: ignore[arg-type]
        assert answer.status_code == 413
    except httpx.TransportError:
        pass
    socket = await connected(
        world,
        f"POST /api/v10/channels/{world.channel_id}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {world.owner.token}"
        f"\r\nContent-Type: application/json\r\nContent-Length: {1 << 40}\r\n\r\n".encode(),
    )
    assert b" 413 " in await socket.reader.readline()


@pytest.mark.story("GTW-07")
async def test_text_that_is_only_strange_arrives_as_it_is(world: World, bystanders: Bystanders) -> None:
    for text in (
        "emoji 👩‍👩‍👧‍👦 🏴󠁧󠁢󠁳󠁣󠁴󠁿",
        "right to left ‮ and back ‬",
        "a noncharacter \uffff and the last one \U0010ffff",
        "combining " + "e\u0301\u0302\u0303" * 100,
        "control \x01\x1b[31m \x7f \x85",
        "line\u2028separator\u2029and\r\nmore",
        'quotes " \\ \\u0000 </script> %00 ${} {{}}',
        "\U0001d54c" * 2000,
    ):
        sent = await world.owner.send(world.channel_id, text)
        assert sent["content"] == text
        assert (await bystanders.reader.wait_for_message(sent))["content"] == text
        assert (await world.owner.ok("GET", f"{world.channel_path}/messages/{sent['id']}"))["content"] == text


# every route


RUBBISH: Final = (b"{", b"null", b"[[", b'"x"', b"\xff", b"[1, {}]", b'{"a": "\\ud800"}', b"[" * 5000)


@pytest.mark.story("GTW-07")
async def test_no_route_stumbles_over_rubbish_in_its_body(world: World) -> None:
    for method, path in await _routes(world, with_body=True):
        for body in RUBBISH:
            answer = await world.owner.call(method, path, content=body, headers={"content-type": "application/json"})
            assert_discords_form(answer)


@pytest.mark.story("GTW-07")
async def test_no_route_stumbles_over_rubbish_in_its_path(world: World) -> None:
    document = await world.owner.ok("GET", "/api/beep/v1/openapi.json")
    rubbish = ("x", "-1", "1.5", "0x10", "1e9", str(1 << 64), "9" * 5000, "%00", "%ff", "%F0%9F%92%A9", "١٢٣", "%2e%2e")
    for template, operations in document["paths"].items():
        if "{" not in template:
            continue
        for method in operations:
            for id_ in rubbish:
                path = "/".join(id_ if part.startswith("{") else part for part in template.split("/"))
                answer = await world.owner.call(method.upper(), path, content=b"{}")
                assert_discords_form(answer)


@pytest.mark.story("GTW-07")
async def test_no_route_knows_what_there_is_not(world: World) -> None:
    for method, path in await _routes(world, with_body=False):
        known = path.replace(NOBODYS_ID, "")
        if known == path:
            continue
        answer = await world.owner.call(method, path)
        assert answer.status_code in (400, 403, 404), f"{method} {path}: {answer.status_code}"
        assert_discords_form(answer)


async def _routes(world: World, *, with_body: bool) -> list[tuple[str, str]]:
    """Every route, with or without a body: on nobody's things where it has no body, on the world's where it has."""
    document = await world.owner.ok("GET", "/api/beep/v1/openapi.json")
    own = {"{channel_id}": world.channel_id, "{server_id}": world.server_id, "{user_id}": world.member.user_id}
    routes = []
    for template, operations in document["paths"].items():
        for method, operation in operations.items():
            if ("requestBody" in operation) != with_body:
                continue
            parts = [
                (own.get(part, NOBODYS_ID) if with_body else NOBODYS_ID) if part.startswith("{") else part
                for part in template.split("/")
            ]
            routes.append((method.upper(), "/".join(parts)))
    assert len(routes) > 10
    return routes


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v10/nothing", 404),
        ("GET", "/api/v7/gateway", 404),
        ("POST", "/api/v10/gateway", 405),
        ("BREW", "/api/v10/gateway", 400),
        ("GET", "/api/v10/" + "a" * 10_000, 404),
        ("GET", "/api/v10/../../etc/passwd", 404),
        ("GET", "/api/v10/users/@me/guilds?limit=lots", 400),
    ],
)
async def test_a_url_that_leads_nowhere_says_so(world: World, method: str, path: str, status: int) -> None:
    async with Api(world.beep.url, world.owner.token) as api:
        answer = await api.http.request(method, world.beep.url + path)
    assert answer.status_code == status
    assert_discords_form(answer)


# HTTP itself


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        pytest.param(
            b"GET / HTTP/1.1\r\n" + b"".join(b"x-%d: y\r\n" % n for n in range(10_000)) + b"\r\n",
            431,
            id="thousands of headers",
        ),
        pytest.param(b"GET / HTTP/1.1\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", 431, id="a long header"),
        pytest.param(b"GET /" + b"y" * 100_000 + b" HTTP/1.1\r\n\r\n", 431, id="a long URL"),
        pytest.param(b"HELLO\r\n\r\n", 400, id="no HTTP"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, id="TLS"),
        pytest.param(b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, id="a header without a colon"),
        pytest.param(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, id="a length below zero"),
        pytest.param(
            b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400, id="two lengths"
        ),
    ],
)
async def test_broken_http_is_refused_in_the_same_form(world: World, request_bytes: bytes, status: int) -> None:
    socket = await connected(world, request_bytes)
    answer = await socket.rest()
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == 0


@pytest.mark.story("GTW-07")
async def test_half_a_request_and_then_silence_is_given_up(world: World) -> None:
    """Also one byte at a time: the time runs from the first."""
    target = f"/api/v10/channels/{world.channel_id}/messages"
    complete = (
        f"POST {target} HTTP/1.1\r\nHost: x\r\nAuthorization: {world.owner.token}\r\n"
        f'Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{{"content":"x"}}'
    ).encode()
    halves = [b"", b"P", complete[:40], complete[:-10], complete[:-1], b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n"]
    sockets = [await connected(world, half) for half in halves for _ in range(20)]
    answers = await asyncio.gather(*(socket.rest() for socket in sockets))
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)
    assert all(answer.endswith(b'{"message":"408: Request Timeout","code":0}') for answer in answers)
    assert await world.owner.ok("GET", f"{world.channel_path}/messages?limit=1") != []


# the gateway


@pytest.mark.story("GTW-07", "GTW-04")
async def test_a_socket_on_which_nobody_identifies_is_given_up(world: World) -> None:
    silent = [await web_socket(world) for _ in range(20)]
    assert {await socket.close_code() for socket in silent} == {4009}


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(1, b"x" * MIB), 4002, id="a frame of 1 MiB"),
        pytest.param(frame(1, b"x" * 4000, fin=False) + frame(0, b"x" * 4000) * 300, 4002, id="1 MiB in fragments"),
        pytest.param(frame(1, fin=False) + frame(0, fin=False) * 50_000, 4002, id="fragments without an end"),
        pytest.param(frame(1, b'{"op":1,"d":"\\ud800"}'), 4002, id="a lone surrogate"),
        pytest.param(frame(1, b'{"op":2,"d":{"token":"\\u0000"}}'), 4004, id="NUL for a token"),
        pytest.param(frame(2, bytes(range(256))), 4002, id="any bytes"),
        pytest.param(frame(1, b'{"op":' * 600), 4002, id="deep nesting"),
        pytest.param(frame(1, b'{"op":1}', masked=False), 1002, id="no mask"),
        pytest.param(frame(1, b'{"op":1}', reserved=4), 1002, id="a reserved bit"),
        pytest.param(frame(3, b""), 1002, id="a reserved opcode"),
        pytest.param(frame(0, b"x"), 1002, id="a continuation of nothing"),
        pytest.param(frame(9, b"x" * 126), 1002, id="a ping that is too long"),
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", 1002, id="HTTP"),
    ],
)
async def test_rubbish_on_a_web_socket_closes_it_with_the_right_code(world: World, sent: bytes, code: int) -> None:
    socket = await web_socket(world)
    socket.writer.write(sent)
    assert await socket.close_code() == code


@pytest.mark.story("GTW-07")
@pytest.mark.parametrize(
    "request_",
    [
        {"guild_id": "WORLD", "query": "\0", "limit": 0},
        {"guild_id": "WORLD", "query": "x" * 3000, "limit": -1},
        {"guild_id": "WORLD", "user_ids": ["1"] * 500},
        {"guild_id": "WORLD", "query": "", "limit": 1 << 62},
        {"guild_id": NOBODYS_ID, "query": "", "limit": 0},
    ],
)
async def test_strange_requests_for_members_do_no_harm(world: World, request_: dict[str, Any]) -> None:
    session = await world.connect(world.owner)
    fields = request_ | {"guild_id": request_["guild_id"].replace("WORLD", world.server_id)}
    await session.send(8, fields)
    # It is answered or ignored, and the session goes on: the next request is answered.
    await session.send(8, {"guild_id": world.server_id, "query": "", "limit": 0, "nonce": "next"})
    await session.wait_for("GUILD_MEMBERS_CHUNK", lambda chunk: chunk.get("nonce") == "next")


@pytest.mark.story("GTW-07")
async def test_opcodes_out_of_order_close_only_their_connection(world: World) -> None:
    orders: list[tuple[list[tuple[int, Any]], int]] = [
        ([(8, {"guild_id": world.server_id}), (2, {})], 4003),
        ([(1, None), (3, {}), (1, None)], 4003),
        ([(2, {"token": world.owner.token, "intents": 1}), (2, {"token": world.owner.token, "intents": 1})], 4005),
        ([(2, {"token": world.owner.token, "intents": 1}), (6, {"token": "t", "session_id": "s", "seq": 0})], 4005),
        ([(11, None)], 4001),
        ([(7, None)], 4001),
    ]
    for frames, code in orders:
        client = GatewayClient(world.beep.gateway, world.owner.token)
        world.stack.push_async_callback(client.close)
        await client.open()
        for op, d in frames:
            await client.send(op, d)
        assert await client.closed() == code
