"""The embedded store of pairs, in `users.db`."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from services.common.outbox import OutboxRecord, append
from services.common.sqlite import Database
from services.users.domain.relationship import Counts, Pair, RelationshipType, Side
from services.users.store.social_ports import Conflict, LoadedPair

PAIRS_DDL: Final = """
    CREATE TABLE pairs (
        low_id INTEGER NOT NULL REFERENCES users (id),
        high_id INTEGER NOT NULL REFERENCES users (id),
        low_type TEXT,
        low_since_ms INTEGER NOT NULL,
        low_open INTEGER NOT NULL,
        high_type TEXT,
        high_since_ms INTEGER NOT NULL,
        high_open INTEGER NOT NULL,
        channel_id INTEGER UNIQUE,
        version INTEGER NOT NULL,
        record_id INTEGER NOT NULL,
        PRIMARY KEY (low_id, high_id),
        CHECK (low_id < high_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX pairs_of_the_higher ON pairs (high_id);
"""

_PAIR: Final = (
    "low_id, high_id, low_type, low_since_ms, low_open, high_type, high_since_ms, high_open,"
    " ifnull(channel_id, 0), version"
)
_PENDING: Final = "iif(EXISTS (SELECT 1 FROM outbox WHERE outbox.id = record_id), record_id, 0)"

_Row = tuple[int, int, str | None, int, int, str | None, int, int, int, int]


def _side(type_: str | None, since_ms: int, is_open: int) -> Side:
    return Side(None if type_ is None else RelationshipType(type_), since_ms, bool(is_open))


def _pair(row: _Row) -> Pair:
    low_id, high_id, low_type, low_since, low_open, high_type, high_since, high_open, channel_id, version = row
    low, high = _side(low_type, low_since, low_open), _side(high_type, high_since, high_open)
    return Pair(low_id, high_id, low, high, channel_id, version)


class SqlitePairStore:
    """See `PairStore`. `committed` gets each record after its commit, in the order of the commits."""

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def pair(self, one_id: int, other_id: int) -> LoadedPair:
        low_id, high_id = sorted((one_id, other_id))
        found = await self._one("low_id = ? AND high_id = ?", (low_id, high_id))
        return found or LoadedPair(Pair(low_id, high_id))

    async def pair_of_channel(self, channel_id: int) -> LoadedPair | None:
        return await self._one("channel_id = ?", (channel_id,))

    async def pairs_of(self, user_id: int) -> list[Pair]:
        query = f"SELECT {_PAIR} FROM pairs WHERE low_id = ? UNION ALL SELECT {_PAIR} FROM pairs WHERE high_id = ?"
        rows = await self._db.read(lambda conn: conn.execute(query, (user_id, user_id)).fetchall())
        return [_pair(row) for row in rows]

    async def counts(self, user_id: int) -> Counts:
        query = (
            "SELECT type, count(*) FROM (SELECT low_type AS type FROM pairs WHERE low_id = ?"
            " UNION ALL SELECT high_type FROM pairs WHERE high_id = ?) WHERE type IS NOT NULL GROUP BY type"
        )
        rows = await self._db.read(lambda conn: conn.execute(query, (user_id, user_id)).fetchall())
        return {RelationshipType(type_): count for type_, count in rows}

    async def commit_pair(self, after: Pair, record: OutboxRecord | None) -> None:
        def change(conn: sqlite3.Connection) -> OutboxRecord | None:
            _write(conn, after, record)
            if record is not None:
                append(conn, record)
            return record

        await self._db.write(change, on_commit=self._tell)

    def _tell(self, record: OutboxRecord | None) -> None:
        if record is not None:
            self._committed(record)

    async def _one(self, condition: str, values: tuple[int, ...]) -> LoadedPair | None:
        found = await self._db.read(lambda conn: select(conn, condition, values))
        return found[0] if found else None


def select(conn: sqlite3.Connection, condition: str, values: Sequence[object]) -> list[LoadedPair]:
    """Those that meet a condition in SQL, which may end in an order and a limit."""
    rows = conn.execute(f"SELECT {_PAIR}, {_PENDING} FROM pairs WHERE {condition}", values)
    return [LoadedPair(_pair(row[:-1]), row[-1]) for row in rows]


def _write(conn: sqlite3.Connection, after: Pair, record: OutboxRecord | None) -> None:
    changed = conn.execute(
        "INSERT INTO pairs (low_id, high_id, low_type, low_since_ms, low_open, high_type, high_since_ms, high_open,"
        " channel_id, version, record_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (low_id, high_id) DO UPDATE SET"
        " low_type = excluded.low_type, low_since_ms = excluded.low_since_ms, low_open = excluded.low_open,"
        " high_type = excluded.high_type, high_since_ms = excluded.high_since_ms, high_open = excluded.high_open,"
        " channel_id = excluded.channel_id, version = excluded.version,"
        # A change that nobody is told of must not hide that the one before it is still on its way.
        " record_id = iif(excluded.record_id = 0, record_id, excluded.record_id)"
        " WHERE version = excluded.version - 1",
        (
            after.low_id,
            after.high_id,
            after.low.type,
            after.low.since_ms,
            after.low.is_open,
            after.high.type,
            after.high.since_ms,
            after.high.is_open,
            after.channel_id or None,
            after.version,
            0 if record is None else record.id,
        ),
    )
    # Rows never go, so only a first version is ever inserted; any other finds its row, in the version before it or not.
    if changed.rowcount != 1:
        raise Conflict
