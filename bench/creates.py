"""Durable creates: every answer stands for a message that is on the disk."""

import time
from typing import Any

import uvloop

from bench.measure import Figures, cpu_seconds, percentile
from bench.sender import send

WARM_UP = 200


def creates(world: dict[str, Any], pid: int, in_flight: int, total: int = 2000) -> Figures:
    """One run: `total` creates in one channel with `in_flight` open requests, and nobody who listens."""
    channel = (world["api"], world["channel_id"], world["users"][1]["token"])
    uvloop.run(send(*channel, WARM_UP, in_flight))
    cpu, start = cpu_seconds(pid), time.perf_counter()
    taken = uvloop.run(send(*channel, total, in_flight))
    wall, used = time.perf_counter() - start, cpu_seconds(pid) - cpu
    return {
        "per_s": total / wall,
        "per_cpu_s": total / used,
        "p50_ms": percentile(taken, 0.5) * 1000,
        "p99_ms": percentile(taken, 0.99) * 1000,
    }
