"""Pictures of those who have none: a figure on one of Discord's colours, drawn here."""

import zlib
from functools import cache
from typing import Final

SIDE: Final = 128

# Blurple, grey, green, orange, red, pink: https://docs.discord.com/developers/reference#image-formatting
COLORS: Final = (0x5865F2, 0x757E8A, 0x3BA55C, 0xFAA61A, 0xED4245, 0xEB459F)

# Circles of the figure, as parts of the side: centre x, centre y, radius.
_FIGURE: Final = ((0.5, 0.39, 0.17), (0.5, 0.98, 0.36))


@cache
def default_avatar(number: int) -> bytes:
    """A PNG with two colours. `number` is below len(COLORS)."""
    palette = COLORS[number].to_bytes(3, "big") + b"\xff\xff\xff"
    # https://www.w3.org/TR/png-3/#11IHDR: one bit a pixel, by palette.
    header = SIDE.to_bytes(4, "big") * 2 + bytes((1, 3, 0, 0, 0))
    rows = zlib.compress(b"".join(b"\0" + _row(y) for y in range(SIDE)), 9)
    chunks = ((b"IHDR", header), (b"PLTE", palette), (b"IDAT", rows), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in chunks)


def _row(y: int) -> bytes:
    bits = 0
    for x in range(SIDE):
        bits = bits << 1 | any(
            (x - cx * SIDE) ** 2 + (y - cy * SIDE) ** 2 < (radius * SIDE) ** 2 for cx, cy, radius in _FIGURE
        )
    return bits.to_bytes(SIDE // 8, "big")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")
