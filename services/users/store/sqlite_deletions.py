"""The embedded `DeletionStore`, in `users.db`."""

import sqlite3

from services.common.sqlite import Database
from services.users.store.ports import DELETED, Deletion


class SqliteDeletionStore:
    """See `DeletionStore`."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def begin(self, deletion: Deletion) -> None:
        def change(conn: sqlite3.Connection) -> None:
            conn.execute(
                "INSERT OR IGNORE INTO deletions (user_id, subject, step) VALUES (?, ?, ?)",
                (deletion.user_id, deletion.subject, deletion.step),
            )

        await self._db.write(change)

    async def pending(self) -> list[Deletion]:
        query = "SELECT user_id, subject, step FROM deletions WHERE step <> ? ORDER BY user_id"
        rows = await self._db.read(lambda conn: conn.execute(query, (DELETED,)).fetchall())
        return [Deletion(*row) for row in rows]

    async def advance(self, user_id: int, step: str) -> None:
        await self._db.write(
            lambda conn: conn.execute("UPDATE deletions SET step = ? WHERE user_id = ?", (step, user_id))
        )

    async def cancel(self, user_id: int) -> None:
        await self._db.write(lambda conn: conn.execute("DELETE FROM deletions WHERE user_id = ?", (user_id,)))
