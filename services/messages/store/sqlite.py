"""Messages in SQLite: clustered by channel and id, so that a page is one range of the tree at any depth."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from services.common.limits import NONCE_LIFETIME
from services.common.outbox import OUTBOX_DDL, OutboxRecord, append
from services.common.snowflake import at_ms
from services.common.sqlite import Database
from services.messages.domain.errors import TooManyPins, UnknownMessage
from services.messages.domain.history import Window
from services.messages.domain.mentions import NOBODY, Mentions
from services.messages.domain.message import Message, MessageType
from services.messages.domain.search import Search
from services.messages.store import sqlite_search
from services.messages.store.ports import Found, IdTooLow
from services.messages.store.sqlite_search import SEARCH_DDL, note, note_many

MIGRATIONS: Final = (
    OUTBOX_DDL
    + """
    CREATE TABLE messages (
        channel_id INTEGER NOT NULL,
        id INTEGER NOT NULL,
        server_id INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        type INTEGER NOT NULL,
        content TEXT NOT NULL,
        embeds BLOB,
        flags INTEGER NOT NULL,
        tts INTEGER NOT NULL,
        mentions BLOB,
        reference_id INTEGER NOT NULL,
        edited_at_ms INTEGER NOT NULL,
        pinned_at_ms INTEGER NOT NULL,
        revision INTEGER NOT NULL,
        PRIMARY KEY (channel_id, id)
    ) WITHOUT ROWID;
    CREATE INDEX pins ON messages (channel_id, pinned_at_ms) WHERE pinned_at_ms > 0;

    CREATE TABLE nonces (
        channel_id INTEGER NOT NULL,
        author_id INTEGER NOT NULL,
        nonce TEXT NOT NULL,
        message_id INTEGER NOT NULL,
        PRIMARY KEY (channel_id, author_id, nonce)
    ) WITHOUT ROWID;
    -- A message id begins with its time: the index by age.
    CREATE INDEX nonces_by_age ON nonces (message_id);
    """,
    SEARCH_DDL,
)

_COLUMNS: Final = (
    "channel_id, id, server_id, author_id, type, content, embeds, flags, tts, mentions, reference_id, "
    "edited_at_ms, pinned_at_ms, revision"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM messages WHERE channel_id = ?"

# Nothing is inserted when the channel already has this id or a higher one: ids rise in the order of the commits.
_INSERT: Final = f"""
    INSERT INTO messages ({_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14
    WHERE NOT EXISTS (SELECT 1 FROM messages WHERE channel_id = ?1 AND id >= ?2)
"""
_UPDATE: Final = """
    UPDATE messages SET content = ?, embeds = ?, flags = ?, mentions = ?, edited_at_ms = ?, pinned_at_ms = ?,
        revision = ?
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
_OLDER: Final = f"{_SELECT} AND id < ? ORDER BY id DESC LIMIT ?"
_NEWER: Final = f"{_SELECT} AND id >= ? ORDER BY id LIMIT ?"
# The condition on 0 is what lets SQLite use the partial index.
_PINS: Final = f"{_SELECT} AND pinned_at_ms > 0 AND pinned_at_ms < ? ORDER BY pinned_at_ms DESC, id DESC LIMIT ?"
_COUNT_PINS: Final = "SELECT count(*) FROM messages WHERE channel_id = ? AND pinned_at_ms > 0"
_IN_IDS: Final = "id IN (SELECT value FROM json_each(?))"

# Changes that a search indexes by one write: senders wait behind each.
_INDEXED_AT_ONCE: Final = 128

_encode: Final = msgspec.json.Encoder().encode
_decode_mentions: Final = msgspec.json.Decoder(Mentions).decode


class SqliteMessageStore:
    """Implements `MessageStore` and `IndexesLater` of `services.messages.store.ports`.

    `committed` is told of every record, in order.
    """

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def insert(self, message: Message, record: OutboxRecord, *, nonce: str = "") -> Message:
        def write(conn: sqlite3.Connection) -> Message:
            if nonce:
                first = _claim(conn, message, nonce)
                if first is not None:
                    return first
            _insert(conn, message)
            append(conn, record)
            return message

        def committed(stored: Message) -> None:
            if stored is message:
                self._committed(record)

        return await self._db.write(write, on_commit=committed)

    async def find_by_nonce(self, channel_id: int, author_id: int, nonce: str) -> Message | None:
        def read(conn: sqlite3.Connection) -> Message | None:
            found = conn.execute(_BY_NONCE, (channel_id, author_id, nonce)).fetchone()
            return _get(conn, channel_id, found[0]) if found else None

        return await self._db.read(read)

    async def get(self, channel_id: int, message_id: int) -> Message | None:
        return await self._db.read(lambda conn: _get(conn, channel_id, message_id))

    async def get_many(self, channel_id: int, message_ids: Collection[int]) -> dict[int, Message]:
        ids = _encode(list(message_ids)).decode()
        rows = await self._db.read(lambda conn: conn.execute(f"{_SELECT} AND {_IN_IDS}", (channel_id, ids)).fetchall())
        return {message.id: message for message in map(_message, rows)}

    async def page(self, channel_id: int, window: Window) -> list[Message]:
        def read(conn: sqlite3.Connection) -> list[Sequence[Any]]:
            newer = conn.execute(_NEWER, (channel_id, window.pivot, window.newer)).fetchall() if window.newer else []
            older = conn.execute(_OLDER, (channel_id, window.pivot, window.older)).fetchall() if window.older else []
            return [*reversed(newer), *older]

        return [_message(row) for row in await self._db.read(read)]

    async def replace(self, message: Message, record: OutboxRecord) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            if not _replace(conn, message):
                return False
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def pin(self, message: Message, notice: Message, record: OutboxRecord, *, most: int) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            if not _replace(conn, message):
                return False
            (pins,) = conn.execute(_COUNT_PINS, (message.channel_id,)).fetchone()
            if pins > most:
                raise TooManyPins
            _insert(conn, notice)
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def pins(self, channel_id: int, *, before_ms: int, limit: int) -> list[Message]:
        rows = await self._db.read(lambda conn: conn.execute(_PINS, (channel_id, before_ms, limit)).fetchall())
        return [_message(row) for row in rows]

    async def delete(self, channel_id: int, message_ids: Collection[int], record: OutboxRecord) -> bool:
        ids = _encode(list(message_ids)).decode()

        def write(conn: sqlite3.Connection) -> bool:
            if not conn.execute(f"DELETE FROM messages WHERE channel_id = ? AND {_IN_IDS}", (channel_id, ids)).rowcount:
                return False
            note_many(conn, channel_id, message_ids)
            append(conn, record)
            return True

        return await self._write_once(write, record)

    async def search(self, search: Search) -> Found:
        # Up to what is noted now, and not until nothing is: others go on writing.
        last = await self._db.read(sqlite_search.last_note)
        while last:
            reached = await self.index(limit=_INDEXED_AT_ONCE)
            if not reached or reached >= last:
                break

        def read(conn: sqlite3.Connection) -> Found:
            total, page = sqlite_search.find(conn, search)
            # One of them may have been deleted since it was indexed.
            return Found(total, [found for key in page if (found := _get(conn, *key)) is not None])

        return await self._db.read(read)

    async def index(self, *, limit: int) -> int:
        return await self._db.write(lambda conn: sqlite_search.index(conn, limit))

    async def forget_nonces(self, *, before: int, limit: int) -> int:
        return await self._db.write(lambda conn: conn.execute(_FORGET_NONCES, (before, limit)).rowcount)

    async def _write_once(self, write: Callable[[sqlite3.Connection], bool], record: OutboxRecord) -> bool:
        return await self._db.write(write, on_commit=lambda written: self._committed(record) if written else None)


def _claim(conn: sqlite3.Connection, message: Message, nonce: str) -> Message | None:
    """Take the nonce for the message; or return the one that had it first."""
    key = (message.channel_id, message.author_id, nonce)
    expired = at_ms(message.created_at_ms - NONCE_LIFETIME * 1000)
    if conn.execute(_CLAIM, (*key, message.id, expired)).rowcount:
        return None
    (first_id,) = conn.execute(_BY_NONCE, key).fetchone()
    first = _get(conn, message.channel_id, first_id)
    if first is None:
        raise UnknownMessage
    return first


def _insert(conn: sqlite3.Connection, message: Message) -> None:
    row = (
        message.channel_id,
        message.id,
        message.server_id,
        message.author_id,
        message.type,
        message.content,
        message.embeds or None,
        message.flags,
        message.tts,
        _mentions(message),
        message.reference_id,
        message.edited_at_ms,
        message.pinned_at_ms,
        message.revision,
    )
    if not conn.execute(_INSERT, row).rowcount:
        (highest,) = conn.execute("SELECT max(id) FROM messages WHERE channel_id = ?", row[:1]).fetchone()
        raise IdTooLow(highest)
    if message.content:
        note(conn, message.channel_id, message.id)


def _replace(conn: sqlite3.Connection, message: Message) -> bool:
    row = (
        message.content,
        message.embeds or None,
        message.flags,
        _mentions(message),
        message.edited_at_ms,
        message.pinned_at_ms,
        message.revision,
        message.channel_id,
        message.id,
        message.revision - 1,
    )
    if not conn.execute(_UPDATE, row).rowcount:
        return False
    note(conn, message.channel_id, message.id)
    return True


def _get(conn: sqlite3.Connection, channel_id: int, message_id: int) -> Message | None:
    row = conn.execute(f"{_SELECT} AND id = ?", (channel_id, message_id)).fetchone()
    return _message(row) if row else None


def _mentions(message: Message) -> bytes | None:
    return None if message.mentions == NOBODY else _encode(message.mentions)


def _message(row: Sequence[Any]) -> Message:
    (channel_id, message_id, server_id, author_id, type_, content, embeds, flags, tts, mentions, *rest) = row
    reference_id, edited_at_ms, pinned_at_ms, revision = rest
    return Message(
        id=message_id,
        channel_id=channel_id,
        server_id=server_id,
        author_id=author_id,
        type=MessageType(type_),
        content=content,
        embeds=embeds or b"",
        flags=flags,
        tts=bool(tts),
        mentions=_decode_mentions(mentions) if mentions else NOBODY,
        reference_id=reference_id,
        edited_at_ms=edited_at_ms,
        pinned_at_ms=pinned_at_ms,
        revision=revision,
    )
