"""`make bench`: everything, side by side, medians of several runs. README.md says how each figure is made."""

import argparse
import os
import platform

from bench.beep import running, scratch
from bench.creates import creates
from bench.fanout import TOGETHER, compare, contenders, whole
from bench.history import report as history_report
from bench.latency import send_to_receipt
from bench.measure import median_of, medians, row, sync_microseconds
from bench.memory import idle
from bench.permissions import report as permissions_report
from bench.send_path import report as send_path_report
from bench.sink import allow_sockets

LISTENERS = 50
MANY = 2000


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--runs", type=int, default=3, help="runs of each figure; the median is printed")
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--messages", type=int, default=200)
    options = parser.parse_args()
    runs, sessions, messages = options.runs, options.sessions, options.messages
    allow_sockets(8 * MANY)

    with scratch() as folder:
        sync = sync_microseconds(folder)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, ", end="")
    print(f"fsync of 8 KiB {sync:.0f} µs; medians of {runs} runs\n")

    def idling() -> dict[str, float]:
        with scratch() as folder:
            return idle(folder, (sessions, MANY))

    row("start and memory", **median_of(runs, idling))
    # mypy infers no type for a lambda with a default, which is what binds the loop's value: hence the three ignores.
    with running() as (process, world):
        for in_flight in (1, 8, 32):
            figures = median_of(runs, lambda n=in_flight: creates(world, process.pid, n))  # type: ignore[misc]
            row(f"durable creates, {in_flight} in flight", **figures)
        for rate in (5, 50):
            figures = median_of(runs, lambda r=rate: send_to_receipt(world, LISTENERS, r, 20 + 3 * r))  # type: ignore[misc]
            row(f"send to receipt, {LISTENERS} listeners, {rate}/s", **figures)
        for in_flight in (1, 32):
            figures = median_of(runs, lambda n=in_flight: whole(world, process.pid, sessions, messages, n))  # type: ignore[misc]
            row(f"all of Beep, {sessions} x {messages}, {in_flight} in flight", **figures)

    with contenders(sessions) as made:
        compare(made, messages)  # to warm up
        figures = medians([compare(made, messages) for _ in range(runs + 2)])
    print(f"\ndeliveries per CPU second, {sessions} sessions x {messages} messages, nothing lost or reordered")
    for at_once in (1, TOGETHER):
        names = (*made, "gateway_with_log")
        row(f"  {at_once} at a time", **{name: figures[f"{name}_{at_once}"] for name in names})
    row("  ratios", **{name: value for name, value in figures.items() if "_to_" in name})
    print()
    send_path_report()
    print()
    permissions_report(runs)
    print()
    history_report()


if __name__ == "__main__":
    main()
