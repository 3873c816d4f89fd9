"""Ends mutes when their time is over.

Durable because it keeps nothing: the members' rows say when, and a mute whose end was missed is ended at the start. No
check of a right reads a clock: to authz the end of a mute is a change like any other.
"""

import asyncio
import logging
from typing import Final

from services.common.clock import Clock
from services.common.errors import BeepError
from services.servers.domain import member as member_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownServer
from services.servers.service.changes import Changes
from services.servers.store.ports import Loaded, ServerStore, Wanted

PAGE: Final = 256
RETRY_SECONDS: Final = 1.0

logger = logging.getLogger(__name__)


class MuteTimer:
    """`run` it as a task; `changed` tells it that a mute may end earlier than what it waits for."""

    def __init__(self, store: ServerStore, changes: Changes, clock: Clock) -> None:
        self._store = store
        self._changes = changes
        self._clock = clock
        self._changed = asyncio.Event()

    def changed(self) -> None:
        self._changed.set()

    async def run(self) -> None:
        while True:
            self._changed.clear()
            try:
                await self._end_due()
                ends_at = await self._store.next_mute_end()
            except BeepError as error:
                logger.warning("mutes_not_ended", extra={"error": error})
                await self._clock.sleep(RETRY_SECONDS)
                continue
            await self._wait(None if ends_at is None else max(0.0, (ends_at - self._clock.now_ms()) / 1000))

    async def _end_due(self) -> None:
        while due := await self._store.mutes(until_ms=self._clock.now_ms(), limit=PAGE):
            for server_id, user_id in due:
                await self._end(server_id, user_id)

    async def _end(self, server_id: int, user_id: int) -> None:
        def end(loaded: Loaded, now_ms: int) -> Change | None:
            member = loaded.members.get(user_id)
            return None if member is None else member_rules.end_mute(loaded.state, member, now_ms=now_ms)

        try:
            await self._changes.make_unbidden(server_id, end, wanted=Wanted(member_ids=frozenset({user_id})))
        except UnknownServer:
            # Deleted with its members since the list was read.
            return

    async def _wait(self, seconds: float | None) -> None:
        """Until something `changed`, or for so long."""
        if seconds is None:
            await self._changed.wait()
            return
        waits = [asyncio.ensure_future(self._clock.sleep(seconds)), asyncio.ensure_future(self._changed.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
