"""Bytes as they are, for what no decent client sends."""

import asyncio
import base64
import os
from contextlib import suppress

from tests.support.beep_process import BeepProcess

SECONDS = 15.0


class RawSocket:
    """One connection to a Beep's port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, beep: BeepProcess, first: bytes = b"") -> "RawSocket":
        """Connects and writes `first`."""
        # What is not read stays in the kernel, and there is not much room for it.
        socket = cls(*await asyncio.open_connection("127.0.0.1", beep.port, limit=4096))
        socket.writer.write(first)
        return socket

    @classmethod
    async def web_socket(cls, beep: BeepProcess) -> "RawSocket":
        """After the handshake (RFC 6455 §4.1) and HELLO."""
        key = base64.b64encode(os.urandom(16)).decode()
        socket = await cls.open(
            beep,
            f"GET /?v=10 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode(),
        )
        assert (await socket.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        opcode, length = await socket.reader.readexactly(2)
        assert opcode == 0x81
        await socket.reader.readexactly(length)
        return socket

    async def rest(self) -> bytes:
        """Whatever comes until the server ends the connection."""
        received = bytearray()
        async with asyncio.timeout(SECONDS):
            with suppress(ConnectionError):
                while read := await self.reader.read(65_536):
                    received += read
        return bytes(received)

    async def close_code(self) -> int:
        """The code of the close frame, the first that comes (RFC 6455 §5.5.1)."""
        async with asyncio.timeout(SECONDS):
            opcode, length = await self.reader.readexactly(2)
            body = await self.reader.readexactly(length)
        assert opcode == 0x88, f"no close frame: {opcode:#x} {body!r}"
        return int.from_bytes(body[:2], "big")

    async def close(self) -> None:
        self.writer.transport.abort()
        with suppress(ConnectionError):
            await self.writer.wait_closed()


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, reserved: int = 0) -> bytes:
    """A client's frame (RFC 6455 §5.2), with a mask of zeros."""
    first = (0x80 if fin else 0) | reserved << 4 | opcode
    mask = 0x80 if masked else 0
    length = len(payload)
    if length < 126:
        header = bytes((first, mask | length))
    elif length < 1 << 16:
        header = bytes((first, mask | 126)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, mask | 127)) + length.to_bytes(8, "big")
    return header + (b"\0\0\0\0" if masked else b"") + payload
