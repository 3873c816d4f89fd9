"""Durable creates: every answer stands for a message that is on the disk."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import uvloop

from bench.measure import Figures, cpu_seconds, percentile
from bench.sender import send

WARM_UP: Final = 200
TOTAL: Final = 2_000
TURN: Final = 200
PUT_OFF_SECONDS: Final = 2.0
"""By then a Beep has done what it put off while it was written to."""

World = dict[str, Any]


def creates(world: World, pid: int, in_flight: int) -> Figures:
    """One run: creates in one channel with `in_flight` open requests, and nobody who listens."""
    _send(world, WARM_UP, in_flight)
    cpu, start = cpu_seconds(pid), time.perf_counter()
    taken = _send(world, TOTAL, in_flight)
    wall, used = time.perf_counter() - start, cpu_seconds(pid) - cpu
    return _figures(taken, wall, used)


def creates_in_turns(beeps: Mapping[str, tuple[World, int]], in_flight: int) -> dict[str, Figures]:
    """A run of each (its world, its pid), a fraction of a second of the one and then of the other, so that both meet
    the same machine. The CPU time is that of all the while: also of what was put off until the other's turn."""
    for world, _ in beeps.values():
        _send(world, WARM_UP, in_flight)
    time.sleep(PUT_OFF_SECONDS)  # what the warm-up put off is none of what is measured
    cpu = {name: cpu_seconds(pid) for name, (_, pid) in beeps.items()}
    walls = dict.fromkeys(beeps, 0.0)
    taken: dict[str, list[float]] = {name: [] for name in beeps}
    for name in _turns(tuple(beeps), TOTAL // TURN):
        start = time.perf_counter()
        taken[name] += _send(beeps[name][0], TURN, in_flight)
        walls[name] += time.perf_counter() - start
    time.sleep(PUT_OFF_SECONDS)  # what the run put off is paid for by the run
    return {name: _figures(taken[name], walls[name], cpu_seconds(beeps[name][1]) - cpu[name]) for name in beeps}


def _turns(names: Sequence[str], each: int) -> Iterator[str]:
    """Nobody is always the one who comes after the other."""
    for number in range(each):
        yield from names if number % 2 == 0 else reversed(names)


def _send(world: World, total: int, in_flight: int) -> list[float]:
    return uvloop.run(send(world["api"], world["channel_id"], world["users"][1]["token"], total, in_flight))


def _figures(taken: Sequence[float], wall: float, used: float) -> Figures:
    """Of these acknowledgements, in seconds each, that came in `wall` seconds for `used` seconds of CPU."""
    return {
        "per_s": len(taken) / wall,
        "per_cpu_s": len(taken) / used,
        "p50_ms": percentile(taken, 0.5) * 1000,
        "p99_ms": percentile(taken, 0.99) * 1000,
    }
