"""Sends messages, in a process of its own: so that sending and reading do not wait for each other.

    python -m bench.sender API CHANNEL MESSAGES IN_FLIGHT PER_SECOND    (the token comes by standard input)

PER_SECOND 0: as fast as the answers come. Prints one JSON list: how long each acknowledgement took, in seconds.
"""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import uvloop

from bench.frames import CONTENT
from bench.http import Connection


@contextmanager
def sending(
    world: dict[str, Any], messages: int, in_flight: int = 1, per_second: float = 0
) -> Iterator["subprocess.Popen[str]"]:
    """Sends as the demo's second user, who may view and send. Leaving waits for the end, and fails if a send did."""
    arguments = [world["api"], world["channel_id"], str(messages), str(in_flight), str(per_second)]
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.sender", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(world["users"][1]["token"] + "\n")
    process.stdin.close()
    try:
        yield process
        if process.wait(60) != 0:
            raise RuntimeError("a send failed; see above")
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


async def send(
    api: str, channel_id: str, token: str, messages: int, in_flight: int = 1, per_second: float = 0
) -> list[float]:
    """Each connection sends one after the other, and takes the next number that nobody has: with one of them, the
    numbers arrive in order."""
    path = f"{urlsplit(api).path}/channels/{channel_id}/messages"
    taken: list[float] = []
    numbers = iter(range(messages))
    begin = time.monotonic()

    async def work(connection: Connection) -> None:
        for number in numbers:
            if per_second:
                await asyncio.sleep(max(0.0, begin + number / per_second - time.monotonic()))
            start = time.monotonic()
            # The time stands in the message, for whoever measures until its receipt.
            content = f"{CONTENT % number} T{time.monotonic_ns():020};"
            await connection.post(path, {"content": content})
            taken.append(time.monotonic() - start)

    connections = [await Connection.open(api, token) for _ in range(in_flight)]
    await asyncio.gather(*map(work, connections))
    for connection in connections:
        connection.close()
    return taken


if __name__ == "__main__":
    _api, _channel, _messages, _in_flight, _per_second = sys.argv[1:]
    _token = sys.stdin.readline().strip()
    print(json.dumps(uvloop.run(send(_api, _channel, _token, int(_messages), int(_in_flight), float(_per_second)))))
