"""Messages in SQLite: clustered by channel and id, so that a page is one range of the tree at any depth."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

from services.common.limits import NONCE_LIFETIME
from services.common.outbox import OutboxRecord, append
from services.common.snowflake import at_ms
from services.common.sqlite import Database
from services.messages.domain import mentions, pace
from services.messages.domain.errors import TooManyPins, UnknownMessage
from services.messages.domain.history import Window
from services.messages.domain.message import Message
from services.messages.domain.search import Search
from services.messages.store.ports import Found, IdTooLow
from services.messages.store.sqlite import rows, search
from services.messages.store.sqlite.read_states import read_up_to
from services.messages.store.sqlite.rows import COLUMNS, SELECT, as_json, find

# Nothing is inserted when the channel already has this id or a higher one: ids rise in the order of the commits.
_INSERT: Final = f"""
    INSERT INTO messages ({COLUMNS})
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
    WHERE NOT EXISTS (SELECT 1 FROM messages WHERE channel_id = ?1 AND id >= ?2)
"""
_UPDATE: Final = """
    UPDATE messages SET content = ?, embeds = ?, flags = ?, mentions = ?, edited_at_ms = ?, pinned_at_ms = ?,
        attachments = ?, revision = ?
    WHERE channel_id = ? AND id = ? AND revision = ?
"""
# Takes the nonce if it is free, or if the message that had it is too old to count.
_CLAIM: Final = """
    INSERT INTO nonces (channel_id, author_id, nonce, message_id) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET message_id = excluded.message_id WHERE message_id < ?
"""
_BY_NONCE: Final = "SELECT message_id FROM nonces WHERE channel_id = ? AND author_id = ? AND nonce = ?"
_FORGET_NONCES: Final = """
    DELETE FROM nonces WHERE message_id IN (
        SELECT message_id FROM nonces WHERE message_id < ? ORDER BY message_id LIMIT ?
    )
"""
_LAST_PACE: Final = "SELECT message_id FROM paces WHERE channel_id = ? AND user_id = ?"
_SET_PACE: Final = "INSERT OR REPLACE INTO paces (channel_id, user_id, message_id) VALUES (?, ?, ?)"
_ADD_TARGETS: Final = """
    INSERT OR IGNORE INTO mention_targets (channel_id, target_id, message_id) SELECT ?, value, ? FROM json_each(?)
"""
_ADD_ATTACHMENTS: Final = """
    INSERT OR REPLACE INTO attachments (id, channel_id, message_id) SELECT value, ?, ? FROM json_each(?)
"""
# What is kept beside a message and goes with it.
_WITH_MESSAGES: Final = ("reactions", "reaction_counts", "mention_targets", "attachments")
_OF_READERS: Final = ("read_states", "paces")

_OLDER: Final = f"{SELECT} AND id < ? ORDER BY id DESC LIMIT ?"
_NEWER: Final = f"{SELECT} AND id >= ? ORDER BY id LIMIT ?"
# The condition on 0 is what lets SQLite use the partial index.
_PINS: Final = f"{SELECT} AND pinned_at_ms > 0 AND pinned_at_ms < ? ORDER BY pinned_at_ms DESC, id DESC LIMIT ?"
_COUNT_PINS: Final = "SELECT count(*) FROM messages WHERE channel_id = ? AND pinned_at_ms > 0"
_IN_IDS: Final = "id IN (SELECT value FROM json_each(?))"
_LAST_IDS: Final = """
    SELECT value, (SELECT max(id) FROM messages WHERE channel_id = value) AS last FROM json_each(?)
    WHERE last IS NOT NULL
"""
_ATTACHED: Final = f"SELECT id FROM attachments WHERE {_IN_IDS}"

# Changes that a search indexes by one write: senders wait behind each.
_INDEXED_AT_ONCE: Final = 128


class SqliteMessageStore:
    """Implements `MessageStore` and `IndexesLater` of `services.messages.store.ports`.

    `committed` is told of every record, in order.
    """

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def insert(
        self, message: Message, record: OutboxRecord, *, nonce: str = "", interval_ms: int = 0, reads: bool = False
    ) -> Message:
        def write(conn: sqlite3.Connection) -> Message:
            if nonce:
                first = _claim(conn, message, nonce)
                if first is not None:
                    return first
            if interval_ms:
                _keep_pace(conn, message, interval_ms)
            _insert(conn, message)
            if reads:
                read_up_to(conn, message.channel_id, message.author_id, message.id)
            append(conn, record)
            return message

        def committed(stored: Message) -> None:
            if stored is message:
                self._committed(record)

        return await self._db.write(write, on_commit=committed)

    async def find_by_nonce(self, channel_id: int, author_id: int, nonce: str) -> Message | None:
        def read(conn: sqlite3.Connection) -> Message | None:
            found = conn.execute(_BY_NONCE, (channel_id, author_id, nonce)).fetchone()
            return find(conn, channel_id, found[0]) if found else None

        return await self._db.read(read)

    async def get(self, channel_id: int, message_id: int) -> Message | None:
        return await self._db.read(lambda conn: find(conn, channel_id, message_id))

    async def get_many(self, channel_id: int, message_ids: Collection[int]) -> dict[int, Message]:
        asked = (channel_id, as_json(message_ids))
        found = await self._db.read(lambda conn: conn.execute(f"{SELECT} AND {_IN_IDS}", asked).fetchall())
        return {message.id: message for message in map(rows.message, found)}

    async def page(self, channel_id: int, window: Window) -> list[Message]:
        def read(conn: sqlite3.Connection) -> list[Sequence[Any]]:
            newer = conn.execute(_NEWER, (channel_id, window.pivot, window.newer)).fetchall() if window.newer else []
            older = conn.execute(_OLDER, (channel_id, window.pivot, window.older)).fetchall() if window.older else []
            return [*reversed(newer), *older]

        return [rows.message(row) for row in await self._db.read(read)]

    async def last_ids(self, channel_ids: Collection[int]) -> dict[int, int]:
        asked = as_json(channel_ids)
        return dict(await self._db.read(lambda conn: conn.execute(_LAST_IDS, (asked,)).fetchall()))

    async def attached(self, attachment_ids: Collection[int]) -> set[int]:
        asked = as_json(attachment_ids)
        found = await self._db.read(lambda conn: conn.execute(_ATTACHED, (asked,)).fetchall())
        return {attachment_id for (attachment_id,) in found}

    async def replace(self, message: Message, record: OutboxRecord) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            if not _replace(conn, message):
                return False
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def pin(
        self, message: Message, notice: Message, record: OutboxRecord, *, most: int, reads: bool = False
    ) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            if not _replace(conn, message):
                return False
            (pins,) = conn.execute(_COUNT_PINS, (message.channel_id,)).fetchone()
            if pins > most:
                raise TooManyPins
            _insert(conn, notice)
            if reads:
                read_up_to(conn, notice.channel_id, notice.author_id, notice.id)
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def pins(self, channel_id: int, *, before_ms: int, limit: int) -> list[Message]:
        found = await self._db.read(lambda conn: conn.execute(_PINS, (channel_id, before_ms, limit)).fetchall())
        return [rows.message(row) for row in found]

    async def delete(self, channel_id: int, message_ids: Collection[int], record: OutboxRecord | None) -> bool:
        ids = as_json(message_ids)

        def write(conn: sqlite3.Connection) -> bool:
            if not conn.execute(f"DELETE FROM messages WHERE channel_id = ? AND {_IN_IDS}", (channel_id, ids)).rowcount:
                return False
            for table in _WITH_MESSAGES:
                _forget_with(conn, table, channel_id, ids)
            search.note_many(conn, channel_id, message_ids)
            if record is not None:
                append(conn, record)
            return True

        return await self._write_once(write, record)

    async def forget_readers(self, channel_id: int, *, limit: int) -> int:
        def write(conn: sqlite3.Connection) -> int:
            return sum(_forget_of_channel(conn, table, channel_id, limit) for table in _OF_READERS)

        return await self._db.write(write)

    async def search(self, asked: Search) -> Found:
        await self._index_what_is_noted()

        def read(conn: sqlite3.Connection) -> Found:
            total, page = search.find(conn, asked)
            # One of them may have been deleted since it was indexed.
            return Found(total, [found for key in page if (found := find(conn, *key)) is not None])

        return await self._db.read(read)

    async def written_by(self, author_id: int, *, server_id: int, since: int, limit: int) -> list[Message]:
        await self._index_what_is_noted()

        def read(conn: sqlite3.Connection) -> list[Message]:
            written: list[Message] = []
            for key in search.written_by(conn, author_id, since):
                found = find(conn, *key)
                if found is not None and found.server_id == server_id:
                    written.append(found)
                    if len(written) == limit:
                        break
            return written

        return await self._db.read(read)

    async def index(self, *, limit: int) -> int:
        return await self._db.write(lambda conn: search.index(conn, limit))

    async def forget_nonces(self, *, before: int, limit: int) -> int:
        return await self._db.write(lambda conn: conn.execute(_FORGET_NONCES, (before, limit)).rowcount)

    async def _index_what_is_noted(self) -> None:
        # Up to what is noted now, and not until nothing is: others go on writing.
        last = await self._db.read(search.last_note)
        while last:
            reached = await self.index(limit=_INDEXED_AT_ONCE)
            if not reached or reached >= last:
                break

    async def _write_once(self, write: Callable[[sqlite3.Connection], bool], record: OutboxRecord | None) -> bool:
        def committed(written: bool) -> None:
            if written and record is not None:
                self._committed(record)

        return await self._db.write(write, on_commit=committed)


def _claim(conn: sqlite3.Connection, message: Message, nonce: str) -> Message | None:
    """Take the nonce for the message; or return the one that had it first."""
    key = (message.channel_id, message.author_id, nonce)
    expired = at_ms(message.created_at_ms - NONCE_LIFETIME * 1000)
    if conn.execute(_CLAIM, (*key, message.id, expired)).rowcount:
        return None
    (first_id,) = conn.execute(_BY_NONCE, key).fetchone()
    first = find(conn, message.channel_id, first_id)
    if first is None:
        raise UnknownMessage
    return first


def _keep_pace(conn: sqlite3.Connection, message: Message, interval_ms: int) -> None:
    key = (message.channel_id, message.author_id)
    last = conn.execute(_LAST_PACE, key).fetchone()
    if last is not None:
        pace.check(last_id=last[0], now_ms=message.created_at_ms, interval_ms=interval_ms)
    conn.execute(_SET_PACE, (*key, message.id))


def _insert(conn: sqlite3.Connection, message: Message) -> None:
    row = rows.values(message)
    if not conn.execute(_INSERT, row).rowcount:
        (highest,) = conn.execute("SELECT max(id) FROM messages WHERE channel_id = ?", row[:1]).fetchone()
        raise IdTooLow(highest)
    _keep_beside(conn, message)
    if search.is_searchable(message):
        search.note(conn, message.channel_id, message.id)


def _replace(conn: sqlite3.Connection, message: Message) -> bool:
    key = (message.channel_id, message.id)
    row = (
        message.content,
        message.embeds or None,
        message.flags,
        rows.mentions(message),
        message.edited_at_ms,
        message.pinned_at_ms,
        rows.attachments(message),
        message.revision,
        *key,
        message.revision - 1,
    )
    if not conn.execute(_UPDATE, row).rowcount:
        return False
    for table in ("mention_targets", "attachments"):
        conn.execute(f"DELETE FROM {table} WHERE channel_id = ? AND message_id = ?", key)
    _keep_beside(conn, message)
    search.note(conn, *key)
    return True


def _keep_beside(conn: sqlite3.Connection, message: Message) -> None:
    key = (message.channel_id, message.id)
    if targets := mentions.targets(message.mentions, message.server_id):
        conn.execute(_ADD_TARGETS, (*key, as_json(targets)))
    if message.attachments:
        conn.execute(_ADD_ATTACHMENTS, (*key, as_json([attachment.id for attachment in message.attachments])))


def _forget_with(conn: sqlite3.Connection, table: str, channel_id: int, message_ids: str) -> None:
    conn.execute(
        f"DELETE FROM {table} WHERE channel_id = ? AND message_id IN (SELECT value FROM json_each(?))",
        (channel_id, message_ids),
    )


def _forget_of_channel(conn: sqlite3.Connection, table: str, channel_id: int, limit: int) -> int:
    return conn.execute(
        f"DELETE FROM {table} WHERE channel_id = ?1 AND user_id IN "
        f"(SELECT user_id FROM {table} WHERE channel_id = ?1 LIMIT ?2)",
        (channel_id, limit),
    ).rowcount
