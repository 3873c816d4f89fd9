"""The embedded store of groups, in `users.db`."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from services.common.outbox import OutboxRecord, append
from services.common.sqlite import Database
from services.users.domain.private_channel import Group
from services.users.store.social_ports import Conflict, LoadedGroup

GROUPS_DDL: Final = """
    CREATE TABLE channel_groups (
        id INTEGER PRIMARY KEY,
        owner_id INTEGER NOT NULL REFERENCES users (id),
        name TEXT NOT NULL,
        icon TEXT NOT NULL,
        version INTEGER NOT NULL,
        record_id INTEGER NOT NULL,
        creator_id INTEGER NOT NULL REFERENCES users (id),
        idempotency_key TEXT
    ) STRICT;
    CREATE UNIQUE INDEX channel_groups_founded_once ON channel_groups (creator_id, idempotency_key)
        WHERE idempotency_key IS NOT NULL;

    CREATE TABLE participants (
        group_id INTEGER NOT NULL REFERENCES channel_groups (id),
        user_id INTEGER NOT NULL REFERENCES users (id),
        place INTEGER NOT NULL,
        PRIMARY KEY (group_id, user_id)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX participants_by_user ON participants (user_id);
"""

_SELECT: Final = (
    "SELECT g.id, g.owner_id, g.name, g.icon, g.version,"
    " (SELECT group_concat(user_id) FROM (SELECT user_id FROM participants p WHERE p.group_id = g.id ORDER BY place)),"
    " iif(EXISTS (SELECT 1 FROM outbox WHERE outbox.id = g.record_id), g.record_id, 0)"
    " FROM channel_groups g"
)

_Row = tuple[int, int, str, str, int, str, int]


def _loaded(row: _Row) -> LoadedGroup:
    group_id, owner_id, name, icon, version, participants, pending = row
    participant_ids = tuple(map(int, participants.split(",")))
    return LoadedGroup(Group(group_id, owner_id, participant_ids, name, icon, version), pending)


class SqliteGroupStore:
    """See `GroupStore`. `committed` gets each record after its commit, in the order of the commits."""

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def group(self, group_id: int) -> LoadedGroup | None:
        return await self._one("g.id = ?", (group_id,))

    async def groups_of(self, user_id: int) -> list[Group]:
        query = f"{_SELECT} WHERE g.id IN (SELECT group_id FROM participants WHERE user_id = ?) ORDER BY g.id"
        rows = await self._db.read(lambda conn: conn.execute(query, (user_id,)).fetchall())
        return [_loaded(row).group for row in rows]

    async def group_founded_by(self, creator_id: int, idempotency_key: str) -> LoadedGroup | None:
        return await self._one("g.creator_id = ? AND g.idempotency_key = ?", (creator_id, idempotency_key))

    async def commit_group(self, after: Group, record: OutboxRecord, *, idempotency_key: str = "") -> None:
        def change(conn: sqlite3.Connection) -> OutboxRecord:
            if after.version == 1:
                _insert(conn, after, record.id, idempotency_key)
            else:
                _update(conn, after, record.id)
            append(conn, record)
            return record

        await self._db.write(change, on_commit=self._committed)

    async def _one(self, condition: str, values: tuple[int | str, ...]) -> LoadedGroup | None:
        found = await self._db.read(lambda conn: select(conn, condition, values))
        return found[0] if found else None


def select(conn: sqlite3.Connection, condition: str, values: Sequence[object]) -> list[LoadedGroup]:
    """Those that meet a condition in SQL (`g` is the group), which may end in an order and a limit."""
    return [_loaded(row) for row in conn.execute(f"{_SELECT} WHERE {condition}", values)]


def _insert(conn: sqlite3.Connection, group: Group, record_id: int, idempotency_key: str) -> None:
    inserted = conn.execute(
        "INSERT INTO channel_groups (id, owner_id, name, icon, version, record_id, creator_id, idempotency_key)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        (
            group.id,
            group.owner_id,
            group.name,
            group.icon,
            group.version,
            record_id,
            group.owner_id,
            idempotency_key or None,
        ),
    )
    if inserted.rowcount != 1:
        raise Conflict
    _write_participants(conn, group)


def _update(conn: sqlite3.Connection, group: Group, record_id: int) -> None:
    updated = conn.execute(
        "UPDATE channel_groups SET owner_id = ?, name = ?, icon = ?, version = ?, record_id = ?"
        " WHERE id = ? AND version = ? - 1",
        (group.owner_id, group.name, group.icon, group.version, record_id, group.id, group.version),
    )
    if updated.rowcount != 1:
        raise Conflict
    conn.execute("DELETE FROM participants WHERE group_id = ?", (group.id,))
    _write_participants(conn, group)
    if not group.participant_ids:
        conn.execute("DELETE FROM channel_groups WHERE id = ?", (group.id,))


def _write_participants(conn: sqlite3.Connection, group: Group) -> None:
    conn.executemany(
        "INSERT INTO participants (group_id, user_id, place) VALUES (?, ?, ?)",
        [(group.id, user_id, place) for place, user_id in enumerate(group.participant_ids)],
    )
