"""Files and pictures on their way out: ranges, caching, and never a page that runs."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.rest.blobs.ports import CHUNK_BYTES, Metadata
from tests.integration.rest.running_edge import RunningEdge

TOKEN = "0123456789abcdef" * 2
OTHER = "f" * 32
PATH = f"/attachments/42/81/{TOKEN}"
CONTENT = b"0123456789"


async def put(edge: RunningEdge, content_type: str = "image/png", content: bytes = CONTENT) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield content

    await edge.blobs.put(f"attachments/81-{TOKEN}", Metadata(content_type, owner_id=42), chunks())


async def test_file_is_served_to_who_knows_its_url(edge: RunningEdge) -> None:
    content = bytes(range(256)) * (CHUNK_BYTES // 64)
    await put(edge, content=content)
    got = await edge.anonymous.get(f"{PATH}/cat.png")
    assert (got.status_code, got.content) == (200, content)
    assert got.headers["content-type"] == "image/png"
    assert got.headers["content-length"] == str(len(content))
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"] == "sandbox; default-src 'none'"
    assert got.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert got.headers["content-disposition"] == "inline; filename=\"cat.png\"; filename*=UTF-8''cat.png"


async def test_head_tells_the_same_without_the_bytes(edge: RunningEdge) -> None:
    await put(edge)
    head, got = await edge.anonymous.head(f"{PATH}/cat.png"), await edge.anonymous.get(f"{PATH}/cat.png")
    assert (head.status_code, head.content) == (200, b"")
    assert dict(head.headers) == dict(got.headers)


@pytest.mark.parametrize(
    ("wanted", "expected", "content_range"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=4-", b"456789", "bytes 4-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=9-9", b"9", "bytes 9-9/10"),
        ("bytes=5-999", b"56789", "bytes 5-9/10"),
        ("bytes=1-9", b"123456789", "bytes 1-9/10"),
    ],
)
async def test_range_is_served(edge: RunningEdge, wanted: str, expected: bytes, content_range: str) -> None:
    await put(edge)
    got = await edge.anonymous.get(f"{PATH}/cat.png", headers={"range": wanted})
    assert (got.status_code, got.content, got.headers["content-range"]) == (206, expected, content_range)
    assert got.headers["content-length"] == str(len(expected))


@pytest.mark.parametrize(
    "wanted", ["bytes=0-9", "bytes=-99", "bytes=0-3,5-6", "bytes=3-1", "bytes=", "bytes=-", "lines=0-3", "bytes=a-b"]
)
async def test_what_is_no_part_gets_the_whole(edge: RunningEdge, wanted: str) -> None:
    await put(edge)
    got = await edge.anonymous.get(f"{PATH}/cat.png", headers={"range": wanted})
    assert (got.status_code, got.content) == (200, CONTENT)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=99-100", "bytes=-0"])
async def test_range_behind_the_end_is_refused(edge: RunningEdge, wanted: str) -> None:
    await put(edge)
    got = await edge.anonymous.get(f"{PATH}/cat.png", headers={"range": wanted})
    assert (got.status_code, got.headers["content-range"], got.content) == (416, "bytes */10", b"")


async def test_empty_file_is_served(edge: RunningEdge) -> None:
    await put(edge, content=b"")
    got = await edge.anonymous.get(f"{PATH}/cat.png")
    assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")


async def test_what_is_known_is_not_sent_again(edge: RunningEdge) -> None:
    await put(edge)
    tag = (await edge.anonymous.get(f"{PATH}/cat.png")).headers["etag"]
    for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        got = await edge.anonymous.get(f"{PATH}/cat.png", headers={"if-none-match": known})
        assert (got.status_code, got.content) == (304, b"")
    stale = await edge.anonymous.get(f"{PATH}/cat.png", headers={"range": "bytes=0-1", "if-range": '"x"'})
    fresh = await edge.anonymous.get(f"{PATH}/cat.png", headers={"range": "bytes=0-1", "if-range": tag})
    assert (stale.status_code, fresh.status_code) == (200, 206)


@pytest.mark.parametrize(
    ("content_type", "disposition"),
    [
        ("image/gif", "inline"),
        ("video/mp4", "inline"),
        ("audio/ogg", "inline"),
        ("text/plain; charset=utf-8", "attachment"),
        ("application/pdf", "attachment"),
        ("application/octet-stream", "attachment"),
        # No version of Beep stores these; should one ever have done so, they do not run.
        ("text/html", "attachment"),
        ("image/svg+xml", "attachment"),
    ],
)
async def test_only_media_is_shown(edge: RunningEdge, content_type: str, disposition: str) -> None:
    await put(edge, content_type)
    got = await edge.anonymous.get(f"{PATH}/page.html")
    assert got.headers["content-disposition"].split(";")[0] == disposition
    assert got.headers["content-type"] == content_type


async def test_name_in_any_language_is_written_for_every_browser(edge: RunningEdge) -> None:
    await put(edge)
    got = await edge.anonymous.get(f"{PATH}/grüße'.png")
    expected = "inline; filename=\"gr__e_.png\"; filename*=UTF-8''gr%C3%BC%C3%9Fe%27.png"
    assert got.headers["content-disposition"] == expected


@pytest.mark.parametrize(
    "path",
    [
        f"/attachments/42/81/{OTHER}/cat.png",
        f"/attachments/42/82/{TOKEN}/cat.png",
        f"/attachments/43/81/{TOKEN}/cat.png",
        f"/attachments/042/81/{TOKEN}/cat.png",
        f"/attachments/42/081/{TOKEN}/cat.png",
        f"/attachments/42/81/{TOKEN.upper()}/cat.png",
        f"/attachments/42/81/{TOKEN[:-1]}/cat.png",
        "/attachments/42/81/x/cat.png",
        f"/attachments/42/../{TOKEN}/cat.png",
        f"/attachments/42/%2e%2e/{TOKEN}/cat.png",
        f"/attachments/42/81%00/{TOKEN}/cat.png",
        f"/attachments/x/81/{TOKEN}/cat.png",
        f"/attachments/42/81/{TOKEN}/..%5ccat.png",
        f"/attachments/42/81/{TOKEN}/a%0d%0ab.png",
        f"/attachments/42/81/{TOKEN}/" + "x" * 300,
        "/avatars/42/cat.png",
        f"/avatars/42/{TOKEN}.png",
        f"/avatars/../{TOKEN}.png",
        f"/avatars/42/{TOKEN}.svg",
        f"/icons/42/{TOKEN}.png",
        "/embed/avatars/6.png",
        "/embed/avatars/0.gif",
        "/embed/avatars/00.png",
    ],
)
async def test_whatever_is_wrong_gets_one_answer(edge: RunningEdge, path: str) -> None:
    await put(edge)
    got = await edge.anonymous.get(path)
    assert (got.status_code, got.json()) == (404, {"message": "404: Not Found", "code": 0})


@pytest.mark.parametrize(("folder", "name"), [("avatars", TOKEN), ("icons", f"a_{TOKEN}")])
@pytest.mark.parametrize("extension", ["png", "jpg", "jpeg", "webp", "gif"])
async def test_picture_is_served_as_what_it_is(edge: RunningEdge, folder: Any, name: str, extension: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield CONTENT

    await edge.blobs.put(f"{folder}/7/{name}", Metadata("image/webp", owner_id=7), chunks())
    got = await edge.anonymous.get(f"/{folder}/7/{name}.{extension}?size=128")
    assert (got.status_code, got.content, got.headers["content-type"]) == (200, CONTENT, "image/webp")
    assert got.headers["cache-control"] == "public, max-age=31536000, immutable"


@pytest.mark.parametrize("number", range(6))
async def test_default_avatars_are_there(edge: RunningEdge, number: int) -> None:
    got = await edge.anonymous.get(f"/embed/avatars/{number}.png")
    assert (got.status_code, got.headers["content-type"]) == (200, "image/png")
    assert got.content.startswith(b"\x89PNG")
    assert got.headers["content-length"] == str(len(got.content))
