"""A blob as an answer: streamed, in ranges (RFC 9110 §14), and never more to a browser than a file."""

import re
from collections.abc import AsyncIterator, Mapping
from typing import Final
from urllib.parse import quote

from litestar.response import Stream

from services.common.errors import NotFound
from services.rest.blobs.ports import BlobInfo, Blobs
from services.rest.files.media import INLINE
from services.rest.request import ApiRequest

_RANGE: Final = re.compile(r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))")
_PLAIN: Final = re.compile(r"[^A-Za-z0-9._-]")
_NOTHING_RUNS: Final = "sandbox; default-src 'none'"

# Nothing ever changes under such a URL.
PRIVATE: Final = "private, max-age=31536000, immutable"
PUBLIC: Final = "public, max-age=31536000, immutable"


async def find(blobs: Blobs, key: str | None, owner_id: str) -> BlobInfo:
    """A blob that belongs to this owner. Raises NotFound UNKNOWN_FILE, whatever of it is wrong.

    Args:
        blobs: where to look.
        key: None: what was asked for cannot be a key.
        owner_id: as the URL has it.
    """
    info = None if key is None else await blobs.stat(key)
    if info is None or str(info.metadata.owner_id) != owner_id:
        raise NotFound("UNKNOWN_FILE")
    return info


def serve(
    request: ApiRequest, blobs: Blobs, key: str, info: BlobInfo, *, etag: str, filename: str, caching: str
) -> Stream:
    """What a GET or a HEAD of the blob gets: 200, 206, 304 or 416.

    Args:
        request: its headers say which part is wanted, and what is known already.
        blobs: where the blob is.
        key: of the blob.
        info: of the blob.
        etag: what tells it from any other under the same URL.
        filename: under which a browser saves it.
        caching: PRIVATE or PUBLIC.
    """
    content_type, tag = info.metadata.content_type, f'"{etag}"'
    # In small letters, or Litestar adds a charset of its own.
    headers = {"content-type": content_type, "ETag": tag, "Cache-Control": caching, "Accept-Ranges": "bytes"}
    if _knows(request.headers, tag):
        return Stream(_nothing(), status_code=304, headers=headers)
    wanted = _wanted(request.headers, tag, info.size)
    if wanted is None:
        headers |= {"Content-Range": f"bytes */{info.size}", "Content-Length": "0"}
        return Stream(_nothing(), status_code=416, headers=headers)
    start, end = wanted
    partial = end - start < info.size
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{info.size}"
    headers |= {
        "Content-Length": str(end - start),
        "Content-Disposition": disposition(content_type, filename),
        "Content-Security-Policy": _NOTHING_RUNS,
    }
    body = _nothing() if request.method == "HEAD" else blobs.read(key, start, end)
    return Stream(body, status_code=206 if partial else 200, headers=headers)


def disposition(content_type: str, filename: str) -> str:
    """RFC 6266: what a browser shows and what it only saves, under which name."""
    kind = "inline" if content_type in INLINE else "attachment"
    plain = _PLAIN.sub("_", filename)
    return f"{kind}; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"


def _knows(headers: Mapping[str, str], tag: str) -> bool:
    known = headers.get("if-none-match", "")
    return known == "*" or tag in (each.strip().removeprefix("W/") for each in known.split(","))


def _wanted(headers: Mapping[str, str], tag: str, size: int) -> tuple[int, int] | None:
    """From where, and up to where (not included); None: the blob has nothing of it.

    What is no range of one piece is no range: the whole blob is an answer to any (RFC 9110 §14.2).
    """
    match = _RANGE.fullmatch(headers.get("range", ""))
    if match is None or headers.get("if-range", tag) != tag:
        return 0, size
    first, last, suffix = match.groups()
    if suffix is not None:
        start, end = max(0, size - int(suffix)), size
    else:
        start, end = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return 0, size
    return (start, end) if start < end else None


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""  # what makes this a generator
