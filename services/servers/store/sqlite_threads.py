"""Threads and their members: rows beside the root. The members of a thread are counted when it is read."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from services.servers.domain.state import Thread, ThreadMember
from services.servers.domain.thread import idle_at_ms
from services.servers.store.ports import Commit, VersionConflict, Wanted

DDL: Final = """
CREATE TABLE threads (
    thread_id INTEGER PRIMARY KEY,
    server_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    archived INTEGER NOT NULL,
    archive_changed_at_ms INTEGER NOT NULL,
    thread BLOB NOT NULL
);
CREATE INDEX threads_active ON threads (server_id) WHERE NOT archived;
CREATE INDEX threads_channel ON threads (channel_id, archive_changed_at_ms, thread_id);
CREATE INDEX threads_server ON threads (server_id);

CREATE TABLE thread_members (
    thread_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    server_id INTEGER NOT NULL,
    joined_at_ms INTEGER NOT NULL,
    PRIMARY KEY (thread_id, user_id)
) WITHOUT ROWID;
CREATE INDEX thread_members_user ON thread_members (server_id, user_id);
"""

IDLE_DDL: Final = """
-- When to look whether anybody still writes in it; 0: it is archived. Of threads that were there before: at once.
ALTER TABLE threads ADD COLUMN idle_at_ms INTEGER NOT NULL DEFAULT 0;
UPDATE threads SET idle_at_ms = archive_changed_at_ms WHERE NOT archived;
CREATE INDEX threads_idle ON threads (idle_at_ms) WHERE idle_at_ms > 0;
"""

_THREAD: Final = """
SELECT thread, (SELECT count(*) FROM thread_members WHERE thread_members.thread_id = threads.thread_id) FROM threads
"""
_MEMBER: Final = "SELECT thread_id, user_id, joined_at_ms FROM thread_members"
_ACTIVE: Final = f"{_THREAD} WHERE server_id = ? AND NOT archived ORDER BY thread_id"
_ALL: Final = f"{_THREAD} WHERE server_id = ? ORDER BY thread_id"
_OF_CHANNEL: Final = f"{_THREAD} WHERE channel_id = ? ORDER BY thread_id"
_OF_MEMBER: Final = (
    f"{_THREAD} WHERE server_id = :server AND NOT archived AND thread_id IN"
    " (SELECT thread_id FROM thread_members WHERE server_id = :server AND user_id = :user) ORDER BY thread_id"
)
_ONE: Final = f"{_THREAD} WHERE server_id = ? AND thread_id = ?"
_PAGE: Final = f"{_THREAD} WHERE server_id = ? AND thread_id > ? ORDER BY thread_id LIMIT ?"
_BY_ID: Final = f"{_THREAD} WHERE thread_id IN (SELECT value FROM json_each(?))"
_ARCHIVED: Final = (
    f"{_THREAD} WHERE channel_id = ? AND archived AND archive_changed_at_ms < ?"
    " ORDER BY archive_changed_at_ms DESC, thread_id DESC LIMIT ?"
)

_encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode
_decode: Final[Callable[[bytes], Thread]] = msgspec.msgpack.Decoder(Thread).decode
_encode_ids: Final[Callable[[Iterable[int]], bytes]] = msgspec.json.Encoder().encode


def load(conn: sqlite3.Connection, server_id: int, wanted: Wanted) -> dict[int, Thread]:
    rows: list[Sequence[Any]] = []
    if wanted.thread_id:
        rows += conn.execute(_ONE, (server_id, wanted.thread_id)).fetchall()
    if wanted.threads_of_member:
        rows += conn.execute(_OF_MEMBER, {"server": server_id, "user": wanted.threads_of_member}).fetchall()
    if wanted.threads_of:
        rows += conn.execute(_OF_CHANNEL, (wanted.threads_of,)).fetchall()
    if wanted.all_threads:
        rows += conn.execute(_ALL, (server_id,)).fetchall()
    elif wanted.active_threads:
        rows += conn.execute(_ACTIVE, (server_id,)).fetchall()
    return {thread.id: thread for thread in map(_thread, rows)}


def load_member(conn: sqlite3.Connection, wanted: Wanted) -> ThreadMember | None:
    row = conn.execute(
        f"{_MEMBER} WHERE thread_id = ? AND user_id = ?", (wanted.thread_id, wanted.thread_member_id)
    ).fetchone()
    return None if row is None else _member(row)


def put(conn: sqlite3.Connection, commit: Commit) -> None:
    """Raises VersionConflict when the id of a new thread is that of another channel."""
    change, server_id = commit.change, commit.server_id
    if change.state is None:
        conn.execute(
            "DELETE FROM channels WHERE channel_id IN (SELECT thread_id FROM threads WHERE server_id = ?)", (server_id,)
        )
        conn.execute("DELETE FROM threads WHERE server_id = ?", (server_id,))
        conn.execute("DELETE FROM thread_members WHERE server_id = ?", (server_id,))
        return
    gone = [(each.thread_id,) for each in change.threads if each.after is None]
    for table, column in (("threads", "thread_id"), ("thread_members", "thread_id"), ("channels", "channel_id")):
        conn.executemany(f"DELETE FROM {table} WHERE {column} = ?", gone)
    for each in change.threads:
        if each.after is not None:
            _put_thread(conn, each.after, is_new=each.before is None)
    left = [(server_id, member.user_id) for member in change.members if member.after is None]
    conn.executemany("DELETE FROM thread_members WHERE server_id = ? AND user_id = ?", left)
    conn.executemany(
        "DELETE FROM thread_members WHERE thread_id = ? AND user_id = ?",
        [(member.thread_id, member.user_id) for member in change.thread_members_removed],
    )
    conn.executemany(
        "INSERT OR REPLACE INTO thread_members VALUES (?, ?, ?, ?)",
        [(member.thread_id, member.user_id, server_id, member.joined_at_ms) for member in change.thread_members_put],
    )


def _put_thread(conn: sqlite3.Connection, thread: Thread, *, is_new: bool) -> None:
    if is_new:
        # Beside the channels: whoever looks for one by its id finds it there.
        done = conn.execute("INSERT OR IGNORE INTO channels VALUES (?, ?)", (thread.id, thread.server_id))
        if done.rowcount != 1:
            raise VersionConflict
    conn.execute(
        "INSERT OR REPLACE INTO threads VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            thread.id,
            thread.server_id,
            thread.channel_id,
            thread.archived,
            thread.archive_changed_at_ms,
            # Counted when it is read: who leaves the server leaves its threads, too.
            _encode(replace(thread, member_count=0)),
            0 if thread.archived else idle_at_ms(thread),
        ),
    )


def idle(conn: sqlite3.Connection, until_ms: int, limit: int) -> list[tuple[int, int]]:
    return conn.execute(
        "SELECT server_id, thread_id FROM threads WHERE idle_at_ms > 0 AND idle_at_ms <= ? ORDER BY idle_at_ms LIMIT ?",
        (until_ms, limit),
    ).fetchall()


def look_again(conn: sqlite3.Connection, thread_id: int, at_ms: int) -> None:
    conn.execute("UPDATE threads SET idle_at_ms = ? WHERE thread_id = ? AND idle_at_ms > 0", (at_ms, thread_id))


def archived_page(conn: sqlite3.Connection, channel_id: int, before_ms: int, limit: int) -> list[Thread]:
    return [_thread(row) for row in conn.execute(_ARCHIVED, (channel_id, before_ms, limit))]


def page(conn: sqlite3.Connection, server_id: int, after: int, limit: int) -> list[Thread]:
    rows = conn.execute(_PAGE, (server_id, after, limit))
    return [_thread(row) for row in rows]


def by_id(conn: sqlite3.Connection, thread_ids: Collection[int]) -> list[Thread]:
    return [_thread(row) for row in conn.execute(_BY_ID, (_encode_ids(list(thread_ids)).decode(),))]


def members_page(conn: sqlite3.Connection, thread_id: int, after: int, limit: int) -> list[ThreadMember]:
    rows = conn.execute(
        f"{_MEMBER} WHERE thread_id = ? AND user_id > ? ORDER BY user_id LIMIT ?", (thread_id, after, limit)
    )
    return [_member(row) for row in rows]


def memberships(conn: sqlite3.Connection, user_id: int, thread_ids: Collection[int]) -> list[ThreadMember]:
    ids = _encode_ids(list(thread_ids)).decode()
    rows = conn.execute(
        f"{_MEMBER} WHERE thread_id IN (SELECT value FROM json_each(?)) AND user_id = ? ORDER BY thread_id",
        (ids, user_id),
    )
    return [_member(row) for row in rows]


def _thread(row: Sequence[Any]) -> Thread:
    return replace(_decode(row[0]), member_count=row[1])


def _member(row: Sequence[Any]) -> ThreadMember:
    return ThreadMember(thread_id=row[0], user_id=row[1], joined_at_ms=row[2])
