"""Transport compression: one stream for each connection, flushed once for each payload.

https://docs.discord.com/developers/events/gateway#transport-compression. Clients parse what one WebSocket message
inflates to as one JSON document, so each payload is flushed, and none is split.
"""

import sys
import zlib
from collections.abc import Callable, Mapping
from typing import Final, Protocol

if sys.version_info >= (3, 14):
    from compression.zstd import CompressionParameter, ZstdCompressor
else:
    from backports.zstd import CompressionParameter, ZstdCompressor


class Stream(Protocol):
    """What one connection has been sent so far, which is what its next payload is packed against."""

    def pack(self, payload: bytes) -> bytes:
        """All of the payload, decodable at once by who has decoded everything before it."""
        ...


# Both are chosen by measurement (docs/adr/0010): thousands of connections keep their window while nothing is sent. Any
# client can decode a smaller window than it expects.
_ZSTD_OPTIONS: Final[Mapping[int, int]] = {
    CompressionParameter.compression_level: -1,
    CompressionParameter.window_log: 11,
    CompressionParameter.hash_log: 9,
}


class _ZlibStream:
    __slots__ = ("_compressor",)

    def __init__(self) -> None:
        self._compressor = zlib.compressobj(level=1, wbits=12, memLevel=5)

    def pack(self, payload: bytes) -> bytes:
        """Ends with 00 00 FF FF, by which clients know that a payload is complete."""
        return self._compressor.compress(payload) + self._compressor.flush(zlib.Z_SYNC_FLUSH)


class _ZstdStream:
    """One zstd frame (RFC 8878) that never ends: a decoder that has seen the end of a frame takes no more."""

    __slots__ = ("_compressor",)

    def __init__(self) -> None:
        self._compressor = ZstdCompressor(options=_ZSTD_OPTIONS)

    def pack(self, payload: bytes) -> bytes:
        return self._compressor.compress(payload, mode=ZstdCompressor.FLUSH_BLOCK)


STREAMS: Final[Mapping[str, Callable[[], Stream]]] = {"zlib-stream": _ZlibStream, "zstd-stream": _ZstdStream}
"""By the value of `compress` in the URL; any other asks for none."""
