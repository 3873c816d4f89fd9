"""Durable creates: every answer stands for a message that is on the disk."""

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

from bench.http import Connection
from bench.measure import cpu_seconds, percentile

WARM_UP = 100


async def _worker(connection: Connection, path: str, count: int, taken: list[float]) -> None:
    for number in range(count):
        start = time.perf_counter()
        await connection.post(path, {"content": f"{number} lorem ipsum dolor sit amet consectetur adipiscing elit"})
        taken.append(time.perf_counter() - start)


async def _creates(world: dict[str, Any], pid: int, in_flight: int, total: int) -> dict[str, float]:
    path = f"{urlsplit(world['api']).path}/channels/{world['channel_id']}/messages"
    token = world["users"][1]["token"]
    connections = [await Connection.open(world["api"], token) for _ in range(in_flight)]
    await asyncio.gather(*(_worker(c, path, WARM_UP // in_flight + 1, []) for c in connections))
    taken: list[float] = []
    cpu, start = cpu_seconds(pid), time.perf_counter()
    await asyncio.gather(*(_worker(c, path, total // in_flight, taken) for c in connections))
    wall, used = time.perf_counter() - start, cpu_seconds(pid) - cpu
    for connection in connections:
        connection.close()
    return {
        "per_s": len(taken) / wall,
        "per_cpu_s": len(taken) / used,
        "p50_ms": percentile(taken, 0.5) * 1000,
        "p99_ms": percentile(taken, 0.99) * 1000,
    }


def creates(world: dict[str, Any], pid: int, in_flight: int, total: int = 2000) -> dict[str, float]:
    """One run: `total` creates in one channel with `in_flight` open requests."""
    return asyncio.run(_creates(world, pid, in_flight, total))
