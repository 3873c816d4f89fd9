"""Sign-ins between their two steps: the password was right, the code is still to come. Inside the caller's transaction.

They are kept here and not in the page, so that a change of the password ends them.
"""

import sqlite3
from typing import Final

from services.users.identity.embedded.secrets import digest

LIFETIME_MS: Final = 5 * 60_000


def begin(conn: sqlite3.Connection, ticket: str, subject: str, *, now_ms: int) -> None:
    """`ticket` is what the page brings back."""
    conn.execute("DELETE FROM half_sign_ins WHERE expires_at <= ?", (now_ms,))
    conn.execute(
        "INSERT INTO half_sign_ins (hash, subject, expires_at) VALUES (?, ?, ?)",
        (digest(ticket), subject, now_ms + LIFETIME_MS),
    )


def find(conn: sqlite3.Connection, ticket: str, *, now_ms: int) -> str | None:
    """The subject of a ticket in force."""
    row = conn.execute(
        "SELECT subject FROM half_sign_ins WHERE hash = ? AND expires_at > ?", (digest(ticket), now_ms)
    ).fetchone()
    return None if row is None else row[0]


def finish(conn: sqlite3.Connection, ticket: str) -> None:
    conn.execute("DELETE FROM half_sign_ins WHERE hash = ?", (digest(ticket),))


def void(conn: sqlite3.Connection, subject: str) -> None:
    conn.execute("DELETE FROM half_sign_ins WHERE subject = ?", (subject,))
