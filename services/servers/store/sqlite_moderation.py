"""The rows of bans, of users' invitations and of the audit log, beside the servers they belong to."""

import sqlite3
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Final

import msgspec

from services.common.snowflake import MAX_SNOWFLAKE
from services.servers.domain.audit import AuditEntry
from services.servers.domain.state import Ban, Invitation
from services.servers.store.ports import AuditQuery, Commit, Wanted

DDL: Final = """
CREATE TABLE bans (
    server_id INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    ban BLOB NOT NULL,
    PRIMARY KEY (server_id, user_id)
) WITHOUT ROWID;

CREATE TABLE ban_keys (
    server_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    user_id INTEGER NOT NULL,
    PRIMARY KEY (server_id, key, user_id)
) WITHOUT ROWID;

CREATE TABLE invitations (
    invitation_id INTEGER PRIMARY KEY,
    server_id INTEGER NOT NULL,
    inviter_id INTEGER NOT NULL,
    invitee_id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    UNIQUE (server_id, invitee_id)
);
CREATE INDEX invitations_invitee ON invitations (invitee_id, invitation_id);
CREATE INDEX invitations_inviter ON invitations (inviter_id);

CREATE TABLE audit_log (
    entry_id INTEGER PRIMARY KEY,
    server_id INTEGER NOT NULL,
    actor_id INTEGER NOT NULL,
    action INTEGER NOT NULL,
    target_id INTEGER NOT NULL,
    entry BLOB NOT NULL
);
CREATE INDEX audit_log_server ON audit_log (server_id, entry_id);
"""

BANS_OF_USER_DDL: Final = "CREATE INDEX bans_user ON bans (user_id);"

_INVITATION: Final = "SELECT invitation_id, server_id, inviter_id, invitee_id, created_at_ms FROM invitations"

_encode: Final[Callable[[Any], bytes]] = msgspec.msgpack.Encoder().encode
_decode_ban: Final[Callable[[bytes], Ban]] = msgspec.msgpack.Decoder(Ban).decode
_decode_entry: Final[Callable[[bytes], AuditEntry]] = msgspec.msgpack.Decoder(AuditEntry).decode


def load_bans(conn: sqlite3.Connection, server_id: int, wanted: Wanted) -> list[Ban]:
    if not wanted.bans_on and not wanted.ban_keys:
        return []
    rows = conn.execute(
        "SELECT ban FROM bans WHERE server_id = :server AND (user_id IN (SELECT value FROM json_each(:users))"
        " OR user_id IN (SELECT user_id FROM ban_keys"
        " WHERE server_id = :server AND key IN (SELECT value FROM json_each(:keys))))",
        {"server": server_id, "users": _list(wanted.bans_on), "keys": _list(wanted.ban_keys)},
    )
    return [_decode_ban(ban) for (ban,) in rows]


def load_invitations(conn: sqlite3.Connection, server_id: int, wanted: Wanted) -> list[Invitation]:
    if wanted.all_invitations:
        return _invitations(conn, "WHERE server_id = ? ORDER BY invitation_id", server_id)
    if not wanted.invitations_of:
        return []
    of_these = "WHERE server_id = ? AND invitee_id IN (SELECT value FROM json_each(?))"
    return _invitations(conn, of_these, server_id, _list(wanted.invitations_of))


def put(conn: sqlite3.Connection, commit: Commit) -> None:
    """What a commit says of bans, invitations and the audit log."""
    server_id, change = commit.server_id, commit.change
    if change.state is None:
        for table in ("bans", "ban_keys", "invitations", "audit_log"):
            conn.execute(f"DELETE FROM {table} WHERE server_id = ?", (server_id,))
    for ban in change.bans_removed:
        conn.execute("DELETE FROM bans WHERE server_id = ? AND user_id = ?", (server_id, ban.user_id))
        conn.execute("DELETE FROM ban_keys WHERE server_id = ? AND user_id = ?", (server_id, ban.user_id))
    for ban in change.bans_put:
        _put_ban(conn, server_id, ban)
    conn.executemany(
        "DELETE FROM invitations WHERE invitation_id = ?", [(gone.id,) for gone in change.invitations_removed]
    )
    conn.executemany(
        "INSERT INTO invitations VALUES (?, ?, ?, ?, ?)",
        [
            (each.id, each.server_id, each.inviter_id, each.invitee_id, each.created_at_ms)
            for each in change.invitations_put
        ],
    )
    for entry in commit.audit:
        _insert_entry(conn, entry)


def extend_bans(conn: sqlite3.Connection, user_id: int, keys: Collection[str]) -> None:
    rows = conn.execute("SELECT server_id, ban FROM bans WHERE user_id = ?", (user_id,)).fetchall()
    for server_id, encoded in rows:
        ban = _decode_ban(encoded)
        all_keys = {*ban.identity_keys, *keys}
        if len(all_keys) > len(ban.identity_keys):
            _put_ban(conn, server_id, replace(ban, identity_keys=tuple(sorted(all_keys))))


def bans_page(conn: sqlite3.Connection, server_id: int, *, before: int, after: int, limit: int) -> list[Ban]:
    order = "DESC" if before and not after else "ASC"
    rows = conn.execute(
        f"SELECT ban FROM bans WHERE server_id = ? AND user_id > ? AND user_id < ? ORDER BY user_id {order} LIMIT ?",
        (server_id, after, before or MAX_SNOWFLAKE, limit),
    )
    return sorted((_decode_ban(ban) for (ban,) in rows), key=lambda ban: ban.user_id)


def invitation(conn: sqlite3.Connection, invitation_id: int) -> Invitation | None:
    found = _invitations(conn, "WHERE invitation_id = ?", invitation_id)
    return found[0] if found else None


def invitations_of(conn: sqlite3.Connection, user_id: int, but_by: Collection[int], limit: int) -> list[Invitation]:
    where = (
        "WHERE invitee_id = ? AND inviter_id NOT IN (SELECT value FROM json_each(?))"
        " ORDER BY invitation_id DESC LIMIT ?"
    )
    return _invitations(conn, where, user_id, _list(but_by), limit)


def invitations_naming(conn: sqlite3.Connection, user_id: int, limit: int) -> list[Invitation]:
    return _invitations(conn, "WHERE invitee_id = ? OR inviter_id = ? LIMIT ?", user_id, user_id, limit)


def audit_page(conn: sqlite3.Connection, query: AuditQuery) -> list[AuditEntry]:
    order = "ASC" if query.after and not query.before else "DESC"
    rows = conn.execute(
        "SELECT entry FROM audit_log WHERE server_id = :server AND entry_id > :after AND entry_id < :before"
        " AND :actor IN (0, actor_id) AND :action IN (0, action) AND :target IN (0, target_id)"
        f" ORDER BY entry_id {order} LIMIT :limit",
        {
            "server": query.server_id,
            "after": query.after,
            "before": query.before or MAX_SNOWFLAKE,
            "actor": query.actor_id,
            "action": query.action,
            "target": query.target_id,
            "limit": query.limit,
        },
    )
    return [_decode_entry(entry) for (entry,) in rows]


def append_audit(conn: sqlite3.Connection, entry: AuditEntry) -> bool:
    if not conn.execute("SELECT 1 FROM servers WHERE server_id = ?", (entry.server_id,)).fetchone():
        return False
    return _insert_entry(conn, entry)


def _put_ban(conn: sqlite3.Connection, server_id: int, ban: Ban) -> None:
    conn.execute("INSERT OR REPLACE INTO bans VALUES (?, ?, ?)", (server_id, ban.user_id, _encode(ban)))
    conn.executemany(
        "INSERT OR IGNORE INTO ban_keys VALUES (?, ?, ?)",
        [(server_id, key, ban.user_id) for key in ban.identity_keys],
    )


def _insert_entry(conn: sqlite3.Connection, entry: AuditEntry) -> bool:
    done = conn.execute(
        "INSERT OR IGNORE INTO audit_log VALUES (?, ?, ?, ?, ?, ?)",
        (
            entry.id,
            entry.server_id,
            entry.deed.actor_id,
            int(entry.line.action),
            entry.line.target_id,
            _encode(entry),
        ),
    )
    return done.rowcount == 1


def _invitations(conn: sqlite3.Connection, where: str, *values: object) -> list[Invitation]:
    rows = conn.execute(f"{_INVITATION} {where}", values)
    return [
        Invitation(
            id=invitation_id,
            server_id=server_id,
            inviter_id=inviter_id,
            invitee_id=invitee_id,
            created_at_ms=created_at_ms,
        )
        for invitation_id, server_id, inviter_id, invitee_id, created_at_ms in rows
    ]


def _list(values: Iterable[int] | Iterable[str]) -> str:
    return msgspec.json.encode(list(values)).decode()
