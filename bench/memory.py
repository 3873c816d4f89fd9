"""Resident memory: of a Beep that idles, and of each session that idles in it."""

import time
from typing import Any

from bench.measure import rss_mib
from bench.sink import identify


def idle(world: dict[str, Any], pid: int, sessions: int) -> dict[str, float]:
    """One run, on a Beep that was just started and filled by `beep demo`."""
    before = rss_mib(pid)
    opened = [identify(world["gateway"], world["users"][1]["token"]) for _ in range(sessions)]
    time.sleep(1)
    after = rss_mib(pid)
    for session in opened:
        session.connection.close()
    return {"rss_mib": before, "kib_per_session": (after - before) * 1024 / sessions}
