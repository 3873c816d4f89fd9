"""A keep-alive HTTP/1.1 client that costs next to nothing, so that the server is what is measured."""

import asyncio
import json
from typing import Self
from urllib.parse import urlsplit


class Connection:
    """One connection; one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = f"Host: {host}\r\nAuthorization: {token}\r\nContent-Type: application/json\r\n"

    @classmethod
    async def open(cls, url: str, token: str) -> Self:
        parts = urlsplit(url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        return cls(reader, writer, parts.netloc, token)

    async def post(self, path: str, body: object) -> bytes:
        """Returns the answer's body; anything but a 2xx is an error."""
        data = json.dumps(body).encode()
        self._writer.write(f"POST {path} HTTP/1.1\r\n{self._head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")
        )
        answer = await self._reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 2"):
            raise RuntimeError(f"{path}: {head[:60]!r} {answer[:200]!r}")
        return answer

    def close(self) -> None:
        self._writer.close()
