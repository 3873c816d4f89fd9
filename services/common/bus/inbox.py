"""What one service tells another to do, done at least once, in order, and not forgotten over a restart.

The other side publishes to `service_shard(name)` from its outbox. Handlers are idempotent: after a crash the last
events come again.
"""

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Final

from services.common.bus.ports import Bus, Envelope, HistoryLost, service_shard
from services.common.clock import Clock
from services.common.errors import BeepError, DeadlineExceeded, Internal, Unavailable
from services.common.sqlite import Database

INBOX_DDL: Final = """
CREATE TABLE inbox (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch TEXT NOT NULL,
    position INTEGER NOT NULL
);
CREATE TABLE inbox_dead_letters (
    event_id INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    body BLOB NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
);
"""
"""For the migrations of a service that has an inbox."""

INTERNAL_TRIES: Final = 5

_FIRST_PAUSE: Final = 0.1
_LONGEST_PAUSE: Final = 5.0

logger = logging.getLogger(__name__)


class Inbox:
    """`run` it as a job for as long as the service is there; it ends with the bus, and may be cancelled at any time."""

    def __init__(
        self, name: str, bus: Bus, db: Database, handle: Callable[[Envelope], Awaitable[None]], clock: Clock
    ) -> None:
        """`handle` may raise. `Unavailable`, `DeadlineExceeded` and `TimeoutError` say that something is down: the
        event waits for as long as it takes, and all behind it. `Internal` may be a defect elsewhere: after
        `INTERNAL_TRIES` the event is put away with the dead letters, as with any other error at once, so that those
        behind it go on."""
        self._name = name
        self._bus = bus
        self._db = db
        self._handle = handle
        self._clock = clock

    async def run(self) -> None:
        while True:
            subscription = self._bus.subscribe([service_shard(self._name)], after=await self._position())
            try:
                async for batch in subscription:
                    for record in batch:
                        await self._work_off(record.envelope)
                    await self._save(batch[-1].offset)
                return
            except HistoryLost:
                # What was in the gap is gone; whoever published it has its own record of what it did.
                logger.error("inbox_history_lost", extra={"inbox": self._name})
                await self._save(self._bus.head())
            finally:
                subscription.close()

    async def _work_off(self, envelope: Envelope) -> None:
        pause, defects = _FIRST_PAUSE, 0
        while True:
            try:
                await self._handle(envelope)
                return
            except (Unavailable, DeadlineExceeded, Internal, TimeoutError) as error:
                defects += isinstance(error, Internal)
                if defects == INTERNAL_TRIES:
                    await self._put_away(envelope, "INTERNAL")
                    return
                logger.warning("inbox_waits", extra={"inbox": self._name, "type": envelope.type, "error": error})
                await self._clock.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            except BeepError as error:
                await self._put_away(envelope, error.reason)
                return
            except Exception as error:
                # A defect of ours, or an event that cannot be read: it would be the same at every try.
                logger.exception("inbox_handler_failed")
                await self._put_away(envelope, type(error).__name__)
                return

    async def _position(self) -> int:
        """Where to go on. In a log that is not the one that was read, at its end; the first time, at its begin."""
        row = await self._db.read(lambda conn: conn.execute("SELECT epoch, position FROM inbox").fetchone())
        if row is None:
            return 0
        return int(row[1]) if row[0] == self._bus.epoch else self._bus.head()

    async def _save(self, position: int) -> None:
        epoch = self._bus.epoch
        await self._db.write(
            lambda conn: conn.execute(
                "INSERT INTO inbox (one, epoch, position) VALUES (1, ?, ?) "
                "ON CONFLICT DO UPDATE SET epoch = excluded.epoch, position = excluded.position",
                (epoch, position),
            )
        )

    async def _put_away(self, envelope: Envelope, reason: str) -> None:
        logger.error("inbox_dead_letter", extra={"inbox": self._name, "type": envelope.type, "reason": reason})
        now_ms = self._clock.now_ms()

        def insert(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT OR IGNORE INTO inbox_dead_letters (event_id, type, body, reason, at_ms) VALUES (?, ?, ?, ?, ?)",
                (envelope.event_id, envelope.type, envelope.body, reason, now_ms),
            )

        await self._db.write(insert)
