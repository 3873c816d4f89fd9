"""Read states in SQLite: one row for each reader and channel; mentions are counted when somebody asks."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Final

from services.common import limits
from services.common.outbox import OutboxRecord, append
from services.common.sqlite import Database
from services.messages.domain.read_state import ReadState, Scope
from services.messages.store.sqlite.rows import as_json

_READ_UP_TO: Final = """
    INSERT INTO read_states (channel_id, user_id, message_id, version) VALUES (?, ?, ?, 1)
    ON CONFLICT DO UPDATE SET message_id = excluded.message_id, version = version + 1
"""
_FORGET: Final = """
    DELETE FROM read_states WHERE (channel_id, user_id) IN
        (SELECT channel_id, user_id FROM read_states WHERE user_id = ? LIMIT ?)
"""
_LAST: Final = "SELECT coalesce(max(id), 0) FROM messages WHERE channel_id = ?"
_STATES: Final = """
    SELECT value, coalesce(mine.message_id, 0), coalesce(mine.version, 0),
        coalesce((SELECT max(id) FROM messages WHERE channel_id = value), 0)
    FROM json_each(?) LEFT JOIN read_states AS mine ON mine.channel_id = value AND mine.user_id = ?
"""
# Each target's mentions are one range; a message may mention somebody in several ways.
_MENTIONS: Final = f"""
    SELECT count(*) FROM (
        SELECT DISTINCT message_id FROM mention_targets
        WHERE channel_id = ? AND target_id IN (SELECT value FROM json_each(?)) AND message_id > ?
        LIMIT {limits.MENTIONS_COUNTED}
    )
"""


class SqliteReadStateStore:
    """Implements `ReadStateStore`. `committed` is told of every record, in order."""

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def acknowledge(
        self,
        user_id: int,
        channel_id: int,
        message_id: int,
        target_ids: Sequence[int],
        tell: Callable[[ReadState], OutboxRecord],
    ) -> ReadState:
        targets = as_json(target_ids)

        def write(conn: sqlite3.Connection) -> tuple[ReadState, OutboxRecord]:
            (last,) = conn.execute(_LAST, (channel_id,)).fetchone()
            read = min(message_id, last)
            version = _acknowledge(conn, channel_id, user_id, read)
            state = ReadState(channel_id, read, last, _mentions(conn, channel_id, targets, read), version)
            record = tell(state)
            append(conn, record)
            return state, record

        state, _ = await self._db.write(write, on_commit=lambda written: self._committed(written[1]))
        return state

    async def forget_user(self, user_id: int, *, limit: int) -> int:
        return await self._db.write(lambda conn: conn.execute(_FORGET, (user_id, limit)).rowcount)

    async def states(self, user_id: int, scopes: Sequence[Scope]) -> list[ReadState]:
        def read(conn: sqlite3.Connection) -> list[ReadState]:
            return [state for scope in scopes for state in _states(conn, user_id, scope)]

        return await self._db.read(read)


def read_up_to(conn: sqlite3.Connection, channel_id: int, user_id: int, message_id: int) -> None:
    """To be called in the transaction of a send: who writes has read what was written before."""
    conn.execute(_READ_UP_TO, (channel_id, user_id, message_id))


def _acknowledge(conn: sqlite3.Connection, channel_id: int, user_id: int, message_id: int) -> int:
    """Returns the version that this makes."""
    (version,) = conn.execute(f"{_READ_UP_TO} RETURNING version", (channel_id, user_id, message_id)).fetchone()
    return int(version)


def _states(conn: sqlite3.Connection, user_id: int, scope: Scope) -> list[ReadState]:
    targets = as_json(scope.target_ids)
    states: list[ReadState] = []
    for channel_id, acknowledged, version, last in conn.execute(_STATES, (as_json(scope.channel_ids), user_id)):
        read = max(acknowledged, min(scope.since_id, last))
        if read or last:
            unread = _mentions(conn, channel_id, targets, read) if last > read else 0
            states.append(ReadState(channel_id, read, last, unread, version))
    return states


def _mentions(conn: sqlite3.Connection, channel_id: int, targets: str, read: int) -> int:
    (count,) = conn.execute(_MENTIONS, (channel_id, targets, read)).fetchone()
    return int(count)
