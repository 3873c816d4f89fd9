"""Files in messages, and pictures of people and servers, from the first byte to the last reader."""

import base64
import os
import struct
from typing import Any

import httpx
import pytest

from services.common import limits
from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_CHANNEL
from tests.support.roles import FINE_GRAINED_ROLES, SENDER, VIEWER
from tests.support.world import NOBODYS_ID, World

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 320, 200) + bytes(64)
TOO_LARGE = (413, 40005)


def upload(name: str = "cat.png", content: bytes = PNG, **fields: Any) -> dict[str, Any]:
    return {"files": {"files[0]": (name, content)}, "data": fields}


async def sent(who: Api, channel_id: str, *files: tuple[str, bytes], **fields: Any) -> Any:
    parts = [(f"files[{number}]", file) for number, file in enumerate(files)]
    return await who.ok("POST", f"/channels/{channel_id}/messages", files=parts, data=fields)


async def fetched(attachment: Any, **options: Any) -> httpx.Response:
    """As anybody gets it who has the link."""
    async with httpx.AsyncClient() as http:
        return await http.get(attachment["url"], **options)


@pytest.mark.story("CHT-09", "SRV-18")
async def test_a_file_attacher_sends_a_file_and_everybody_gets_it(world: World) -> None:
    able, unable, stranger = await world.cast(
        VIEWER | SENDER | FINE_GRAINED_ROLES["file attacher"], unable_lacks=P.ATTACH_FILES
    )
    await world.role("viewer", VIEWER, world.member)
    reader = await world.connect(world.member)
    message = await sent(able, world.channel_id, ("my cat.png", PNG), content="look")
    [attachment] = message["attachments"]
    assert (attachment["filename"], attachment["size"], attachment["content_type"]) == (
        "my_cat.png",
        len(PNG),
        "image/png",
    )
    assert (attachment["width"], attachment["height"]) == (320, 200)
    assert attachment["url"].startswith(f"{world.beep.url}/attachments/{world.channel_id}/{attachment['id']}/")

    heard = await reader.wait_for_message(message)
    assert heard["attachments"] == [attachment]
    [read] = await world.member.ok("GET", f"{world.channel_path}/messages?limit=1")
    assert read["attachments"] == [attachment]
    got = await fetched(attachment)
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, PNG, "image/png")

    path = f"{world.channel_path}/messages"
    assert await unable.refused("POST", path, **upload()) == MISSING_PERMISSIONS
    assert await world.member.refused("POST", path, **upload()) == MISSING_PERMISSIONS
    assert await stranger.refused("POST", path, **upload()) == UNKNOWN_CHANNEL
    assert await stranger.refused("POST", f"/channels/{NOBODYS_ID}/messages", **upload()) == UNKNOWN_CHANNEL


@pytest.mark.story("SRV-18")
async def test_the_right_to_attach_is_that_of_the_channel(world: World) -> None:
    await world.role("attacher", VIEWER | SENDER | P.ATTACH_FILES, world.member)
    for denied, refusal in ((P.ATTACH_FILES, MISSING_PERMISSIONS), (P.VIEW_CHANNEL, MISSING_ACCESS)):
        overwrite = {"id": world.member.user_id, "type": 1, "allow": "0", "deny": str(int(denied))}
        channel = await world.channel("closed", permission_overwrites=[overwrite])
        assert await world.member.refused("POST", f"/channels/{channel}/messages", **upload()) == refusal
    assert await sent(world.member, world.channel_id, ("cat.png", PNG))


@pytest.mark.story("CHT-09")
async def test_a_message_may_be_files_alone_described_and_shown_in_embeds(world: World) -> None:
    payload = {
        "attachments": [{"id": 0, "description": "a cat"}, {"id": 1, "filename": "SPOILER_end.txt"}],
        "embeds": [{"title": "cat", "image": {"url": "attachment://cat.png"}}],
    }
    files = {"files[0]": ("cat.png", PNG), "files[1]": ("end.txt", b"Ende")}
    message = await world.owner.ok(
        "POST",
        f"{world.channel_path}/messages",
        files=files,
        data={"payload_json": httpx.Request("POST", "http://x", json=payload).content.decode()},
    )
    cat, end = message["attachments"]
    assert (cat["description"], end["filename"], end["content_type"]) == (
        "a cat",
        "SPOILER_end.txt",
        "text/plain; charset=utf-8",
    )
    assert message["embeds"][0]["image"]["url"] == cat["url"]
    assert (await fetched(end)).text == "Ende"


@pytest.mark.story("CHT-09")
async def test_files_are_kept_added_and_removed_by_editing(world: World) -> None:
    message = await sent(world.owner, world.channel_id, ("a.png", PNG), ("b.png", PNG), content="two")
    path = f"{world.channel_path}/messages/{message['id']}"
    kept, dropped = message["attachments"]
    data = {"payload_json": f'{{"attachments": [{{"id": "{kept["id"]}"}}, {{"id": 0}}]}}'}
    edited = await world.owner.ok("PATCH", path, files={"files[0]": ("c.txt", b"three")}, data=data)
    assert [each["filename"] for each in edited["attachments"]] == ["a.png", "c.txt"]
    assert edited["content"] == "two"
    await gone(dropped)
    assert (await fetched(kept)).status_code == 200

    await world.owner.ok("PATCH", path, {"attachments": []})
    for each in edited["attachments"]:
        await gone(each)


@pytest.mark.story("CHT-09")
async def test_files_go_with_their_message(world: World) -> None:
    message = await sent(world.owner, world.channel_id, ("a.png", PNG))
    await world.owner.ok("DELETE", f"{world.channel_path}/messages/{message['id']}")
    await gone(message["attachments"][0])


async def gone(attachment: Any) -> None:
    """Its removal is told to the edge behind the answer, so it may take a moment."""
    for _ in range(500):
        answer = await fetched(attachment)
        if answer.status_code == 404:
            return
    raise AssertionError(f"still there: {attachment['url']}")


@pytest.mark.story("CHT-09")
async def test_a_repeated_nonce_gives_the_first_message_with_its_file(world: World) -> None:
    fields = {"payload_json": '{"nonce": "n-1"}'}
    first = await sent(world.owner, world.channel_id, ("a.png", PNG), **fields)
    again = await sent(world.owner, world.channel_id, ("a.png", PNG), **fields)
    assert (again["id"], again["attachments"]) == (first["id"], first["attachments"])


@pytest.mark.story("CHT-09")
async def test_limits_are_told_and_nothing_is_sent(world: World) -> None:
    path = f"{world.channel_path}/messages"
    too_large = upload(content=bytes(limits.UPLOAD_FILE_BYTES + 1))
    assert await world.owner.refused("POST", path, **too_large) == TOO_LARGE
    too_many = [("f", ("a.txt", b"x"))] * (limits.ATTACHMENTS_PER_MESSAGE + 1)
    assert await world.owner.refused("POST", path, files=too_many) == INVALID_FORM
    much = [(f"f{number}", ("a.bin", bytes(20 << 20))) for number in range(3)]
    assert await world.owner.refused("POST", path, files=much) == TOO_LARGE
    assert await world.owner.ok("GET", path) == []
    most = await sent(
        world.owner, world.channel_id, *[(f"{n}.txt", b"x") for n in range(limits.ATTACHMENTS_PER_MESSAGE)]
    )
    assert len(most["attachments"]) == limits.ATTACHMENTS_PER_MESSAGE


@pytest.mark.story("CHT-09")
@pytest.mark.parametrize(
    ("name", "content", "content_type"),
    [
        ("cat.png", b"<script>alert(1)</script>", "text/plain; charset=utf-8"),
        ("page.html", b"<!DOCTYPE html><script>alert(1)</script>", "text/plain; charset=utf-8"),
        ("cat.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "text/plain; charset=utf-8"),
        ("page.html", PNG + b"<script>alert(1)</script>", "image/png"),
        ("movie.mp4", b"MZ\x90\x00", "application/octet-stream"),
    ],
)
async def test_what_a_file_is_its_bytes_say_and_nothing_runs(
    world: World, name: str, content: bytes, content_type: str
) -> None:
    message = await sent(world.owner, world.channel_id, (name, content))
    got = await fetched(message["attachments"][0])
    assert (got.content, got.headers["content-type"]) == (content, content_type)
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    shown = "inline" if content_type == "image/png" else "attachment"
    assert got.headers["content-disposition"].startswith(f"{shown};")


@pytest.mark.story("CHT-09")
@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/etc/shadow", "shadow"),
        ("a\x00b.txt", "ab.txt"),
        ("grüße 😀.txt", "grüße_😀.txt"),
        ("‮txt.exe", "txt.exe"),
        ("x" * 400 + ".txt", "x" * 251 + ".txt"),
        ("...", "file"),
    ],
)
async def test_names_are_made_harmless(world: World, name: str, stored: str) -> None:
    body = (
        b'--b\r\nContent-Disposition: form-data; name="files[0]"; filename="'
        + name.encode()
        + b'"\r\n\r\nhello\r\n--b--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=b"}
    message = await world.owner.ok("POST", f"{world.channel_path}/messages", content=body, headers=headers)
    [attachment] = message["attachments"]
    assert attachment["filename"] == stored
    assert (await fetched(attachment)).content == b"hello"


@pytest.mark.story("CHT-09")
async def test_a_link_cannot_be_guessed_and_is_served_in_parts(world: World) -> None:
    content = os.urandom(300_000)
    [attachment] = (await sent(world.owner, world.channel_id, ("a.bin", content)))["attachments"]
    part = await fetched(attachment, headers={"range": "bytes=100000-199999"})
    assert (part.status_code, part.content) == (206, content[100_000:200_000])
    token = attachment["url"].split("/")[-2]
    other = await fetched({"url": attachment["url"].replace(token, "0" * len(token))})
    nowhere = await fetched({"url": attachment["url"].replace(attachment["id"], NOBODYS_ID)})
    assert (other.status_code, other.content) == (nowhere.status_code, nowhere.content)
    assert other.status_code == 404


@pytest.mark.story("ACC-07")
async def test_a_person_has_a_picture_until_it_is_taken_away(world: World) -> None:
    picture = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    account = await world.owner.ok("PATCH", "/users/@me", {"avatar": picture})
    url = f"{world.beep.url}/avatars/{account['id']}/{account['avatar']}.png"
    assert (await fetched({"url": url})).content == PNG
    assert (await world.owner.ok("PATCH", "/users/@me", {"avatar": None}))["avatar"] is None
    await gone({"url": url})
    assert await world.owner.refused("PATCH", "/users/@me", {"avatar": "data:image/png;base64,AAAA"}) == INVALID_FORM


async def test_a_server_has_an_icon(world: World) -> None:
    picture = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    server = await world.owner.ok("PATCH", world.path, {"icon": picture})
    url = f"{world.beep.url}/icons/{server['id']}/{server['icon']}.webp"
    assert (await fetched({"url": url})).content == PNG
    assert await world.member.refused("PATCH", world.path, {"icon": picture}) == MISSING_PERMISSIONS
