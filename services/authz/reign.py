"""One process's time as the leader of the lane: when it may write, and when what it wrote is known to all."""

import asyncio
from collections.abc import Iterable, Sequence
from math import inf
from typing import Final, NamedTuple

from services.authz.domain.bumps import Bump, Bumps
from services.authz.domain.projection import Epoch
from services.authz.domain.read_leases import GRANTED_SECONDS, ReadLeases
from services.authz.store.ports import WRITE_SECONDS, Token
from services.common.clock import Clock
from services.common.errors import Unavailable

HOLD_SECONDS: Final = 0.3
"""For so long a poll without news is held. Followers ask anew at once; twice this, and some delay, is less than their
lease."""


class News(NamedTuple):
    """What a poll brings: the bumps that follow; None: forget all epochs, `head` stands for them."""

    seq: int
    head: Token
    bumps: Sequence[Bump] | None
    lease_seconds: float


class Reign:
    """Followers ask for news; a change counts once all of them have it, or may decide no longer."""

    def __init__(self, lane_id: int, head: Token, clock: Clock, *, until: float, quiet_until: float = -inf) -> None:
        """Begin.

        Args:
            lane_id: the fence number of the lease.
            head: sees all facts that were there before.
            clock: measures.
            until: the end of the lease; whoever renews it moves it.
            quiet_until: until then somebody may decide by what the leader before told: nothing is written.
        """
        self.lane_id: Final = lane_id
        self.until = until
        self._head = head
        self._clock = clock
        self._quiet_until = quiet_until
        self._bumps = Bumps()
        self._readers = ReadLeases()
        self._news = asyncio.Event()
        self._heard = asyncio.Event()

    async def may_write(self) -> None:
        """Return when a write can begin, which is over before anybody else may write.

        Raises:
            Unavailable: the lease ends too soon.
        """
        now = self._clock.monotonic()
        if now < self._quiet_until:
            await self._clock.sleep(self._quiet_until - now)
        if self.until - self._clock.monotonic() < WRITE_SECONDS:
            raise not_leading()

    def wrote(self, epochs: Iterable[Epoch], token: Token) -> None:
        """The epochs are bumped here; those who follow hear of it."""
        self._head = token
        self._bumps.add(Bump(token, tuple(epochs)))
        self._news.set()
        self._news = asyncio.Event()

    async def known_to_all(self) -> None:
        """Return when nobody decides without what was written before the call."""
        seq, now = self._bumps.seq, self._clock.monotonic()
        # A lease is of no use without its answer, and whatever is answered from here on carries these bumps. So what
        # counts is what has been granted: else one who polls, and is never reached by an answer, would be waited for
        # without end.
        granted = self._readers.behind(seq, now)
        waiting: Iterable[str] = granted
        while (left := max((granted[name] for name in waiting), default=now) - now) > 0:
            self._heard.clear()
            await _wait(self._heard, left)
            now = self._clock.monotonic()
            waiting = granted.keys() & self._readers.behind(seq, now).keys()

    async def news(self, follower: str, lane_id: int, after_seq: int) -> News:
        """Take the acknowledgement in a poll and answer it, at once or when there is news.

        Raises:
            Unavailable: the lease is over.
        """
        now = self._clock.monotonic()
        lease = min(GRANTED_SECONDS, self.until - now)
        if lease <= 0:
            raise not_leading()
        follows = lane_id == self.lane_id
        self._readers.heard(follower, after_seq if follows else -1, now)
        self._heard.set()
        if follows and after_seq == self._bumps.seq:
            await _wait(self._news, HOLD_SECONDS)
        bumps = self._bumps.after(after_seq) if follows else None
        return News(self._bumps.seq, self._head, bumps, lease)

    def end(self) -> float:
        """Grant and write nothing more. Returns for how many seconds somebody may still decide."""
        self.until = -inf
        self._news.set()
        return self._readers.left(self._clock.monotonic())


def not_leading() -> Unavailable:
    return Unavailable("NOT_LEADING", "This authz does not lead the lane now; try again.")


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
