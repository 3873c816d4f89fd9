"""The full-text index beside the messages, in the same file.

Indexing in the write of a message would double what that costs. A write only notes which message it changed, in the
same transaction; later the notes are taken in their order, many at once, and the index gets what each message is by
then, or loses it. Doing that twice does no harm, and a crash leaves the notes.

FTS5 intersects terms much faster than it looks up rows, so a message's channel and author are terms too, in a column of
their own: a search never touches a match that is in somebody else's channel. A row's number is its message's id, so
the newest matches come first without sorting, and a search ends when its page is full.

https://www.sqlite.org/fts5.html
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from services.common import limits
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.message import Message, MessageType
from services.messages.domain.search import Has, Order, Search
from services.messages.store.sqlite.rows import as_json

_NOTE: Final = "INSERT INTO unindexed (channel_id, message_id) VALUES (?, ?)"
_NOTE_MANY: Final = "INSERT INTO unindexed (channel_id, message_id) SELECT ?, value FROM json_each(?)"
_LAST_NOTE: Final = "SELECT max(place) FROM unindexed"
_OLDEST_NOTES: Final = "SELECT count(*), max(place) FROM (SELECT place FROM unindexed ORDER BY place LIMIT ?)"
# What somebody said or showed; a notice of Beep's own is nobody's words.
_SEARCHABLE: Final = f"type <> {int(MessageType.PINNED)}"
_LEAVE: Final = f"""
    DELETE FROM search_index WHERE rowid IN (
        SELECT message_id FROM unindexed AS note WHERE place <= ? AND NOT EXISTS (
            SELECT 1 FROM messages WHERE channel_id = note.channel_id AND id = note.message_id AND {_SEARCHABLE}
        )
    )
"""
# Everything that a search may ask for beside words is a term as well. A thread's messages are its channel's too.
_SCOPE: Final = """
    'c' || channel_id || ' a' || author_id
    || iif(parent_id, ' c' || parent_id, '')
    || iif(pinned_at_ms, ' pinned', '')
    || iif(embeds IS NULL, '', ' embed')
    || iif(content LIKE '%http://%' OR content LIKE '%https://%', ' link', '')
    || iif(attachments IS NULL, '', ' file' || iif(EXISTS (
        SELECT 1 FROM json_each(CAST(attachments AS TEXT)) WHERE value ->> 'content_type' LIKE 'image/%'
    ), ' image', ''))
    || iif(mentions IS NULL, '', coalesce((
        SELECT group_concat(' m' || value, '') FROM json_each(CAST(mentions AS TEXT), '$.user_ids')
    ), ''))
"""
_ENTER: Final = f"""
    INSERT OR REPLACE INTO search_index (rowid, content, scope, channel_id)
    SELECT id, content, {_SCOPE}, channel_id FROM messages
    WHERE (channel_id, id) IN (SELECT channel_id, message_id FROM unindexed WHERE place <= ?) AND {_SEARCHABLE}
"""
_TAKE_NOTES: Final = "DELETE FROM unindexed WHERE place <= ?"

_MATCHES: Final = "FROM search_index WHERE search_index MATCH ?1 AND rowid > ?2 AND rowid < ?3"
# The oldest of those that are counted bounds what is ranked.
_COUNT: Final = f"""
    SELECT count(*), min(rowid) FROM (SELECT rowid {_MATCHES} ORDER BY rowid DESC LIMIT {limits.SEARCH_TOTAL})
"""
_PAGES: Final = {
    Order.NEWEST: f"SELECT channel_id, rowid {_MATCHES} ORDER BY rowid DESC LIMIT ?4 OFFSET ?5",
    Order.OLDEST: f"SELECT channel_id, rowid {_MATCHES} ORDER BY rowid LIMIT ?4 OFFSET ?5",
    # Where a message stands says nothing of how well it matches.
    Order.RELEVANCE: f"""
        SELECT channel_id, rowid {_MATCHES} AND rank MATCH 'bm25(1.0, 0.0)' ORDER BY rank LIMIT ?4 OFFSET ?5
    """,
}

_WRITTEN_BY: Final = f"SELECT channel_id, rowid {_MATCHES} ORDER BY rowid"


def is_searchable(message: Message) -> bool:
    return message.type is not MessageType.PINNED


def note(conn: sqlite3.Connection, channel_id: int, message_id: int) -> None:
    """To be called in the transaction that adds or changes the message."""
    conn.execute(_NOTE, (channel_id, message_id))


def note_many(conn: sqlite3.Connection, channel_id: int, message_ids: Collection[int]) -> None:
    conn.execute(_NOTE_MANY, (channel_id, as_json(message_ids)))


def last_note(conn: sqlite3.Connection) -> int:
    """The place of the newest note; 0 when all are taken."""
    (place,) = conn.execute(_LAST_NOTE).fetchone()
    return place or 0


def index(conn: sqlite3.Connection, limit: int) -> int:
    """Take up to `limit` notes, the oldest first. Returns the place of the last one; 0 when none is left behind it."""
    count, last = conn.execute(_OLDEST_NOTES, (limit,)).fetchone()
    if not count:
        return 0
    for statement in (_LEAVE, _ENTER, _TAKE_NOTES):
        conn.execute(statement, (last,))
    return int(last) if count == limit else 0


def find(conn: sqlite3.Connection, search: Search) -> tuple[int, list[tuple[int, int]]]:
    """How many messages match, and the page: (channel id, message id) of each."""
    if not search.channel_ids:
        return 0, []
    matching = (expression(search), search.after, search.before)
    total, oldest = conn.execute(_COUNT, matching).fetchone()
    if search.order is Order.RELEVANCE and total:
        matching = (matching[0], oldest - 1, search.before)
    return total, conn.execute(_PAGES[search.order], (*matching, search.limit, search.offset)).fetchall()


def written_by(conn: sqlite3.Connection, author_id: int, since: int) -> Iterator[tuple[int, int]]:
    """(channel id, message id) of everything by this author from `since` on, the oldest first."""
    return conn.execute(_WRITTEN_BY, (f"scope : a{author_id}", since - 1, MAX_SNOWFLAKE))


def expression(search: Search) -> str:
    """The search in FTS5's language. Whatever was typed is between quotes there, where nothing has a meaning."""
    parts = [f"scope : ({_any_of('c', search.channel_ids)})"]
    if search.author_ids:
        parts.append(f"scope : ({_any_of('a', search.author_ids)})")
    if search.mentioned_ids:
        parts.append(f"scope : ({_any_of('m', search.mentioned_ids)})")
    parts += [f"scope : {has.value}" for has in sorted(search.has, key=_by_value)]
    if search.pinned:
        parts.append("scope : pinned")
    if search.terms:
        # Side by side, not joined by AND: so FTS5 ignores a term in which it finds nothing to look up.
        parts.append(f"content : ({' '.join(map(_quoted, search.terms))})")
    wanted = " AND ".join(parts)
    return f"({wanted}) NOT scope : pinned" if search.pinned is False else wanted


def _by_value(has: Has) -> str:
    return has.value


def _any_of(kind: str, ids: Iterable[int]) -> str:
    return " OR ".join(f"{kind}{id_}" for id_ in sorted(ids))


def _quoted(term: str) -> str:
    # FTS5 reads up to the first NUL; half of a surrogate pair is no text at all.
    text = term.replace("\0", " ").encode("utf-8", "replace").decode()
    return '"' + text.replace('"', '""') + '"'
