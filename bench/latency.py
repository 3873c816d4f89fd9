"""From the start of a send to its receipt, at a fixed rate."""

import asyncio
import re
import selectors
import threading
import time
from typing import Any, Final
from urllib.parse import urlsplit

from bench.http import Connection
from bench.measure import percentile
from bench.sink import READ_BYTES, Socket, identify

_STAMP: Final = re.compile(rb'"content":"T(\d+);"')


async def _send_at_rate(world: dict[str, Any], messages: int, per_second: float) -> None:
    path = f"{urlsplit(world['api']).path}/channels/{world['channel_id']}/messages"
    connection = await Connection.open(world["api"], world["users"][1]["token"])
    start = time.monotonic()
    for number in range(messages):
        await asyncio.sleep(max(0.0, start + number / per_second - time.monotonic()))
        await connection.post(path, {"content": f"T{time.monotonic_ns()};"})
    connection.close()


def _read(sessions: list[Socket], expected: int, taken: list[float]) -> None:
    selector = selectors.DefaultSelector()
    for session in sessions:
        session.connection.setblocking(False)
        selector.register(session.connection, selectors.EVENT_READ, session)
    until = time.monotonic() + 60
    while len(taken) < expected and time.monotonic() < until:
        for key, _ in selector.select(0.2):
            data = key.data.connection.recv(READ_BYTES)
            now = time.monotonic_ns()
            key.data.received += data
            stamps = _STAMP.findall(key.data.received)
            if stamps:
                taken.extend((now - int(stamp)) / 1e6 for stamp in stamps)
                key.data.received.clear()
    selector.close()


def send_to_receipt(world: dict[str, Any], listeners: int, per_second: float, messages: int) -> dict[str, float]:
    """One run; milliseconds over all receipts."""
    sessions = [identify(world["gateway"], world["users"][1]["token"]) for _ in range(listeners)]
    taken: list[float] = []
    reader = threading.Thread(target=_read, args=(sessions, listeners * messages, taken))
    reader.start()
    asyncio.run(_send_at_rate(world, messages, per_second))
    reader.join()
    for session in sessions:
        session.connection.close()
    return {
        "p50_ms": percentile(taken, 0.5),
        "p99_ms": percentile(taken, 0.99),
        "lost": float(listeners * messages - len(taken)),
    }
