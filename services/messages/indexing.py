"""Indexes beside the send path what writes have noted, so that a search seldom has to."""

import asyncio
import logging
from typing import Final

from services.common.clock import Clock
from services.common.errors import BeepError
from services.messages.store.ports import IndexesLater

PAUSE_SECONDS: Final = 1.0
"""Late on purpose: the more notes are taken at once, the less each of them costs."""
LEFT_FOR_LATER: Final = 4_096
"""While people write, their sends come first: so many changes may wait for a second in which nobody does. A search that
comes earlier takes them itself."""
BATCH: Final = 128
"""Senders wait behind each batch, for a few milliseconds."""

logger = logging.getLogger(__name__)


class Indexer:
    """One per store and process; `run` is its task."""

    def __init__(self, store: IndexesLater, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._woken = 0
        self._work = asyncio.Event()
        self._work.set()  # an earlier process may have left some

    def wake(self) -> None:
        """Something was committed."""
        self._woken += 1
        self._work.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._work.wait()
            self._work.clear()
            self._woken = 0
            try:
                while await self._store.index(limit=BATCH):
                    pass
            except BeepError as error:
                # A search does what is left itself, and says so if it cannot either.
                logger.warning("messages_not_indexed", extra={"error": error})
                self._work.set()
            await self._rest()

    async def _rest(self) -> None:
        """Until nothing was committed for a while, or too much waits."""
        seen = -1
        while seen != self._woken < LEFT_FOR_LATER:
            seen = self._woken
            await self._clock.sleep(PAUSE_SECONDS)
