"""The Beep that is measured: the real command, with what a benchmark must not run into set aside."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.beep_process import BeepProcess

ENVIRONMENT: Final = {
    # One user sends as fast as the machine can; sessions here never heartbeat.
    "BEEP_RATE_LIMITS": "off",
    "BEEP_HEARTBEAT_INTERVAL_MS": "3600000",
}
NOTHING_ELSE: Final[Mapping[str, str]] = {}


@contextmanager
def running(environment: Mapping[str, str] = NOTHING_ELSE) -> Iterator[tuple[BeepProcess, dict[str, Any]]]:
    """A started Beep, and what `beep demo` made in it; `environment` is added to what a benchmark sets."""
    with scratch() as folder:
        process = BeepProcess(folder / "data", env={**ENVIRONMENT, **environment}).start()
        try:
            yield process, process.demo()
        finally:
            process.stop()


@contextmanager
def scratch() -> Iterator[Path]:
    """A directory beside the project: /tmp is memory on many machines, where nothing ever waits for a disk."""
    with tempfile.TemporaryDirectory(dir=".", prefix=".bench-") as folder:
        yield Path(folder)


def demo(url: str) -> dict[str, Any]:
    """What `beep demo` makes in a Beep that is no `BeepProcess`."""
    command = [sys.executable, "-m", "services.cli", "demo", "--json", "--small", "--url", url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    made: dict[str, Any] = json.loads(done.stdout)
    return made
