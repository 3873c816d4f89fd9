from typing import Any

import httpx
import pytest

from services.rest.front import Front
from tests.integration.rest.running_edge import GATEWAY_URL, RunningEdge


@pytest.mark.parametrize("prefix", ["/api/v10", "/api/v9", "/api"])
async def test_every_version_answers(edge: RunningEdge, prefix: str) -> None:
    assert (await edge.anonymous.get(f"{prefix}/gateway")).json() == {"url": GATEWAY_URL}


async def test_any_page_may_call_with_a_token(edge: RunningEdge) -> None:
    preflight = await edge.anonymous.options(
        "/api/v10/channels/1/messages",
        headers={"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"},
    )
    answer = await edge.anonymous.get("/api/v10/users/@me", headers={"Origin": "https://chat.example"})

    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "Authorization" in preflight.headers["access-control-allow-headers"]
    # Also when refused, or the page could not read why.
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (401, "*")
    assert "access-control-allow-credentials" not in answer.headers


async def test_page_runs_nothing_but_its_own_files(edge: RunningEdge) -> None:
    response = await edge.anonymous.get("/")

    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'; style-src 'self';" in policy
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_mounted_app_gets_the_request_as_it_came(edge: RunningEdge) -> None:
    paths: list[str] = []

    async def mounted(scope: Any, _receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"mounted"})

    front = Front(edge.front, {"/identity": mounted})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(front), base_url="http://beep") as client:
        assert (await client.get("/identity/keys")).text == "mounted"
        assert (await client.options("/identity")).text == "mounted"
        assert (await client.get("/identityx")).status_code == 404

    assert paths == ["/identity/keys", "/identity"]
