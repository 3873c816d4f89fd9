"""Accounts in `identity.db`: each function runs inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from services.users.identity.embedded.secrets import digest

VALIDATION_LIFETIME_MS: Final = 24 * 3600 * 1000

_COLUMNS: Final = "subject, email, username, global_name, password_hash, roles, validated_at"


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account; it works once it is validated."""

    subject: str
    email: str
    username: str
    global_name: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()
    validated: bool = False


def _account(row: tuple[str, str, str, str, str, str, int | None] | None) -> StoredAccount | None:
    if row is None:
        return None
    subject, email, username, global_name, password_hash, roles, validated_at = row
    return StoredAccount(
        subject, email, username, global_name, password_hash, tuple(roles.split()), validated_at is not None
    )


def insert(conn: sqlite3.Connection, account: StoredAccount, *, validation: str, now_ms: int) -> None:
    """Add an account that is not validated, and drop those whose links have expired."""
    conn.execute("DELETE FROM accounts WHERE validated_at IS NULL AND validation_expires_at < ?", (now_ms,))
    conn.execute(
        "INSERT INTO accounts (subject, email, username, global_name, password_hash, created_at, validation_hash,"
        " validation_expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            account.subject,
            account.email,
            account.username,
            account.global_name,
            account.password_hash,
            now_ms,
            digest(validation),
            now_ms + VALIDATION_LIFETIME_MS,
        ),
    )


def find(conn: sqlite3.Connection, subject: str) -> StoredAccount | None:
    """The account with this subject, validated or not."""
    return _account(conn.execute(f"SELECT {_COLUMNS} FROM accounts WHERE subject = ?", (subject,)).fetchone())


def find_by_email(conn: sqlite3.Connection, email: str) -> StoredAccount | None:
    """The validated account of an address (then there is no other row), else the newest registration for it."""
    return _account(
        conn.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE email = ? ORDER BY created_at DESC LIMIT 1",
            (email,),
        ).fetchone()
    )


def renew_validation(conn: sqlite3.Connection, subject: str, *, validation: str, now_ms: int) -> None:
    """Replace the link of an account that is not validated."""
    conn.execute(
        "UPDATE accounts SET validation_hash = ?, validation_expires_at = ? WHERE subject = ? AND validated_at IS NULL",
        (digest(validation), now_ms + VALIDATION_LIFETIME_MS, subject),
    )


def awaiting_validation(conn: sqlite3.Connection, validation: str, *, now_ms: int) -> StoredAccount | None:
    """The account that a link in force would validate."""
    return _account(
        conn.execute(
            f"SELECT {_COLUMNS} FROM accounts WHERE validation_hash = ? AND validation_expires_at > ?",
            (digest(validation), now_ms),
        ).fetchone()
    )


def validate(conn: sqlite3.Connection, validation: str, *, now_ms: int) -> StoredAccount | None:
    """Use a link: the account works from here on, and every other registration for its address is forgotten.

    None if the link is unknown, used, expired, or for an address that somebody has validated since.
    """
    account = awaiting_validation(conn, validation, now_ms=now_ms)
    if account is None:
        return None
    conn.execute(
        "DELETE FROM accounts WHERE email = ? AND validated_at IS NULL AND subject <> ?",
        (account.email, account.subject),
    )
    conn.execute(
        "UPDATE accounts SET validated_at = ?, validation_hash = NULL, validation_expires_at = NULL WHERE subject = ?",
        (now_ms, account.subject),
    )
    return account
