"""The peers of the fan-out benchmark, each a process of its own: `python -m bench.peers raw|broadcast SESSIONS`.

Both write the very frame that Beep's gateway would write. They print their port, wait for all sessions, write a burst
for each number read from standard input, and do nothing else.

    raw        asyncio on uvloop: one transport.write of the shared frame for each socket: the limit of any Python server
    broadcast  websockets' own broadcast(), on uvloop: the best that its public API offers
"""

import asyncio
import struct
import sys
from collections.abc import Callable
from typing import Final

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve

BODY: Final = (
    b'{"t":"MESSAGE_CREATE","s":%d,"op":0,"d":{"id":"1570000000000000000","channel_id":"1570000000000000001","type":0,'
    b'"author":{"id":"1570000000000000002","username":"ada_1234","global_name":"Ada","discriminator":"0","avatar":null,'
    b'"public_flags":0},"content":"%d lorem ipsum dolor sit amet consectetur adipiscing elit","timestamp":'
    b'"2026-01-31T12:00:00.000000+00:00","edited_timestamp":null,"tts":false,"mention_everyone":false,"mentions":[],'
    b'"mention_roles":[],"pinned":false,"flags":0,"embeds":[],"attachments":[],"components":[],"guild_id":'
    b'"1570000000000000003","member":{"nick":null,"avatar":null,"roles":["1570000000000000004"],"joined_at":'
    b'"2026-01-31T12:00:00.000000+00:00","premium_since":null,"deaf":false,"mute":false,"flags":0,"pending":false,'
    b'"communication_disabled_until":null}}}'
)


class _Raw(asyncio.Protocol):
    transports: list[asyncio.Transport] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transports.append(transport)


def _write_raw(number: int) -> None:
    body = BODY % (number + 3, number)
    frame = b"\x81\x7e" + struct.pack(">H", len(body)) + body
    for transport in _Raw.transports:
        transport.write(frame)


async def _commands(ready: Callable[[], bool], write: Callable[[int], None], port: int) -> None:
    print(port, flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        while not ready():
            await asyncio.sleep(0.01)
        for number in range(int(line)):
            write(number)
            # As a gateway does, which takes its next message from a queue: the loop gets to flush.
            await asyncio.sleep(0)
        print("done", flush=True)


async def _main(kind: str, sessions: int) -> None:
    loop = asyncio.get_running_loop()
    if kind == "raw":
        server = await loop.create_server(_Raw, "127.0.0.1", 0, backlog=4096)
        port = server.sockets[0].getsockname()[1]
        await _commands(lambda: len(_Raw.transports) == sessions, _write_raw, port)
        return
    connections: list[ServerConnection] = []

    async def handler(connection: ServerConnection) -> None:
        connections.append(connection)
        await connection.wait_closed()

    def write_broadcast(number: int) -> None:
        broadcast(connections, (BODY % (number + 3, number)).decode())

    async with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=4096) as listening:
        port = next(iter(listening.sockets)).getsockname()[1]
        await _commands(lambda: len(connections) == sessions, write_broadcast, port)


if __name__ == "__main__":
    uvloop.run(_main(sys.argv[1], int(sys.argv[2])))
