"""Telling of sessions that ended at the provider, before whatever ended them is answered."""

import asyncio
from functools import partial

from services.common.clock import Clock
from services.common.sqlite import Database
from services.users.identity.embedded import sessions
from services.users.identity.ports import SessionEnded


class Announcements:
    """That a session ended is stored as untold, in the transaction that ends it: so a crash only delays the telling."""

    def __init__(self, db: Database, session_ended: SessionEnded, clock: Clock) -> None:
        self._db = db
        self._session_ended = session_ended
        self._clock = clock

    async def catch_up(self) -> None:
        """Tell of every session that ended. A page of them at a time, side by side."""
        while untold := await self._db.read(sessions.unannounced):
            async with asyncio.TaskGroup() as group:
                for sid, subject in untold:
                    group.create_task(self._tell(sid, subject))

    async def _tell(self, sid: str, subject: str) -> None:
        await self._session_ended(sid, subject)
        await self._db.write(partial(sessions.mark_announced, sid=sid, now_ms=self._clock.now_ms()))
