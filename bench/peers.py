"""Who writes the same frames and does nothing else: `python -m bench.peers raw|broadcast SESSIONS`.

    raw        asyncio on uvloop, one transport.write of the shared frames for each socket: what any Python server,
               on this loop, can reach at most
    broadcast  websockets' own broadcast(), on uvloop: the best that its public API offers

Prints its port, waits for all sessions, and then obeys `bench.writers`.
"""

import asyncio
import struct
import sys
from typing import Final, cast

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

from bench.frames import payload
from bench.writers import obey

BACKLOG: Final = 4096
CONNECT_SECONDS: Final = 60


class _Sockets(asyncio.Protocol):
    def __init__(self, transports: list[asyncio.Transport], gate: "_Gate") -> None:
        self._transports = transports
        self._gate = gate

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transports.append(cast(asyncio.Transport, transport))
        self._gate.enter()


class _Gate:
    """Opens when all sessions are there."""

    def __init__(self, sessions: int) -> None:
        self._missing = sessions
        self._all = asyncio.Event()

    def enter(self) -> None:
        self._missing -= 1
        if not self._missing:
            self._all.set()

    async def wait(self) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            await self._all.wait()


def _frame(number: int, sequence: int) -> bytes:
    data = payload(number, sequence)
    return b"\x81\x7e" + struct.pack(">H", len(data)) + data


async def _raw(gate: _Gate) -> None:
    transports: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Sockets(transports, gate), "127.0.0.1", 0, backlog=BACKLOG)

    async def write(numbers: range, sequence: int) -> None:
        frames = b"".join(_frame(number, sequence + place) for place, number in enumerate(numbers))
        for transport in transports:
            transport.write(frames)
        await _turn()

    print(server.sockets[0].getsockname()[1], flush=True)
    await gate.wait()
    await obey(write)


async def _broadcast(gate: _Gate) -> None:
    connections: list[ServerConnection] = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(connection)
        gate.enter()
        await connection.wait_closed()

    async def write(numbers: range, sequence: int) -> None:
        for place, number in enumerate(numbers):
            broadcast(connections, payload(number, sequence + place).decode())
        await _turn()

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=BACKLOG) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await gate.wait()
        await obey(write)


async def _turn() -> None:
    """One turn of the loop, as between two messages that a gateway gets: uvloop writes at its end."""
    await asyncio.sleep(0)


if __name__ == "__main__":
    _write = {"raw": _raw, "broadcast": _broadcast}[sys.argv[1]]
    uvloop.run(_write(_Gate(int(sys.argv[2]))))
