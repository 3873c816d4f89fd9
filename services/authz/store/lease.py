"""The lease in a small SQLite file that all processes of one machine share.

Not synced: a machine without power has lost all its processes, and nobody is left who could remember a fence number
that the file forgot. Nobody holds its lock for longer than a row takes; but whoever is stopped exactly then keeps all
others from it until it goes on or is killed. They fail closed.
"""

import sqlite3
from pathlib import Path
from typing import Final, Self

from services.authz.domain.lease import Lease
from services.common.sqlite import Database

# Two processes may come to an empty directory at the same time: each statement can be repeated.
MIGRATIONS: Final = (
    """
    CREATE TABLE IF NOT EXISTS lease (
        singleton INTEGER PRIMARY KEY CHECK (singleton = 0),
        fence INTEGER NOT NULL, beat INTEGER NOT NULL,
        holder TEXT NOT NULL, address TEXT NOT NULL,
        released INTEGER NOT NULL, quiet_ms INTEGER NOT NULL
    );
    INSERT OR IGNORE INTO lease VALUES (0, 0, 0, '', '', 1, 0);
    """,
)


class SqliteLeases:
    """The adapter of `Leases` for one machine."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> Self:
        return cls(await Database.open(path, MIGRATIONS, synchronous="NORMAL", readers=1))

    async def close(self) -> None:
        await self._database.close()

    async def read(self) -> Lease:
        return await self._database.read(_read)

    async def swap(self, expected: Lease, lease: Lease) -> bool:
        def swap(connection: sqlite3.Connection) -> bool:
            changed = connection.execute(
                "UPDATE lease SET fence = ?, beat = ?, holder = ?, address = ?, released = ?, quiet_ms = ?"
                " WHERE fence = ? AND beat = ?",
                (
                    lease.fence,
                    lease.beat,
                    lease.holder,
                    lease.address,
                    lease.released,
                    lease.quiet_ms,
                    expected.fence,
                    expected.beat,
                ),
            )
            return changed.rowcount == 1

        return await self._database.write(swap)


def _read(connection: sqlite3.Connection) -> Lease:
    fence, beat, holder, address, released, quiet_ms = connection.execute(
        "SELECT fence, beat, holder, address, released, quiet_ms FROM lease"
    ).fetchone()
    return Lease(fence, beat, holder, address, bool(released), quiet_ms)
