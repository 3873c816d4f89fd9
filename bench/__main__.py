"""`make bench`: everything, side by side, medians of several runs."""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.creates import creates
from bench.fanout import beep, peer
from bench.latency import send_to_receipt
from bench.measure import median_of, row
from bench.memory import idle
from bench.send_path import report as send_path_report
from tests.support.beep_process import BeepProcess


@contextmanager
def _running() -> Iterator[tuple[BeepProcess, dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as folder:
        process = BeepProcess(Path(folder) / "data", env={"BEEP_RATE_LIMITS": "off"}).start()
        try:
            yield process, process.demo()
        finally:
            process.stop()


def _memory(sessions: int) -> dict[str, float]:
    with _running() as (process, world):
        return idle(world, process.pid, sessions)


def _fanout(process: BeepProcess, world: dict[str, Any], options: argparse.Namespace) -> dict[str, float]:
    """One round: Beep and its peers one after the other, so that a slow minute of the machine meets them all."""
    ours = beep(world, process.pid, options.sessions, options.messages)
    raw = peer("raw", options.sessions, options.messages)
    broadcast = peer("broadcast", options.sessions, options.messages)
    return {
        **{f"beep_{name}": value for name, value in ours.items()},
        "raw_per_cpu_s": raw["per_cpu_s"],
        "broadcast_per_cpu_s": broadcast["per_cpu_s"],
        "gateway_to_raw": ours["per_cpu_s_gateway"] / raw["per_cpu_s"],
        "gateway_to_broadcast": ours["per_cpu_s_gateway"] / broadcast["per_cpu_s"],
        "whole_to_raw": ours["per_cpu_s_whole"] / raw["per_cpu_s"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each figure; the median is printed")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()

    print(f"medians of {options.runs} runs\n")
    row("idle", **median_of(options.runs, lambda: _memory(options.sessions)))
    with _running() as (process, world):
        for in_flight in (1, 8, 32):
            figures = median_of(options.runs, lambda n=in_flight: creates(world, process.pid, n))  # type: ignore[misc]
            row(f"durable creates, {in_flight} in flight", **figures)
        for rate in (5, 50):
            figures = median_of(options.runs, lambda r=rate: send_to_receipt(world, 50, r, 10 * r))  # type: ignore[misc]
            row(f"send to receipt, 50 listeners, {rate}/s", **figures)
        figures = median_of(options.runs, lambda: _fanout(process, world, options))
        title = f"fan-out, {options.sessions} x {options.messages}"
        row(title, **{name[5:]: value for name, value in figures.items() if name.startswith("beep_")})
        row(
            "  deliveries per CPU second",
            **{n: v for n, v in figures.items() if n.endswith("cpu_s") and "beep" not in n},
        )
        row("  ratios", **{name: value for name, value in figures.items() if "_to_" in name})
    print()
    send_path_report()


if __name__ == "__main__":
    main()
