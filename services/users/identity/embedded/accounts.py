"""Accounts in `identity.db`: each function runs inside the caller's transaction."""

import sqlite3
from dataclasses import dataclass, field
from typing import Final

from services.users.identity.embedded.secrets import digest

VALIDATION_LIFETIME_MS: Final = 24 * 3600 * 1000

_COLUMNS: Final = (
    "subject, email, username, global_name, password_hash, roles, validated_at IS NOT NULL, disabled_at IS NOT NULL,"
    " EXISTS (SELECT 1 FROM totp t WHERE t.subject = accounts.subject AND t.confirmed_at IS NOT NULL)"
)

_Row = tuple[str, str, str, str, str, str, int, int, int]


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """An account."""

    subject: str
    email: str
    username: str
    global_name: str
    password_hash: str = field(repr=False)
    roles: tuple[str, ...] = ()
    validated: bool = False
    disabled: bool = False
    second_factor: bool = False
    """Whether a sign-in asks for a code."""

    @property
    def works(self) -> bool:
        return self.validated and not self.disabled


def _account(row: _Row | None) -> StoredAccount | None:
    if row is None:
        return None
    subject, email, username, global_name, password_hash, roles, validated, disabled, second_factor = row
    return StoredAccount(
        subject=subject,
        email=email,
        username=username,
        global_name=global_name,
        password_hash=password_hash,
        roles=tuple(roles.split()),
        validated=bool(validated),
        disabled=bool(disabled),
        second_factor=bool(second_factor),
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


def set_password(conn: sqlite3.Connection, subject: str, password_hash: str) -> None:
    conn.execute("UPDATE accounts SET password_hash = ? WHERE subject = ?", (password_hash, subject))


def move(conn: sqlite3.Connection, subject: str, email: str) -> bool:
    """Give a validated account another address, and forget registrations for it that nobody validated. False: it
    belongs to an account."""
    if conn.execute("SELECT 1 FROM accounts WHERE email = ? AND validated_at IS NOT NULL", (email,)).fetchone():
        return False
    conn.execute("DELETE FROM accounts WHERE email = ?", (email,))
    conn.execute("UPDATE accounts SET email = ? WHERE subject = ?", (email, subject))
    return True


def set_disabled(conn: sqlite3.Connection, subject: str, disabled: bool, *, now_ms: int) -> None:
    conn.execute("UPDATE accounts SET disabled_at = ? WHERE subject = ?", (now_ms if disabled else None, subject))


def delete(conn: sqlite3.Connection, subject: str) -> None:
    """Forget an account and all that refers to it."""
    conn.execute("DELETE FROM sessions WHERE subject = ?", (subject,))
    conn.execute("DELETE FROM accounts WHERE subject = ?", (subject,))
