"""Sessions in `gateway.db`. `synchronous=NORMAL`: why that is enough is said in `ports`."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from services.common.sqlite import Database
from services.gateway.store.ports import StoredSession, StoredView, ViewChange

_MIGRATIONS: Final = (
    """
    CREATE TABLE sessions (
        place INTEGER PRIMARY KEY,
        session_id TEXT NOT NULL UNIQUE,
        auth_session_id TEXT NOT NULL,
        session BLOB NOT NULL
    ) STRICT;
    CREATE TABLE views (
        session_id TEXT NOT NULL REFERENCES sessions (session_id) ON DELETE CASCADE,
        server_id INTEGER NOT NULL,
        view BLOB NOT NULL,
        PRIMARY KEY (session_id, server_id)
    ) STRICT, WITHOUT ROWID;
    """,
)

_encode: Final = msgspec.msgpack.Encoder().encode
_decode_session: Final = msgspec.msgpack.Decoder(StoredSession).decode
_decode_view: Final = msgspec.msgpack.Decoder(StoredView).decode


class SqliteSessionStore:
    """Implements `services.gateway.store.ports.SessionStore`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    async def open(cls, path: Path) -> Self:
        return cls(await Database.open(path, _MIGRATIONS, synchronous="NORMAL", readers=1))

    async def save(self, session: StoredSession, views: Mapping[int, StoredView]) -> None:
        encoded = [(session.session_id, server_id, _encode(view)) for server_id, view in views.items()]

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO sessions (session_id, auth_session_id, session) VALUES (?, ?, ?)"
                " ON CONFLICT (session_id) DO UPDATE"
                " SET auth_session_id = excluded.auth_session_id, session = excluded.session",
                (session.session_id, session.auth_session_id, _encode(session)),
            )
            connection.execute("DELETE FROM views WHERE session_id = ?", (session.session_id,))
            connection.executemany("INSERT INTO views VALUES (?, ?, ?)", encoded)

        await self._database.write(write)

    async def update(self, session: StoredSession) -> None:
        row = (session.auth_session_id, _encode(session), session.session_id)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("UPDATE sessions SET auth_session_id = ?, session = ? WHERE session_id = ?", row)

        await self._database.write(write)

    async def save_views(self, changes: Sequence[ViewChange]) -> None:
        # Members with the same roles share their view, and its bytes are made once.
        encoded = {id(change.view): _encode(change.view) for change in changes}
        rows = [(change.session_id, change.server_id, encoded[id(change.view)]) for change in changes]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany(
                "INSERT OR REPLACE INTO views SELECT session_id, ?2, ?3 FROM sessions WHERE session_id = ?1", rows
            )

        await self._database.write(write)

    async def forget(self, session_ids: Collection[str]) -> None:
        rows = [(session_id,) for session_id in session_ids]

        def write(connection: sqlite3.Connection) -> None:
            connection.executemany("DELETE FROM sessions WHERE session_id = ?", rows)

        await self._database.write(write)

    async def clear(self) -> None:
        await self._database.write(lambda connection: connection.execute("DELETE FROM sessions"))

    async def load(self) -> list[tuple[StoredSession, dict[int, StoredView]]]:
        def read(connection: sqlite3.Connection) -> list[tuple[StoredSession, dict[int, StoredView]]]:
            views: dict[str, dict[int, StoredView]] = {}
            for session_id, server_id, view in connection.execute("SELECT session_id, server_id, view FROM views"):
                views.setdefault(session_id, {})[server_id] = _decode_view(view)
            rows = connection.execute("SELECT session FROM sessions ORDER BY place")
            sessions = [_decode_session(row) for (row,) in rows]
            return [(session, views.get(session.session_id, {})) for session in sessions]

        return await self._database.read(read)

    async def close(self) -> None:
        await self._database.close()
