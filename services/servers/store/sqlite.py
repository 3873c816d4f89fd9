"""Servers in one SQLite file: the root as one row of msgpack, members and invitations as rows beside it."""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from typing import Any, Final

import msgspec

from services.common.bus import INBOX_DDL
from services.common.limits import IDEMPOTENCY_LIFETIME
from services.common.outbox import OUTBOX_DDL, OutboxRecord, append
from services.common.snowflake import MAX_SNOWFLAKE
from services.common.sqlite import Database
from services.servers.domain.audit import AuditEntry
from services.servers.domain.state import Ban, Invitation, Invite, Member, ServerState, Thread, ThreadMember
from services.servers.store import sqlite_moderation as moderation
from services.servers.store import sqlite_threads as threads
from services.servers.store.ports import (
    AlreadyDone,
    AuditQuery,
    Commit,
    FirstResult,
    IdempotencyKey,
    Loaded,
    VersionConflict,
    Wanted,
)

MIGRATIONS: Final = (
    OUTBOX_DDL
    + """
CREATE TABLE servers (
    server_id INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    is_public INTEGER NOT NULL,
    -- Name and description as the directory searches them.
    searched TEXT NOT NULL,
    root BLOB NOT NULL,
    -- The outbox record of this version.
    record_id INTEGER NOT NULL
);
CREATE INDEX servers_public ON servers (server_id) WHERE is_public;

CREATE TABLE channels (
    channel_id INTEGER PRIMARY KEY,
    server_id INTEGER NOT NULL
);
CREATE INDEX channels_server ON channels (server_id);

CREATE TABLE members (
    server_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    nick TEXT NOT NULL,
    role_ids TEXT NOT NULL,
    joined_at_ms INTEGER NOT NULL,
    muted_until_ms INTEGER NOT NULL,
    PRIMARY KEY (server_id, user_id)
) WITHOUT ROWID;
CREATE INDEX members_user ON members (user_id, server_id);
CREATE INDEX members_muted ON members (muted_until_ms) WHERE muted_until_ms > 0;

CREATE TABLE invites (
    code TEXT PRIMARY KEY,
    server_id INTEGER NOT NULL,
    invite BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX invites_server ON invites (server_id);

CREATE TABLE results (
    user_id INTEGER NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    result TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, operation, key)
) WITHOUT ROWID;
CREATE INDEX results_age ON results (created_at_ms);
""",
    INBOX_DDL
    + moderation.DDL
    + """
-- What the directory ranks by.
ALTER TABLE servers ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE servers ADD COLUMN member_count INTEGER NOT NULL DEFAULT 0;
UPDATE servers SET
    name = substr(searched, 1, instr(searched, char(10)) - 1),
    member_count = (SELECT count(*) FROM members WHERE members.server_id = servers.server_id);
""",
    threads.DDL,
    threads.IDLE_DDL,
    moderation.BANS_OF_USER_DDL,
)

_RANKED: Final = """
WITH ranked AS (
    SELECT server_id, root, -member_count AS fewer,
        CASE WHEN name = :query THEN 0 WHEN instr(name, :query) = 1 THEN 1 WHEN instr(name, :query) THEN 2 ELSE 3 END
            AS remote
    FROM servers WHERE is_public AND instr(searched, :query)
)
SELECT root FROM ranked
WHERE NOT EXISTS (SELECT 1 FROM ranked AS last WHERE last.server_id = :after)
    OR (remote, fewer, server_id) > (SELECT remote, fewer, server_id FROM ranked AS last WHERE last.server_id = :after)
ORDER BY remote, fewer, server_id LIMIT :limit
"""

MEMBER_COLUMNS: Final = "user_id, nick, role_ids, joined_at_ms, muted_until_ms"

_encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode
decode_root: Final[Callable[[bytes], ServerState]] = msgspec.msgpack.Decoder(ServerState).decode
_decode_invite: Final[Callable[[bytes], Invite]] = msgspec.msgpack.Decoder(Invite).decode
_encode_ids: Final[Callable[[Iterable[int]], bytes]] = msgspec.json.Encoder().encode
_decode_ids: Final[Callable[[str], tuple[int, ...]]] = msgspec.json.Decoder(tuple[int, ...]).decode


class SqliteServerStore:
    """Implements `ServerStore`. `notify` is the relay's: it hears of each record in the order of the commits."""

    def __init__(self, db: Database, notify: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._notify = notify

    async def load(self, server_id: int, wanted: Wanted) -> Loaded | None:
        return await self._db.read(lambda conn: _load(conn, server_id, wanted))

    async def commit(self, commit: Commit) -> None:
        await self._db.write(lambda conn: _commit(conn, commit), on_commit=self._notify)

    async def first_result(self, key: IdempotencyKey, *, now_ms: int) -> FirstResult | None:
        return await self._db.read(lambda conn: _first_result(conn, key, now_ms))

    async def server_of_channel(self, channel_id: int) -> int | None:
        return await self._one("SELECT server_id FROM channels WHERE channel_id = ?", channel_id)

    async def server_of_invite(self, code: str) -> int | None:
        return await self._one("SELECT server_id FROM invites WHERE code = ?", code)

    async def archived_threads(self, channel_id: int, *, before_ms: int, limit: int) -> list[Thread]:
        return await self._db.read(lambda conn: threads.archived_page(conn, channel_id, before_ms, limit))

    async def thread_members(self, thread_id: int, *, after: int, limit: int) -> list[ThreadMember]:
        return await self._db.read(lambda conn: threads.members_page(conn, thread_id, after, limit))

    async def thread_memberships(self, user_id: int, thread_ids: Collection[int]) -> list[ThreadMember]:
        return await self._db.read(lambda conn: threads.memberships(conn, user_id, thread_ids))

    async def idle_threads(self, *, until_ms: int, limit: int) -> list[tuple[int, int]]:
        return await self._db.read(lambda conn: threads.idle(conn, until_ms, limit))

    async def look_again(self, thread_id: int, *, at_ms: int) -> None:
        await self._db.write(lambda conn: threads.look_again(conn, thread_id, at_ms))

    async def members_page(self, server_id: int, *, after: int, limit: int) -> list[Member]:
        sql = f"SELECT {MEMBER_COLUMNS} FROM members WHERE server_id = ? AND user_id > ? ORDER BY user_id LIMIT ?"
        rows = await self._all(sql, server_id, after, limit)
        return [member_of(row) for row in rows]

    async def servers_of(self, user_id: int, *, after: int, before: int, limit: int) -> list[ServerState]:
        order = "DESC" if before and not after else "ASC"
        rows = await self._all(
            "SELECT root FROM members JOIN servers USING (server_id)"
            f" WHERE user_id = ? AND server_id > ? AND server_id < ? ORDER BY server_id {order} LIMIT ?",
            user_id,
            after,
            before or MAX_SNOWFLAKE,
            limit,
        )
        return sorted((decode_root(root) for (root,) in rows), key=lambda state: state.id)

    async def count_servers_of(self, user_id: int) -> int:
        return await self._one("SELECT count(*) FROM members WHERE user_id = ?", user_id) or 0

    async def public_servers(self, query: str, *, after: int, limit: int) -> list[ServerState]:
        values = {"query": query.casefold(), "after": after, "limit": limit}
        rows = await self._db.read(lambda conn: conn.execute(_RANKED, values).fetchall())
        return [decode_root(root) for (root,) in rows]

    async def bans_page(self, server_id: int, *, before: int, after: int, limit: int) -> list[Ban]:
        return await self._db.read(
            lambda conn: moderation.bans_page(conn, server_id, before=before, after=after, limit=limit)
        )

    async def extend_bans(self, user_id: int, keys: Collection[str]) -> None:
        await self._db.write(lambda conn: moderation.extend_bans(conn, user_id, keys))

    async def invitation(self, invitation_id: int) -> Invitation | None:
        return await self._db.read(lambda conn: moderation.invitation(conn, invitation_id))

    async def invitations_of(self, user_id: int, *, but_by: Collection[int] = (), limit: int) -> list[Invitation]:
        return await self._db.read(lambda conn: moderation.invitations_of(conn, user_id, but_by, limit))

    async def invitations_naming(self, user_id: int, *, limit: int) -> list[Invitation]:
        return await self._db.read(lambda conn: moderation.invitations_naming(conn, user_id, limit))

    async def audit_page(self, query: AuditQuery) -> list[AuditEntry]:
        return await self._db.read(lambda conn: moderation.audit_page(conn, query))

    async def append_audit(self, entry: AuditEntry, record: OutboxRecord) -> bool:
        def insert(conn: sqlite3.Connection) -> OutboxRecord | None:
            if not moderation.append_audit(conn, entry):
                return None
            append(conn, record)
            return record

        def notify(stored: OutboxRecord | None) -> None:
            if stored is not None:
                self._notify(stored)

        return await self._db.write(insert, on_commit=notify) is not None

    async def mutes(self, *, until_ms: int, limit: int) -> list[tuple[int, int]]:
        return await self._all(
            "SELECT server_id, user_id FROM members WHERE muted_until_ms > 0 AND muted_until_ms <= ?"
            " ORDER BY muted_until_ms LIMIT ?",
            until_ms,
            limit,
        )

    async def next_mute_end(self) -> int | None:
        return await self._one("SELECT min(muted_until_ms) FROM members WHERE muted_until_ms > 0")

    async def _all(self, sql: str, *values: object) -> list[Any]:
        return await self._db.read(lambda conn: conn.execute(sql, values).fetchall())

    async def _one(self, sql: str, *values: object) -> int | None:
        rows = await self._all(sql, *values)
        return rows[0][0] if rows else None


def _load(conn: sqlite3.Connection, server_id: int, wanted: Wanted) -> Loaded | None:
    row = conn.execute(
        "SELECT root, outbox.id FROM servers LEFT JOIN outbox ON outbox.id = servers.record_id WHERE server_id = ?",
        (server_id,),
    ).fetchone()
    if row is None:
        return None
    return Loaded(
        decode_root(row[0]),
        {member.user_id: member for member in _members(conn, server_id, wanted)},
        _invites(conn, server_id) if wanted.invites else (),
        row[1] or 0,
        moderation.load_bans(conn, server_id, wanted),
        moderation.load_invitations(conn, server_id, wanted),
        threads.load(conn, server_id, wanted),
        threads.load_member(conn, wanted),
    )


def _members(conn: sqlite3.Connection, server_id: int, wanted: Wanted) -> Iterable[Member]:
    base = f"SELECT {MEMBER_COLUMNS} FROM members WHERE server_id = ?"
    if wanted.all_members:
        rows = conn.execute(base, (server_id,)).fetchall()
        return map(member_of, rows)
    rows = conn.execute(
        f"{base} AND user_id IN (SELECT value FROM json_each(?))", (server_id, _encode_ids(wanted.member_ids).decode())
    ).fetchall()
    if wanted.holders_of:
        holds = f"{base} AND EXISTS (SELECT 1 FROM json_each(role_ids) WHERE value = ?)"
        rows += conn.execute(holds, (server_id, wanted.holders_of)).fetchall()
    return map(member_of, rows)


def _invites(conn: sqlite3.Connection, server_id: int) -> list[Invite]:
    rows = conn.execute("SELECT invite FROM invites WHERE server_id = ?", (server_id,))
    return [_decode_invite(invite) for (invite,) in rows]


def member_of(row: tuple[int, str, str, int, int]) -> Member:
    user_id, nick, role_ids, joined_at_ms, muted_until_ms = row
    return Member(
        user_id=user_id,
        nick=nick,
        role_ids=_decode_ids(role_ids),
        joined_at_ms=joined_at_ms,
        muted_until_ms=muted_until_ms,
    )


def _first_result(conn: sqlite3.Connection, key: IdempotencyKey, now_ms: int) -> FirstResult | None:
    row = conn.execute(
        "SELECT result, outbox.id FROM results LEFT JOIN outbox ON outbox.id = results.record_id"
        " WHERE user_id = ? AND operation = ? AND key = ? AND created_at_ms > ?",
        (key.user_id, key.operation, key.key, now_ms - 1000 * IDEMPOTENCY_LIFETIME),
    ).fetchone()
    return FirstResult(row[0], row[1] or 0) if row else None


def _commit(conn: sqlite3.Connection, commit: Commit) -> OutboxRecord:
    if commit.key is not None:
        _put_result(conn, commit, commit.key)
    _put_root(conn, commit)
    _put_channels(conn, commit)
    _put_members(conn, commit)
    _put_invites(conn, commit)
    moderation.put(conn, commit)
    threads.put(conn, commit)
    append(conn, commit.record)
    return commit.record


def _put_result(conn: sqlite3.Connection, commit: Commit, key: IdempotencyKey) -> None:
    first = _first_result(conn, key, commit.now_ms)
    if first is not None:
        raise AlreadyDone(first)
    conn.execute("DELETE FROM results WHERE created_at_ms <= ?", (commit.now_ms - 1000 * IDEMPOTENCY_LIFETIME,))
    conn.execute(
        "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)",
        (key.user_id, key.operation, key.key, commit.result, commit.record.id, commit.now_ms),
    )


def _put_root(conn: sqlite3.Connection, commit: Commit) -> None:
    before, after = commit.before, commit.change.state
    if after is None:
        assert before is not None
        done = conn.execute(
            "DELETE FROM servers WHERE server_id = ? AND version = ?", (commit.server_id, before.version)
        )
    else:
        row = (
            after.version,
            after.is_public,
            _searched(after),
            after.name.casefold(),
            after.member_count,
            _encode(after),
            commit.record.id,
            commit.server_id,
        )
        if before is None:
            done = conn.execute(
                "INSERT INTO servers (version, is_public, searched, name, member_count, root, record_id, server_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        else:
            done = conn.execute(
                "UPDATE servers SET version = ?, is_public = ?, searched = ?, name = ?, member_count = ?, root = ?,"
                " record_id = ? WHERE server_id = ? AND version = ?",
                (*row, before.version),
            )
    if done.rowcount != 1:
        raise VersionConflict


def _searched(state: ServerState) -> str:
    return f"{state.name}\n{state.description}".casefold()


def _put_channels(conn: sqlite3.Connection, commit: Commit) -> None:
    old = {channel.id for channel in commit.before.channels} if commit.before else set()
    new = {channel.id for channel in commit.change.state.channels} if commit.change.state else set()
    conn.executemany("DELETE FROM channels WHERE channel_id = ?", [(channel_id,) for channel_id in old - new])
    conn.executemany("INSERT INTO channels VALUES (?, ?)", [(channel_id, commit.server_id) for channel_id in new - old])


def _put_members(conn: sqlite3.Connection, commit: Commit) -> None:
    if commit.change.state is None:
        conn.execute("DELETE FROM members WHERE server_id = ?", (commit.server_id,))
    for change in commit.change.members:
        member = change.after
        if member is None:
            conn.execute("DELETE FROM members WHERE server_id = ? AND user_id = ?", (commit.server_id, change.user_id))
            continue
        role_ids = _encode_ids(member.role_ids).decode()
        conn.execute(
            "INSERT OR REPLACE INTO members VALUES (?, ?, ?, ?, ?, ?)",
            (commit.server_id, member.user_id, member.nick, role_ids, member.joined_at_ms, member.muted_until_ms),
        )


def _put_invites(conn: sqlite3.Connection, commit: Commit) -> None:
    if commit.change.state is None:
        conn.execute("DELETE FROM invites WHERE server_id = ?", (commit.server_id,))
    conn.executemany("DELETE FROM invites WHERE code = ?", [(invite.code,) for invite in commit.change.invites_removed])
    for invite in commit.change.invites_put:
        done = conn.execute(
            # The condition keeps a code that chance has given twice with its first server.
            "INSERT INTO invites VALUES (?, ?, ?) ON CONFLICT (code) DO UPDATE SET invite = excluded.invite"
            " WHERE server_id = excluded.server_id AND ?",
            (invite.code, invite.server_id, _encode(invite), invite.uses > 0),
        )
        if done.rowcount != 1:
            raise VersionConflict
