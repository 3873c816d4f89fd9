"""The lease of the lane: at most one process writes, and everybody knows which.

Nobody compares the time of two clocks. Each measures, by its own clock that never goes back, how long ago something
was: the holder from *before* it asked for its lease to be renewed, who waits to take over from *after* it saw the
renewal. The first is always earlier than the second, so the holder's time is over when the other one's is.
"""

from dataclasses import dataclass, replace
from typing import Final

LEASE_SECONDS: Final = 3.0
"""Whoever has shown no sign of life for so long has lost the lease."""

HELD_SECONDS: Final = 2.5
"""For so long after it asked its holder relies on a renewal. The difference is for clocks that do not run equally
fast."""

RENEW_SECONDS: Final = 0.6
WATCH_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class Lease:
    """Who leads.

    Attributes:
        fence: rises with each takeover, and is the id of the lane that its holder leads.
        beat: rises with each renewal.
        holder: a process, from its start to its end.
        address: where its followers reach it, `host:port`; empty: nowhere.
        released: the holder has given it up.
        quiet_ms: of one that is released: for so long somebody may still decide by what its holder told.
    """

    fence: int = 0
    beat: int = 0
    holder: str = ""
    address: str = ""
    released: bool = True
    quiet_ms: int = 0

    def taken_over(self, holder: str, address: str) -> "Lease":
        return Lease(self.fence + 1, 0, holder, address, released=False)

    def renewed(self) -> "Lease":
        return replace(self, beat=self.beat + 1)

    def given_up(self, quiet_seconds: float) -> "Lease":
        return replace(self, beat=self.beat + 1, released=True, quiet_ms=int(max(0.0, quiet_seconds) * 1000) + 1)


NOBODYS: Final = Lease()
"""Before the first takeover."""


class Watch:
    """What one who waits has seen of the lease."""

    def __init__(self) -> None:
        self.lease = NOBODYS
        self._since = 0.0

    def saw(self, lease: Lease, now: float) -> None:
        """The lease as it was read; `now` is after that."""
        if lease != self.lease:
            self.lease, self._since = lease, now

    def may_claim(self, now: float) -> bool:
        """Whether its holder has given it up or lost it, if it is still what was seen (compare and set)."""
        return self.lease.released or now - self._since >= LEASE_SECONDS
