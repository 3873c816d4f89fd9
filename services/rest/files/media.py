"""What a file is, by its first bytes: neither its name nor what the client says counts for anything.

Only what browsers show without running it is `inline`; everything else is downloaded, HTML, SVG and PDF among it.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

HEAD_BYTES: Final = 64 * 1024
"""As much of a file's beginning decides. An image whose size stands further back has no known size."""

OCTETS: Final = "application/octet-stream"
TEXT: Final = "text/plain; charset=utf-8"

IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
INLINE: Final = IMAGES | {"video/mp4", "video/webm", "audio/mpeg", "audio/ogg", "audio/wav"}

# Signatures: https://mimesniff.spec.whatwg.org/#matching-an-image-type-pattern and the sections behind it.
_SIGNATURES: Final[Sequence[tuple[re.Pattern[bytes], str]]] = tuple(
    (re.compile(pattern, re.DOTALL), content_type)
    for pattern, content_type in (
        (rb"\x89PNG\r\n\x1a\n", "image/png"),
        (rb"\xff\xd8\xff", "image/jpeg"),
        (rb"GIF8[79]a", "image/gif"),
        (rb"RIFF.{4}WEBPVP", "image/webp"),
        (rb"RIFF.{4}WAVE", "audio/wav"),
        (rb"OggS\x00", "audio/ogg"),
        (rb"ID3|\xff[\xfb\xf3\xf2\xfa]", "audio/mpeg"),
        (rb"\x1a\x45\xdf\xa3.{0,60}?\x42\x82.{0,4}?webm", "video/webm"),
        (rb".{4}ftyp(?:isom|iso[2-9]|mp4[12]|avc1|dash|M4V |MSNV|3gp)", "video/mp4"),
        (rb"%PDF-", "application/pdf"),
        (rb"PK(?:\x03\x04|\x05\x06)", "application/zip"),
        (rb"\x1f\x8b\x08", "application/gzip"),
    )
)

# Tab, line ends, form feed, escape: what terminals print. Everything else below a space is not text.
_NOT_TEXT: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_UTF8_TAIL: Final = 3

_GIF: Final = re.compile(rb"GIF8[79]a(?P<width>..)(?P<height>..)", re.DOTALL)
_PNG: Final = re.compile(rb"\x89PNG\r\n\x1a\n....IHDR(?P<width>.{4})(?P<height>.{4})", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Media:
    """`width` and `height` are an image's, in pixels; 0: not known."""

    content_type: str
    width: int = 0
    height: int = 0


def recognise(head: bytes) -> Media:
    """What begins with these bytes, which are the whole of it or at least `HEAD_BYTES`."""
    for pattern, content_type in _SIGNATURES:
        if pattern.match(head):
            measure = _MEASURES.get(content_type)
            return Media(content_type, *(measure(head) if measure else ()))
    return Media(TEXT if _is_text(head) else OCTETS)


def _is_text(head: bytes) -> bool:
    if _NOT_TEXT.search(head):
        return False
    # The last character may be cut in two.
    for cut in range(_UTF8_TAIL + 1 if len(head) >= HEAD_BYTES else 1):
        try:
            head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    return False


Size = tuple[int, int]
_UNKNOWN: Final[Size] = (0, 0)


def _png(head: bytes) -> Size:
    """https://www.w3.org/TR/png-3/#11IHDR"""
    found = _PNG.match(head)
    return (int.from_bytes(found["width"], "big"), int.from_bytes(found["height"], "big")) if found else _UNKNOWN


def _gif(head: bytes) -> Size:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt §18"""
    found = _GIF.match(head)
    return (int.from_bytes(found["width"], "little"), int.from_bytes(found["height"], "little")) if found else _UNKNOWN


# Of a JPEG: the markers that start a frame and hold its size (ITU T.81 table B.1), and those without a length.
_FRAMES: Final = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BARE: Final = {0x01, *range(0xD0, 0xD9)}
_SCAN: Final = 0xDA


def _jpeg(head: bytes) -> Size:
    """ITU T.81 §B.1.1: segments, each with its length, until the one that starts a frame."""
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _FRAMES:
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        if marker == _SCAN:
            break
        if marker == 0xFF:
            at += 1
        elif marker in _BARE:
            at += 2
        else:
            at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return _UNKNOWN


def _webp(head: bytes) -> Size:
    """https://developers.google.com/speed/webp/docs/riff_container: lossy, lossless or extended."""
    kind, body = head[12:16], head[20:30]
    if len(body) < 10:
        return _UNKNOWN
    if kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and body[0] == 0x2F:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    return _UNKNOWN


_MEASURES: Final[dict[str, Callable[[bytes], Size]]] = {
    "image/png": _png,
    "image/gif": _gif,
    "image/jpeg": _jpeg,
    "image/webp": _webp,
}
