"""What the benchmarks share: CPU seconds and memory of a process, percentiles, medians."""

import statistics
from collections.abc import Callable, Sequence
from typing import Any

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of the process and its children, in seconds."""
    process = psutil.Process(pid)
    return sum(
        times.user + times.system for times in (p.cpu_times() for p in (process, *process.children(recursive=True)))
    )


def rss_mib(pid: int) -> float:
    """Resident memory in MiB."""
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile: `share` 0.99 is p99."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def median_of(runs: int, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Each figure's median over several runs."""
    results = [measure() for _ in range(runs)]
    return {name: statistics.median(result[name] for result in results) for name in results[0]}


def row(name: str, **figures: Any) -> None:
    """Prints one line of the report."""
    text = "  ".join(f"{key} {_rounded(value)}" for key, value in figures.items())
    print(f"{name:<34} {text}", flush=True)


def _rounded(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
