"""The outbox as a table beside what it tells of."""

import sqlite3
from collections.abc import Callable, Collection
from typing import Final

import msgspec

from services.common.clock import Clock
from services.common.outbox.ports import OutboxRecord, Pending
from services.common.sqlite import Database

OUTBOX_DDL: Final = """
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY,
    id INTEGER NOT NULL UNIQUE,
    record BLOB NOT NULL
);
CREATE TABLE dead_letters (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    reason TEXT NOT NULL,
    record BLOB NOT NULL
);
"""
"""For the migrations of a service that appends."""


_encode_record: Final[Callable[[OutboxRecord], bytes]] = msgspec.msgpack.Encoder().encode
_decode_record: Final[Callable[[bytes], OutboxRecord]] = msgspec.msgpack.Decoder(OutboxRecord).decode
_encode_ids: Final = msgspec.json.Encoder().encode


def append(conn: sqlite3.Connection, record: OutboxRecord) -> None:
    """Store a record in the transaction of the change that it tells of."""
    conn.execute("INSERT INTO outbox (id, record) VALUES (?, ?)", (record.id, _encode_record(record)))


def newest_pending(conn: sqlite3.Connection, shard: str) -> int:
    """The newest record of the shard that is not known to be published, or 0. A look through the whole outbox.

    (It may be one that only speaks of the shard: whoever waits for it waits longer than it must.)
    """
    found = conn.execute(
        "SELECT id FROM outbox WHERE instr(record, ?) ORDER BY position DESC LIMIT 1", (shard.encode(),)
    )
    row = found.fetchone()
    return row[0] if row else 0


class SqliteOutbox:
    """The tables of `OUTBOX_DDL` in the database of a service."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    async def pending(self, after: int, limit: int) -> list[Pending]:
        rows = await self._db.read(
            lambda conn: conn.execute(
                "SELECT position, id, record FROM outbox WHERE position > ? ORDER BY position LIMIT ?", (after, limit)
            ).fetchall()
        )
        records: list[Pending] = []
        for position, record_id, encoded in rows:
            try:
                records.append(Pending(position, _decode_record(encoded)))
            except msgspec.DecodeError as error:
                # Nobody will ever be able to relay it, and everything behind it must go on.
                await self.dead_letter(record_id, f"UNREADABLE: {error}")
        # A short page means that there is no more, so the gap that a dead letter left is filled.
        return records if len(records) == len(rows) else await self.pending(after, limit)

    async def mark_done(self, ids: Collection[int]) -> None:
        encoded = _encode_ids(list(ids)).decode()
        await self._db.write(
            lambda conn: conn.execute("DELETE FROM outbox WHERE id IN (SELECT value FROM json_each(?))", (encoded,))
        )

    async def dead_letter(self, record_id: int, reason: str) -> None:
        now_ms = self._clock.now_ms()

        def move(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT OR IGNORE INTO dead_letters (id, at_ms, reason, record) "
                "SELECT id, ?, ?, record FROM outbox WHERE id = ?",
                (now_ms, reason, record_id),
            )
            conn.execute("DELETE FROM outbox WHERE id = ?", (record_id,))

        await self._db.write(move)
