"""Who may still decide without the newest bump: read leases, as the leader keeps them.

A change counts as acknowledged only when each process that decides knows of it, or may decide no longer (Gray and
Cheriton, Leases, 1989). The follower measures its lease from before it asked, the leader from when it was asked, which
is later, and adds a margin: so the follower's is over first.
"""

from collections.abc import Mapping
from typing import Final

READ_LEASE_SECONDS: Final = 1.0
"""As the leader counts; this is how long a process that hangs can hold up a change, once."""

GRANTED_SECONDS: Final = 0.9
"""As the follower counts. The difference is for clocks that do not run equally fast."""


class ReadLeases:
    def __init__(self) -> None:
        self._followers: dict[str, tuple[int, float]] = {}
        """The newest bump that each has acknowledged, and when its lease is over."""

    def heard(self, follower: str, seq: int, now: float) -> None:
        """The follower has everything up to `seq` (-1: nothing) and gets a new lease; it asked before `now`."""
        known, _ = self._followers.get(follower, (-1, now))
        # What was delayed on its way takes nothing back.
        self._followers[follower] = (max(known, seq), now + READ_LEASE_SECONDS)

    def behind(self, seq: int, now: float) -> Mapping[str, float]:
        """Who may decide and has not acknowledged everything up to `seq`, and until when."""
        self._followers = {name: lease for name, lease in self._followers.items() if lease[1] > now}
        return {name: until for name, (known, until) in self._followers.items() if known < seq}

    def left(self, now: float) -> float:
        """For how many seconds anybody may still decide."""
        return max((until - now for _, until in self._followers.values()), default=0.0)
