"""Reactions in SQLite: who reacted, and beside it how many, so that a page of messages reads no users."""

import sqlite3
from collections.abc import Callable, Collection
from typing import Final

from services.common import limits
from services.common.outbox import OutboxRecord, append
from services.common.sqlite import Database
from services.messages.domain.errors import TooManyReactions, UnknownMessage
from services.messages.domain.reaction import Reaction
from services.messages.store.ports import FirstOfItsEmoji
from services.messages.store.sqlite.rows import as_json

_KEY: Final = "channel_id = ? AND message_id = ?"
_IS_THERE: Final = "SELECT 1 FROM messages WHERE channel_id = ? AND id = ?"
_ADD: Final = "INSERT OR IGNORE INTO reactions (channel_id, message_id, emoji, user_id) VALUES (?, ?, ?, ?)"
_REMOVE: Final = f"DELETE FROM reactions WHERE {_KEY} AND emoji = ? AND user_id = ?"
_COUNT: Final = f"UPDATE reaction_counts SET count = count + ? WHERE {_KEY} AND emoji = ?"
_EMOJIS: Final = f"SELECT count(*), coalesce(max(place), 0) FROM reaction_counts WHERE {_KEY}"
_BEGIN: Final = "INSERT INTO reaction_counts (channel_id, message_id, place, emoji, count) VALUES (?, ?, ?, ?, 1)"
_END: Final = f"DELETE FROM reaction_counts WHERE {_KEY} AND count = 0"
_USERS: Final = f"SELECT user_id FROM reactions WHERE {_KEY} AND emoji = ? AND user_id > ? ORDER BY user_id LIMIT ?"
_UNDER: Final = """
    SELECT message_id, emoji, count, EXISTS (
        SELECT 1 FROM reactions AS one WHERE one.channel_id = counts.channel_id AND one.message_id = counts.message_id
            AND one.emoji = counts.emoji AND one.user_id = ?
    )
    FROM reaction_counts AS counts
    WHERE channel_id = ? AND message_id IN (SELECT value FROM json_each(?)) ORDER BY message_id, place
"""


class SqliteReactionStore:
    """Implements `ReactionStore`. `committed` is told of every record, in order."""

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def add(
        self, channel_id: int, message_id: int, user_id: int, emoji: str, record: OutboxRecord, *, may_begin: bool
    ) -> bool:
        key = (channel_id, message_id)

        def write(conn: sqlite3.Connection) -> bool:
            if conn.execute(_IS_THERE, key).fetchone() is None:
                raise UnknownMessage
            if not conn.execute(_ADD, (*key, emoji, user_id)).rowcount:
                return False
            if not conn.execute(_COUNT, (1, *key, emoji)).rowcount:
                if not may_begin:
                    raise FirstOfItsEmoji
                emojis, last = conn.execute(_EMOJIS, key).fetchone()
                if emojis >= limits.REACTIONS_PER_MESSAGE:
                    raise TooManyReactions
                conn.execute(_BEGIN, (*key, last + 1, emoji))
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def remove(self, channel_id: int, message_id: int, user_id: int, emoji: str, record: OutboxRecord) -> bool:
        key = (channel_id, message_id)

        def write(conn: sqlite3.Connection) -> bool:
            if not conn.execute(_REMOVE, (*key, emoji, user_id)).rowcount:
                return False
            conn.execute(_COUNT, (-1, *key, emoji))
            conn.execute(_END, key)
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def clear(self, channel_id: int, message_id: int, emoji: str, record: OutboxRecord) -> bool:
        matching, asked = (f"{_KEY} AND emoji = ?", (emoji,)) if emoji else (_KEY, ())
        key = (channel_id, message_id, *asked)

        def write(conn: sqlite3.Connection) -> bool:
            if not conn.execute(f"DELETE FROM reaction_counts WHERE {matching}", key).rowcount:
                return False
            conn.execute(f"DELETE FROM reactions WHERE {matching}", key)
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def users(self, channel_id: int, message_id: int, emoji: str, *, after: int, limit: int) -> list[int]:
        asked = (channel_id, message_id, emoji, after, limit)
        found = await self._db.read(lambda conn: conn.execute(_USERS, asked).fetchall())
        return [user_id for (user_id,) in found]

    async def under(
        self, channel_id: int, message_ids: Collection[int], *, reader_id: int
    ) -> dict[int, tuple[Reaction, ...]]:
        asked = (reader_id, channel_id, as_json(message_ids))
        under: dict[int, tuple[Reaction, ...]] = {}
        for message_id, emoji, count, me in await self._db.read(lambda conn: conn.execute(_UNDER, asked).fetchall()):
            under[message_id] = (*under.get(message_id, ()), Reaction(emoji, count, bool(me)))
        return under

    async def _write_once(self, write: Callable[[sqlite3.Connection], bool], record: OutboxRecord) -> bool:
        return await self._db.write(write, on_commit=lambda written: self._committed(record) if written else None)
