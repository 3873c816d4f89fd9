"""This Beep beside the one of another commit: `make bench-against COMMIT=…`.

Both run at once, each with a demo of its own, and the same clients load the one and then the other: so a slow minute of
the machine meets both. Of each pair of runs the ratio is taken; the medians are printed. What may be compared is what
is said per CPU second: wall times are printed because somebody waits for them.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, TypeVar

from bench.beep import running, scratch
from bench.creates import creates_in_turns
from bench.fanout import TOGETHER, Contender, fed_gateway, whole
from bench.identify import identify_together
from bench.latency import send_to_receipt
from bench.measure import Figures
from bench.memory import idle
from bench.sink import allow_sockets

NAMES: Final = ("old", "new")
SESSIONS: Final = 500
MESSAGES: Final = 200
LISTENERS: Final = 50
PARTS: Final = ("memory", "creates", "identify", "latency", "fanout", "gateway")

Environment = Mapping[str, str]
T = TypeVar("T")


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench-against", description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each, in turn; the medians are printed")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    options = parser.parse_args()
    allow_sockets(8 * SESSIONS)
    with _checkout(options.commit) as code:
        for tree in (code, Path()):
            # As `make setup` does: else a start would measure the compiler.
            subprocess.run([sys.executable, "-m", "compileall", "-qq", "services", "gen"], cwd=tree, check=True)
        # The other commit's modules instead of those of this directory, which Python would look into first.
        old = {"PYTHONSAFEPATH": "1", "PYTHONPATH": f"{code}/gen{os.pathsep}{code}"}
        environments = dict(zip(NAMES, (old, {}), strict=True))
        print(f"{'':<62}{'old':>10}{'new':>10}{'new/old':>8}   of all pairs", flush=True)
        if "memory" in options.parts:
            _beside("start and memory", environments, _idle, options.rounds)
        _loaded(environments, options.rounds, options.parts)
        if "gateway" in options.parts:
            _gateways(environments, options.rounds)


@contextmanager
def _checkout(commit: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="beep-bench-") as folder:
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", folder, commit], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", folder], check=True)


def _idle(environment: Environment) -> Figures:
    with scratch() as folder:
        return idle(folder, (SESSIONS,), environment)


def _loaded(environments: Mapping[str, Environment], rounds: int, parts: Sequence[str]) -> None:
    with ExitStack() as stack:
        beeps = {name: stack.enter_context(running(each)) for name, each in environments.items()}
        if "creates" in parts:
            for flying in (1, 8, 32):
                both = {name: (world, process.pid) for name, (process, world) in beeps.items()}
                _print(f"durable creates, {flying} in flight", [creates_in_turns(both, flying) for _ in range(rounds)])
        if "identify" in parts:
            title = f"{SESSIONS} sessions identify at once"
            _beside(title, beeps, lambda beep: identify_together(beep[1], beep[0].pid, SESSIONS), rounds)
        if "latency" in parts:
            for rate in (5, 50):
                title = f"send to receipt, {LISTENERS} listeners, {rate}/s"
                # mypy does not infer a lambda that binds the loop's value by a default.
                _beside(title, beeps, lambda b, r=rate: send_to_receipt(b[1], LISTENERS, r, 20 + 3 * r), rounds)  # type: ignore[misc]
        if "fanout" in parts:
            for flying in (1, 32):
                title = f"all of Beep, {SESSIONS} x {MESSAGES}, {flying} in flight"
                # mypy does not infer a lambda that binds the loop's value by a default.
                _beside(title, beeps, lambda b, n=flying: whole(b[1], b[0].pid, SESSIONS, MESSAGES, n), rounds)  # type: ignore[misc]


def _gateways(environments: Mapping[str, Environment], rounds: int) -> None:
    """The gateway alone, deliveries per CPU second of its event loop's thread and of all its threads."""
    with ExitStack() as stack:
        made = {name: stack.enter_context(fed_gateway(SESSIONS, each)) for name, each in environments.items()}
        for at_once in (1, TOGETHER):

            def measure(gateway: Contender, n: int = at_once) -> Figures:
                with_log, alone = gateway.per_cpu_second(MESSAGES, n)
                return {"per_cpu_s": alone, "with_log_per_cpu_s": with_log}

            _beside(f"the gateway alone, {at_once} at a time", made, measure, rounds)


def _beside(title: str, both: Mapping[str, T], measure: Callable[[T], Figures], rounds: int) -> None:
    """Measure each in turn, and print."""
    pairs = []
    for number in range(rounds):
        # Who comes first has the colder machine: in turn that is the one and the other.
        order = NAMES if number % 2 == 0 else NAMES[::-1]
        pairs.append({name: measure(both[name]) for name in order})
    _print(title, pairs)


def _print(title: str, pairs: Sequence[Mapping[str, Figures]]) -> None:
    """One line for each figure."""
    for figure in pairs[0]["old"]:
        old, new = (statistics.median(pair[name][figure] for pair in pairs) for name in NAMES)
        ratios = [pair["new"][figure] / pair["old"][figure] for pair in pairs]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        name = f"{title}: {figure}"
        print(f"{name:<62}{old:>10,.2f}{new:>10,.2f}{statistics.median(ratios):>8.2f}   {spread}", flush=True)


if __name__ == "__main__":
    main()
