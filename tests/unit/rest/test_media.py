"""A file is what its bytes are."""

import struct

import pytest

from services.rest.files.default_avatars import COLORS, SIDE, default_avatar
from services.rest.files.media import HEAD_BYTES, INLINE, OCTETS, TEXT, Media, recognise


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height) + bytes(9)


def gif(width: int, height: int) -> bytes:
    return b"GIF89a" + struct.pack("<HH", width, height) + bytes(3)


def jpeg(width: int, height: int, *, before: bytes = b"", marker: int = 0xC0) -> bytes:
    frame = struct.pack(">BBHBHHB", 0xFF, marker, 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(9) + before + frame


def webp(kind: bytes, body: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 12 + len(body)) + b"WEBP" + kind + struct.pack("<I", len(body)) + body


LOSSY = b"\x00\x00\x00\x9d\x01\x2a" + struct.pack("<HH", 320, 200)
LOSSLESS = b"\x2f" + struct.pack("<I", 319 | 199 << 14) + bytes(8)
EXTENDED = bytes(4) + (319).to_bytes(3, "little") + (199).to_bytes(3, "little")


@pytest.mark.parametrize(
    ("head", "media"),
    [
        pytest.param(png(320, 200), Media("image/png", 320, 200), id="png"),
        pytest.param(gif(320, 200), Media("image/gif", 320, 200), id="gif"),
        pytest.param(jpeg(320, 200), Media("image/jpeg", 320, 200), id="jpeg"),
        pytest.param(jpeg(320, 200, marker=0xC2), Media("image/jpeg", 320, 200), id="progressive jpeg"),
        pytest.param(
            jpeg(320, 200, before=b"\xff\xe1\x10\x02" + bytes(0x1000)), Media("image/jpeg", 320, 200), id="jpeg, EXIF"
        ),
        pytest.param(jpeg(320, 200, before=b"\xff\xff\xff"), Media("image/jpeg", 320, 200), id="jpeg with fill bytes"),
        pytest.param(webp(b"VP8 ", LOSSY), Media("image/webp", 320, 200), id="lossy webp"),
        pytest.param(webp(b"VP8L", LOSSLESS), Media("image/webp", 320, 200), id="lossless webp"),
        pytest.param(webp(b"VP8X", EXTENDED), Media("image/webp", 320, 200), id="extended webp"),
        pytest.param(b"\x89PNG\r\n\x1a\n", Media("image/png"), id="png that ends"),
        pytest.param(b"GIF89a", Media("image/gif"), id="gif that ends"),
        pytest.param(b"\xff\xd8\xff", Media("image/jpeg"), id="jpeg that ends"),
        pytest.param(b"\xff\xd8\xff\xda" + bytes(64), Media("image/jpeg"), id="jpeg without a frame"),
        pytest.param(b"\xff\xd8\xff\xe1\x00\x00" * 99, Media("image/jpeg"), id="jpeg with empty segments"),
        pytest.param(b"RIFF\0\0\0\0WEBPVP8X", Media("image/webp"), id="webp that ends"),
        pytest.param(b"\0\0\0\x18ftypisom" + bytes(8), Media("video/mp4"), id="mp4"),
        pytest.param(b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", Media("video/webm"), id="webm"),
        pytest.param(b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska", Media(OCTETS), id="matroska"),
        pytest.param(b"ID3\x04" + bytes(9), Media("audio/mpeg"), id="mp3 with tags"),
        pytest.param(b"\xff\xfb\x90\x64" + bytes(9), Media("audio/mpeg"), id="mp3"),
        pytest.param(b"OggS\0\x02" + bytes(9), Media("audio/ogg"), id="ogg"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt ", Media("audio/wav"), id="wav"),
        pytest.param(b"%PDF-1.7\n", Media("application/pdf"), id="pdf"),
        pytest.param(b"PK\x03\x04" + bytes(20), Media("application/zip"), id="zip"),
        pytest.param(b"\x1f\x8b\x08\0", Media("application/gzip"), id="gzip"),
        pytest.param("Grüße\r\n".encode(), Media(TEXT), id="text"),
        pytest.param(b"", Media(TEXT), id="nothing"),
        pytest.param(b"a\0b", Media(OCTETS), id="NUL"),
        pytest.param(b"\xff\xfe\x41\x00", Media(OCTETS), id="UTF-16"),
        pytest.param("ü".encode()[:1], Media(OCTETS), id="half a character"),
    ],
)
def test_media_is_recognised(head: bytes, media: Media) -> None:
    assert recognise(head) == media


def test_character_that_the_head_cuts_in_two_is_text() -> None:
    text = ("a" * (HEAD_BYTES - 1) + "ü").encode()
    assert recognise(text[:HEAD_BYTES]).content_type == TEXT


@pytest.mark.parametrize(
    "page",
    [
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"<html>",
        b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
        b"<svg>",
        b"%PDF-1.7",
        b"\xef\xbb\xbf<html>",
    ],
)
def test_what_may_run_is_never_shown(page: bytes) -> None:
    assert recognise(page).content_type not in INLINE
    assert "html" not in recognise(page).content_type
    assert "xml" not in recognise(page).content_type


def test_image_that_is_a_page_as_well_is_an_image() -> None:
    assert recognise(gif(1, 1) + b"/*<script>alert(1)</script>*/").content_type == "image/gif"


@pytest.mark.parametrize("number", range(len(COLORS)))
def test_default_avatar_is_a_png(number: int) -> None:
    assert recognise(default_avatar(number)) == Media("image/png", SIDE, SIDE)
