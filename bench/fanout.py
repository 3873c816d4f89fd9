"""One channel, many sessions: what a delivery costs the gateway, beside what it costs those who do nothing else."""

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from bench.http import Connection
from bench.measure import cpu_seconds
from bench.sink import Socket, check, drain, identify, open_websocket

SECONDS = 60.0


async def _send(api: str, channel_id: str, token: str, messages: int) -> None:
    """One connection, one after the other: so the numbers must arrive in order."""
    path = f"{urlsplit(api).path}/channels/{channel_id}/messages"
    connection = await Connection.open(api, token)
    for number in range(messages):
        await connection.post(path, {"content": f"{number} lorem ipsum dolor sit amet consectetur adipiscing elit"})
    connection.close()


def beep(world: dict[str, Any], pid: int, sessions: int, messages: int) -> dict[str, float]:
    """One run against Beep.

    The gateway's own share is what the burst costs with all sessions less what it costs with none: the sends, their
    checks and their commits are the same in both.
    """
    alone = cpu_seconds(pid)
    asyncio.run(_send(world["api"], world["channel_id"], world["users"][1]["token"], messages))
    alone = cpu_seconds(pid) - alone

    listeners = [identify(world["gateway"], world["users"][1]["token"]) for _ in range(sessions)]
    used, start = cpu_seconds(pid), time.monotonic()
    with ExitStack() as stack:
        sender = subprocess.Popen(
            [sys.executable, "-m", "bench.fanout", world["api"], world["channel_id"], str(messages)],
            stdin=subprocess.PIPE,
            text=True,
        )
        stack.callback(sender.wait)
        assert sender.stdin is not None
        sender.stdin.write(world["users"][1]["token"] + "\n")
        sender.stdin.close()
        last = drain(listeners, messages, SECONDS)
    used = cpu_seconds(pid) - used
    lost, reordered = check(listeners, messages)
    for listener in listeners:
        listener.connection.close()
    deliveries = sessions * messages
    return {
        "lost": lost,
        "reordered": reordered,
        "per_s": deliveries / (last - start),
        "per_cpu_s_whole": deliveries / used,
        "per_cpu_s_gateway": deliveries / max(used - alone, 1e-9),
    }


def peer(kind: str, sessions: int, messages: int) -> dict[str, float]:
    """One run of `raw` or `broadcast`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.peers", kind, str(sessions)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        port = int(process.stdout.readline())
        url = f"ws://127.0.0.1:{port}"
        connect = (
            partial(socket.create_connection, ("127.0.0.1", port)) if kind == "raw" else partial(open_websocket, url)
        )
        listeners = [Socket(connect()) for _ in range(sessions)]
        time.sleep(0.5)
        used, start = cpu_seconds(process.pid), time.monotonic()
        process.stdin.write(f"{messages}\n")
        process.stdin.flush()
        last = drain(listeners, messages, SECONDS)
        used = cpu_seconds(process.pid) - used
        lost, reordered = check(listeners, messages)
        for listener in listeners:
            listener.connection.close()
    finally:
        process.kill()
        process.wait()
    deliveries = sessions * messages
    return {"lost": lost, "reordered": reordered, "per_s": deliveries / (last - start), "per_cpu_s": deliveries / used}


if __name__ == "__main__":
    # A process of its own, so that sending and reading do not wait for each other; the token comes by standard input.
    asyncio.run(_send(sys.argv[1], sys.argv[2], sys.stdin.readline().strip(), int(sys.argv[3])))
