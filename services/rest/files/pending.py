"""Which uploads are stored and not yet known to belong to a message, over any crash; and the edge's inbox."""

import sqlite3
from collections.abc import Collection, Iterable
from typing import Final

from services.common.bus import INBOX_DDL
from services.common.sqlite import Database

MIGRATIONS: Final = [
    """
    CREATE TABLE pending_uploads (
        attachment_id INTEGER PRIMARY KEY,
        key TEXT NOT NULL
    );
    """
    + INBOX_DDL
]


class PendingUploads:
    """Blob keys by the ids of the attachments that they are to become."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, attachment_id: int, key: str) -> None:
        """Returns when it is durable: before the first byte of the blob is written."""

        def insert(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT INTO pending_uploads (attachment_id, key) VALUES (?, ?)", (attachment_id, key))

        await self._database.write(insert)

    async def remove(self, attachment_ids: Collection[int]) -> None:
        rows = [(attachment_id,) for attachment_id in attachment_ids]

        def delete(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM pending_uploads WHERE attachment_id = ?", rows)

        await self._database.write(delete)

    async def list(self) -> dict[int, str]:
        def select(connection: sqlite3.Connection) -> Iterable[tuple[int, str]]:
            return connection.execute("SELECT attachment_id, key FROM pending_uploads").fetchall()

        return dict(await self._database.read(select))
