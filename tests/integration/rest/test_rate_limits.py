from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from beep.servers.v1.channels_service_pb2 import GetChannelResponse
from beep.users.v1.accounts_service_pb2 import RegisterResponse
from services.common.errors import NotFound
from services.rest.config import RateLimits
from services.rest.rate_limit import Limit
from tests.integration.rest.running_edge import RunningEdge, running_edge

LIMITS = RateLimits(
    everything=Limit(8, 1), route=Limit(3, 5), sign_up=Limit(2, 60), bad_tokens=Limit(2, 60), unrouted=Limit(2, 60)
)
REGISTRATION = {"email": "ada@example.org", "username": "ada", "password": "long enough"}


@pytest.fixture
async def limited(tmp_path: Path) -> AsyncIterator[RunningEdge]:
    async with running_edge(tmp_path, LIMITS) as running:
        running.upstream.answer("GetChannel", NotFound("UNKNOWN_CHANNEL"))
        running.upstream.answer("Register", RegisterResponse())
        yield running


async def test_headers_tell_what_is_left(limited: RunningEdge) -> None:
    responses = [await limited.bot.get("/api/v10/channels/1") for _ in range(2)]

    headers = responses[1].headers
    assert (headers["x-ratelimit-limit"], headers["x-ratelimit-remaining"]) == ("3", "1")
    assert headers["x-ratelimit-reset-after"] == "5.000"
    assert int(headers["x-ratelimit-reset"]) == limited.clock.now_ms() // 1000 + 5
    assert headers["x-ratelimit-bucket"] == responses[0].headers["x-ratelimit-bucket"]


async def test_429_has_all_that_the_libraries_read(limited: RunningEdge) -> None:
    for _ in range(3):
        await limited.bot.get("/api/v10/channels/1")
    limited.clock.advance(1.5)

    response = await limited.bot.get("/api/v10/channels/1")

    assert response.status_code == 429
    assert response.json() == {"message": "You are being rate limited.", "retry_after": 3.5, "global": False}
    assert response.headers["via"] == "1.1 beep"
    assert response.headers["retry-after"] == "4"
    assert response.headers["x-ratelimit-scope"] == "user"
    assert response.headers["x-ratelimit-remaining"] == "0"
    assert response.headers["content-type"] == "application/json"
    assert len(limited.upstream.calls["GetChannel"]) == 3


async def test_client_that_waits_as_told_is_served(limited: RunningEdge) -> None:
    for _ in range(3):
        await limited.bot.get("/api/v10/channels/1")
    refused = await limited.bot.get("/api/v10/channels/1")
    limited.clock.advance(refused.json()["retry_after"])

    assert (await limited.bot.get("/api/v10/channels/1")).status_code == 404


async def test_each_channel_caller_and_route_has_its_own_window(limited: RunningEdge) -> None:
    for _ in range(3):
        await limited.bot.get("/api/v10/channels/1")

    assert (await limited.bot.get("/api/v10/channels/2")).status_code == 404
    assert (await limited.person.get("/api/v10/channels/1")).status_code == 404
    assert (await limited.bot.get("/api/v10/gateway/bot")).status_code == 200


async def test_old_versions_share_the_window(limited: RunningEdge) -> None:
    for prefix in ("/api/v10", "/api/v9", "/api"):
        await limited.bot.get(f"{prefix}/channels/1")

    assert (await limited.bot.get("/api/v10/channels/1")).status_code == 429


async def test_all_requests_together_are_limited(limited: RunningEdge) -> None:
    for channel in range(8):
        await limited.bot.get(f"/api/v10/channels/{channel}")

    response = await limited.bot.get("/api/v10/channels/9")

    assert (response.status_code, response.json()["global"]) == (429, True)
    assert (response.headers["x-ratelimit-global"], response.headers["x-ratelimit-scope"]) == ("true", "global")


async def test_sign_up_is_limited_by_address(limited: RunningEdge) -> None:
    statuses = [
        (await limited.anonymous.post("/api/beep/v1/auth/register", json=REGISTRATION)).status_code for _ in range(3)
    ]

    assert statuses == [204, 204, 429]


async def test_wrong_tokens_are_limited_by_address_and_good_ones_go_on(limited: RunningEdge) -> None:
    assert (await limited.bot.get("/api/v10/channels/1")).status_code == 404
    statuses = [
        (await limited.anonymous.get("/api/v10/channels/1", headers={"Authorization": f"wrong{n}"})).status_code
        for n in range(3)
    ]

    assert statuses == [401, 401, 429]
    assert (await limited.bot.get("/api/v10/channels/1")).status_code == 404


async def test_unknown_paths_are_limited_by_address(limited: RunningEdge) -> None:
    responses = [await limited.bot.get(f"/api/v10/nothing/{n}") for n in range(3)]

    assert [response.status_code for response in responses] == [404, 404, 429]
    assert responses[0].headers["x-ratelimit-remaining"] == "1"


async def test_no_limits_and_no_headers_when_turned_off(edge: RunningEdge) -> None:
    edge.upstream.answer("GetChannel", GetChannelResponse())
    response = await edge.bot.get("/api/v10/gateway/bot")

    assert "x-ratelimit-limit" not in response.headers
