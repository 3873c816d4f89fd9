"""Links that are mailed to who has an account already, in `identity.db`, inside the caller's transaction.

The token of a link is stored as its digest, and used once.
"""

import sqlite3
from enum import StrEnum
from typing import Final

from services.users.identity.embedded.secrets import digest


class Purpose(StrEnum):
    """What a link is for. An account has at most one link for each."""

    RESET = "reset"
    EMAIL = "email"


LIFETIME_MS: Final = {Purpose.RESET: 3600 * 1000, Purpose.EMAIL: 24 * 3600 * 1000}


def put(
    conn: sqlite3.Connection, token: str, purpose: Purpose, subject: str | None, *, email: str, now_ms: int
) -> None:
    """Store a link in the place of an earlier one. Without a subject it is good for nothing but to take as long.

    `email`: for which address it is.
    """
    conn.execute("DELETE FROM links WHERE expires_at <= ?", (now_ms,))
    conn.execute("DELETE FROM links WHERE subject = ? AND purpose = ?", (subject, purpose))
    conn.execute(
        "INSERT INTO links (hash, purpose, subject, email, expires_at) VALUES (?, ?, ?, ?, ?)",
        (digest(token), purpose, subject, email, now_ms + LIFETIME_MS[purpose]),
    )


def find(conn: sqlite3.Connection, token: str, purpose: Purpose, *, now_ms: int) -> tuple[str, str] | None:
    """`(subject, email)` of a link in force."""
    row: tuple[str, str] | None = conn.execute(
        "SELECT subject, email FROM links WHERE hash = ? AND purpose = ? AND expires_at > ? AND subject IS NOT NULL",
        (digest(token), purpose, now_ms),
    ).fetchone()
    return row


def void(conn: sqlite3.Connection, subject: str, *purposes: Purpose) -> None:
    """Links of a subject that are not good any more."""
    conn.executemany(
        "DELETE FROM links WHERE subject = ? AND purpose = ?", [(subject, purpose) for purpose in purposes]
    )
