"""From the start of a send to its receipt, at a fixed rate."""

from typing import Any

from bench.measure import Figures, percentile
from bench.sender import sending
from bench.sink import Incomplete, check, latencies, sessions_of


def send_to_receipt(world: dict[str, Any], listeners: int, per_second: float, messages: int) -> Figures:
    """One run; milliseconds over all receipts."""
    sessions = sessions_of(world, listeners)
    with sending(world, messages, per_second=per_second):
        taken = latencies(sessions, messages, seconds=messages / per_second + 20)
    check(sessions, messages)
    for session in sessions:
        session.close()
    if len(taken) != listeners * messages:
        raise Incomplete(f"{len(taken)} receipts instead of {listeners * messages}")
    return {"p50_ms": percentile(taken, 0.5), "p99_ms": percentile(taken, 0.99)}
