"""Beep with a planted defect: the messages' store acknowledges a write and commits it a moment later.

Run as `python -m tests.faults.acknowledge_early up …`; the test of the kills must find it.
"""

import sqlite3
import time

from services.cli.__main__ import main
from services.common import sqlite
from services.common.sqlite import Database

UNCOMMITTED_SECONDS = 0.05


def _acknowledge_first(self: Database, connection: sqlite3.Connection) -> None:
    while batch := self._next_batch():
        if self._path.name != "messages.db":
            self._commit(connection, batch)
            self._post(self._settle_writes, batch)
            continue
        connection.execute("BEGIN IMMEDIATE")
        for job in batch:
            sqlite._run_in_savepoint(connection, job)
        self._post(self._settle_writes, batch)
        time.sleep(UNCOMMITTED_SECONDS)
        connection.execute("COMMIT")


if __name__ == "__main__":
    Database._serve_writes = _acknowledge_first  # type: ignore[method-assign]
    main()
