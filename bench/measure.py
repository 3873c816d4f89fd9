"""What the benchmarks share: CPU time and memory of a process, percentiles, medians, and how a figure is printed."""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

Figures = dict[str, float]


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of the process."""
    if sys.platform == "linux":
        # The CPU clock of another process (CPUCLOCK_SCHED in the kernel): nanoseconds, where /proc has ticks of 10 ms.
        return time.clock_gettime(~pid << 3 | 2)
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def rss_mib(pid: int) -> float:
    """Resident memory in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: `share` 0.99 is p99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def medians(results: Sequence[Mapping[str, float]]) -> Figures:
    """Each figure's median over several runs."""
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


def median_of(runs: int, measure: Callable[[], Figures]) -> Figures:
    return medians([measure() for _ in range(runs)])


def sync_microseconds(folder: Path, tries: int = 50) -> float:
    """What the disk takes for one small durable write: how much of a create's time is not Beep's."""
    taken = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(tries):
            file.write(bytes(8192))
            start = time.perf_counter()
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - start)
    return percentile(taken, 0.5) * 1e6


def row(name: str, **figures: Any) -> None:
    """Prints one line of the report."""
    text = "  ".join(f"{key} {_rounded(value)}" for key, value in figures.items())
    print(f"{name:<42} {text}", flush=True)


def _rounded(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
