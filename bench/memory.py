"""Resident memory: of a Beep that idles, and of each session that idles in it; and how fast it starts."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.beep import ENVIRONMENT, NOTHING_ELSE
from bench.measure import Figures, rss_mib
from bench.sink import sessions_of
from tests.support.beep_process import BeepProcess


def idle(folder: Path, sessions: Sequence[int], environment: Mapping[str, str] = NOTHING_ELSE) -> Figures:
    """One run: a start on no data, then one on the data of the first, then so many sessions."""
    process = BeepProcess(folder / "data", env={**ENVIRONMENT, **environment})
    figures: Figures = {}
    for name in ("first", "again"):
        start = time.monotonic()
        process.start()
        figures[f"{name}_start_s"] = time.monotonic() - start
        if name == "first":
            figures["started_mib"] = rss_mib(process.pid)
            world = process.demo()
            figures["after_demo_mib"] = rss_mib(process.pid)
            process.stop()
    try:
        # The first sessions load the server and their users for all that follow.
        opened = sessions_of(world, 3)
        before = rss_mib(process.pid)
        for count in sessions:
            opened += sessions_of(world, count + 3 - len(opened))
            time.sleep(1)  # for what was allocated only to identify to be given back
            figures[f"kib_a_session_of_{count}"] = (rss_mib(process.pid) - before) * 1024 / count
        for session in opened:
            session.close()
    finally:
        process.stop()
    return figures
