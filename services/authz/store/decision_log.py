"""The refusals that can be looked up, in a SQLite file of their own.

Several authz on one data directory share the file: each adds rows of its own and changes none, so SQLite's lock is all
the order that is needed. It is written with synchronous NORMAL: a refusal that the loss of power takes back was still
refused; nothing is built on the record, and nobody has to wait for a disk to be told no.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from beep.authz.v1.explain_service_pb2 import Decision
from services.common.sqlite import Database

AGE_KEPT_MS: Final = 30 * 24 * 3600 * 1000
ROWS_KEPT: Final = 100_000
"""At about half a kilobyte each."""

_TOO_OLD_AT_ONCE: Final = 1_000

# IF NOT EXISTS: two processes may start at the same moment.
MIGRATIONS: Final = (
    """
    CREATE TABLE IF NOT EXISTS decisions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        at_ms INTEGER NOT NULL,
        decision BLOB NOT NULL
    );
    CREATE INDEX IF NOT EXISTS decisions_by_age ON decisions (at_ms);
    """,
)


class DecisionLog:
    """Bounded by number and by age: what is beyond either goes as new ones come."""

    def __init__(self, database: Database, rows_kept: int = ROWS_KEPT) -> None:
        self._database = database
        self._rows_kept = rows_kept

    @classmethod
    async def open(cls, path: Path, rows_kept: int = ROWS_KEPT) -> "DecisionLog":
        return cls(await Database.open(path, MIGRATIONS, synchronous="NORMAL", readers=1), rows_kept)

    async def close(self) -> None:
        await self._database.close()

    async def add(self, decisions: Iterable[Decision], now_ms: int) -> None:
        """Keep them; one that is there already is no error. Raises BeepError when the disk does not let it."""
        rows = [(decision.id, decision.at_ms, decision.SerializeToString()) for decision in decisions]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("INSERT OR IGNORE INTO decisions (id, at_ms, decision) VALUES (?, ?, ?)", rows)
            connection.execute(
                "DELETE FROM decisions WHERE number <= (SELECT max(number) FROM decisions) - ?", (self._rows_kept,)
            )
            connection.execute(
                "DELETE FROM decisions WHERE number IN"
                " (SELECT number FROM decisions WHERE at_ms < ? ORDER BY at_ms LIMIT ?)",
                (now_ms - AGE_KEPT_MS, _TOO_OLD_AT_ONCE),
            )

        await self._database.write(write)

    async def find(self, decision_id: str) -> Decision | None:
        def read(connection: sqlite3.Connection) -> Decision | None:
            row = connection.execute("SELECT decision FROM decisions WHERE id = ?", (decision_id,)).fetchone()
            return None if row is None else Decision.FromString(row[0])

        return await self._database.read(read)
