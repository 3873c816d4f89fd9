"""Pictures inside JSON: what is one, who is told of it, and what becomes of it when somebody says no."""

import base64
import struct
from typing import Any

import pytest

from beep.servers.v1.server_pb2 import Server, ServerSnapshot
from beep.servers.v1.servers_service_pb2 import CreateServerResponse, UpdateServerResponse
from beep.users.v1.user_pb2 import Account, User
from beep.users.v1.users_service_pb2 import UpdateAccountResponse
from services.common import limits
from services.common.errors import PermissionDenied, Unavailable
from tests.integration.rest.running_edge import PERSON, RunningEdge
from tests.integration.rest.test_files import stored

GIF = b"GIF89a\x02\x00\x03\x00rest"
PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 64, 64) + bytes(9)
ACCOUNT = UpdateAccountResponse(account=Account(user=User(id=PERSON, username="ada")))


def uri(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


@pytest.mark.parametrize(
    ("picture", "name", "content_type"),
    [
        (uri(PNG), f"{1:032x}", "image/png"),
        (uri(GIF, "image/gif"), f"a_{1:032x}", "image/gif"),
        # What it is called counts for nothing.
        (uri(PNG, "image/jpeg"), f"{1:032x}", "image/png"),
        (uri(PNG, "text/html"), f"{1:032x}", "image/png"),
    ],
)
async def test_avatar_is_stored_and_served(edge: RunningEdge, picture: str, name: str, content_type: str) -> None:
    edge.upstream.answer("UpdateAccount", ACCOUNT)
    response = await edge.person.patch("/api/v10/users/@me", json={"avatar": picture})
    assert response.status_code == 200, response.text
    assert edge.upstream.only("UpdateAccount").request.avatar == name
    got = await edge.anonymous.get(f"/avatars/{PERSON}/{name}.png?size=64")
    assert (got.status_code, got.headers["content-type"]) == (200, content_type)


@pytest.mark.parametrize(("body", "avatar"), [({}, None), ({"avatar": None}, "")])
async def test_avatar_is_left_or_taken_away(edge: RunningEdge, body: Any, avatar: str | None) -> None:
    edge.upstream.answer("UpdateAccount", ACCOUNT)
    assert (await edge.person.patch("/api/v10/users/@me", json=body)).status_code == 200
    request = edge.upstream.only("UpdateAccount").request
    assert (request.avatar if request.HasField("avatar") else None) == avatar
    assert stored(edge) == []


@pytest.mark.parametrize(
    "picture",
    [
        pytest.param("", id="nothing"),
        pytest.param("https://example.org/cat.png", id="a link"),
        pytest.param("data:image/png;base64,", id="no bytes"),
        pytest.param("data:image/png;base64,!!!!", id="no base64"),
        pytest.param("data:image/png;base64,abc", id="half of base64"),
        pytest.param("data:image/png,abc", id="no base64 said"),
        pytest.param(uri(b"<svg onload='alert(1)'/>", "image/svg+xml"), id="SVG"),
        pytest.param(uri(b"<html>", "image/png"), id="a page"),
        pytest.param(uri(b"%PDF-1.7"), id="PDF"),
        pytest.param(uri(PNG + bytes(limits.PICTURE_BYTES)), id="too large"),
        pytest.param(uri(PNG[:12]), id="of unknown size"),
        pytest.param(uri(b"GIF89a\x00\x00\x03\x00"), id="of no width"),
        pytest.param(uri(PNG[:16] + struct.pack(">II", limits.PICTURE_PIXELS + 1, 1)), id="too wide"),
        pytest.param(uri(PNG[:16] + struct.pack(">II", 1, 1 << 31)), id="too high"),
        pytest.param("data:image/png;base64," + "A" * limits.PICTURE_BYTES * 3, id="too long"),
    ],
)
async def test_what_is_no_picture_is_refused(edge: RunningEdge, picture: str) -> None:
    for method, path, body, field in (
        ("PATCH", "/users/@me", {}, "avatar"),
        ("PATCH", "/guilds/1", {}, "icon"),
        ("POST", "/guilds", {"name": "World"}, "icon"),
    ):
        response = await edge.person.request(method, f"/api/v10{path}", json=body | {field: picture})
        assert (response.status_code, response.json()["code"]) == (400, 50035)
        assert set(response.json()["errors"]) == {field}
    assert stored(edge) == []
    assert set(edge.upstream.calls) == {"Authenticate"}


async def test_picture_goes_when_the_change_is_refused(edge: RunningEdge) -> None:
    edge.upstream.answer("UpdateServer", PermissionDenied("MISSING_PERMISSIONS"))
    assert (await edge.person.patch("/api/v10/guilds/1", json={"icon": uri(PNG)})).status_code == 403
    assert stored(edge) == []


async def test_picture_stays_when_it_is_not_known_whether_it_is_used(edge: RunningEdge) -> None:
    edge.upstream.answer("UpdateServer", Unavailable("DOWN"))
    assert (await edge.person.patch("/api/v10/guilds/1", json={"icon": uri(PNG)})).status_code == 503
    assert len(stored(edge)) == 1


async def test_icon_of_a_server_is_stored_and_served(edge: RunningEdge) -> None:
    edge.upstream.answer("UpdateServer", UpdateServerResponse(server=Server(id=1, name="World")))
    assert (await edge.person.patch("/api/v10/guilds/1", json={"icon": uri(PNG)})).status_code == 200
    name = edge.upstream.only("UpdateServer").request.icon
    assert (await edge.anonymous.get(f"/icons/1/{name}.webp")).content == PNG


async def test_icon_of_a_new_server_has_the_name_that_the_first_try_gave_it(edge: RunningEdge) -> None:
    first = "f" * 32
    snapshot = ServerSnapshot(server=Server(id=1, name="World", icon=first))
    edge.upstream.answer("CreateServer", CreateServerResponse(snapshot=snapshot))
    response = await edge.person.post("/api/v10/guilds", json={"name": "World", "icon": uri(PNG)})
    assert response.status_code == 201, response.text
    assert edge.upstream.only("CreateServer").request.icon
    assert (await edge.anonymous.get(f"/icons/1/{first}.png")).content == PNG
