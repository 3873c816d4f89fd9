"""A gateway client without mercy: it keeps every dispatch, and says so when `s` ever fails to rise by one."""

import asyncio
import json
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import zstandard
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

ALL_INTENTS = (1 << 26) - 1
ALL_BUT_PRESENCES = ALL_INTENTS & ~(1 << 8)
"""For those whose news are compared with somebody else's: who is there is told a second later, to whoever is there."""
SECONDS = 10.0

Dispatch = dict[str, Any]


class GatewayClient:
    """One session, over as many connections as it takes."""

    def __init__(self, url: str, token: str, *, intents: int = ALL_INTENTS, compress: str = "") -> None:
        self.url = url
        self.token = token
        self.intents = intents
        self.compress = compress
        self.session_id = ""
        self.seq = 0
        self.dispatches: list[Dispatch] = []
        self.other: list[Dispatch] = []
        self.close_code: int | None = None
        self._frames_since_open: list[Dispatch] = []
        self._connection: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.identify()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Connects and reads HELLO."""
        query = f"/?v=10&encoding=json{f'&compress={self.compress}' if self.compress else ''}"
        self._connection = await connect(self.url + query, compression=None, max_size=None, ping_interval=None)
        self.close_code = None
        self._frames_since_open = []
        self._reader = asyncio.create_task(self._read(self._connection))
        await self.wait_for_op(10)

    async def identify(self, **extra: Any) -> None:
        """Connects, identifies and waits for READY and one GUILD_CREATE for each of its servers."""
        await self.open()
        properties = {"os": "linux", "browser": "test", "device": "test"}
        await self.send(2, {"token": self.token, "intents": self.intents, "properties": properties} | extra)
        ready = await self.wait_for("READY")
        self.session_id = ready["session_id"]
        for server in ready["guilds"]:
            await self.wait_for_server(server["id"])

    async def resume(self) -> bool:
        """Connects again and resumes. True: RESUMED; False: INVALID_SESSION."""
        await self.open()
        await self.send(6, {"token": self.token, "session_id": self.session_id, "seq": self.seq})
        async with asyncio.timeout(SECONDS):
            async with self._news:
                await self._news.wait_for(
                    lambda: self._resumed or any(frame["op"] == 9 for frame in self._frames_since_open)
                )
        return self._resumed

    @property
    def _resumed(self) -> bool:
        return any(frame["t"] == "RESUMED" for frame in self._frames_since_open)

    def twin(self, *, seq: int | None = None, session_id: str = "", token: str = "") -> "GatewayClient":
        """A second client that knows this session, and may claim something else of it."""
        twin = GatewayClient(self.url, token or self.token, intents=self.intents, compress=self.compress)
        twin.session_id = session_id or self.session_id
        twin.seq = self.seq if seq is None else seq
        return twin

    async def heartbeat(self) -> None:
        """Sends a heartbeat and waits for its answer: what the server wrote before is here by then."""
        before = self._acknowledged
        await self.send(1, self.seq or None)
        async with asyncio.timeout(SECONDS), self._news:
            await self._news.wait_for(lambda: self._acknowledged > before or self._over)
        assert self._acknowledged > before, f"no answer to a heartbeat; close code {self.close_code}"

    @property
    def _acknowledged(self) -> int:
        return sum(frame["op"] == 11 for frame in self._frames_since_open)

    def stop_reading(self) -> None:
        """From now on nothing is taken from the socket, as by a client that hangs."""
        assert self._connection is not None
        self._connection.transport.pause_reading()

    def read_again(self) -> None:
        assert self._connection is not None
        self._connection.transport.resume_reading()

    async def send(self, op: int, d: Any) -> None:
        await self.send_raw(json.dumps({"op": op, "d": d}))

    async def send_raw(self, frame: str | bytes) -> None:
        assert self._connection is not None
        await self._connection.send(frame)

    async def cut(self) -> None:
        """Loses the connection without a close frame, as a network does."""
        assert self._connection is not None
        self._connection.transport.abort()
        await self.closed()

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
        if self._reader is not None:
            await self._reader

    async def closed(self) -> int | None:
        """Waits until the server has closed. Returns the close code."""
        assert self._reader is not None
        async with asyncio.timeout(SECONDS):
            await asyncio.shield(self._reader)
        return self.close_code

    async def wait_for(
        self, kind: str, matches: Callable[[Any], bool] = lambda d: True, *, seconds: float = SECONDS, start: int = 0
    ) -> Any:
        """The body of the first dispatch of this kind, from dispatch number `start` on, that matches."""

        def found() -> list[Any]:
            return [e["d"] for e in self.dispatches[start:] if e["t"] == kind and matches(e["d"])]

        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(lambda: found() or self._over)
        except TimeoutError:
            pass
        if not found():
            seen = [event["t"] for event in self.dispatches[start:]]
            raise AssertionError(f"no {kind} came; close code {self.close_code}; seen {seen[-30:]}")
        return found()[0]

    async def wait_for_server(self, server_id: str) -> Any:
        """The body of its GUILD_CREATE."""
        return await self.wait_for("GUILD_CREATE", lambda server: server["id"] == server_id)

    async def wait_for_message(self, message: Any) -> Any:
        """The MESSAGE_CREATE of this message."""
        return await self.wait_for("MESSAGE_CREATE", lambda event: event["id"] == message["id"])

    async def wait_for_op(self, op: int) -> Any:
        async with asyncio.timeout(SECONDS), self._news:
            await self._news.wait_for(lambda: any(f["op"] == op for f in self._frames_since_open) or self._over)
        found = [frame["d"] for frame in self._frames_since_open if frame["op"] == op]
        assert found, f"no op {op} came; close code {self.close_code}"
        return found[0]

    def kinds_since_open(self) -> list[str]:
        """The kinds of the dispatches that came over the connection of now, or the last one."""
        return [frame["t"] for frame in self._frames_since_open if frame["op"] == 0]

    def of_kind(self, kind: str) -> list[Any]:
        return [event["d"] for event in self.dispatches if event["t"] == kind]

    @property
    def _over(self) -> bool:
        return self._reader is not None and self._reader.done()

    async def _read(self, connection: ClientConnection) -> None:
        decompress = _decompressor(self.compress) if self.compress else None
        try:
            async for frame in connection:
                if decompress is not None:
                    assert isinstance(frame, bytes)
                    frame = decompress(frame)
                # One message is one JSON document, also inflated: that is how the libraries read it.
                await self._receive(json.loads(frame))
        except ConnectionClosed:
            pass
        finally:
            self.close_code = connection.close_code
            async with self._news:
                self._news.notify_all()

    async def _receive(self, payload: Dispatch) -> None:
        async with self._news:
            self._frames_since_open.append(payload)
            if payload["op"] == 0:
                if payload["t"] == "READY":
                    self.seq = 0
                # RESUMED carries the next number too, as every dispatch does.
                assert payload["s"] == self.seq + 1, f"s went from {self.seq} to {payload['s']} with {payload['t']}"
                self.seq = payload["s"]
                self.dispatches.append(payload)
            else:
                self.other.append(payload)
            self._news.notify_all()


def _decompressor(compress: str) -> Callable[[bytes], bytes]:
    """Decodes as discord.py does: one stream for each connection, and no frame waits for the next one."""
    if compress == "zstd-stream":
        return zstandard.ZstdDecompressor().decompressobj().decompress
    inflate = zlib.decompressobj()

    def decompress(frame: bytes) -> bytes:
        assert frame.endswith(b"\x00\x00\xff\xff")
        return inflate.decompress(frame)

    return decompress
