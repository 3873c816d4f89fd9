"""Sign-in sessions in `identity.db`, their codes and refresh tokens, inside the caller's transaction.

A session begins with a sign-in and has one `sid` for life. Codes and refresh tokens are used once; the second use of
one ends the session (RFC 9700 §2.2.2, §4.14), because one of the two users has stolen it and nobody can say which.
"""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from services.users.identity.embedded.secrets import digest
from services.users.identity.ports import SignInSession

CODE_LIFETIME_MS: Final = 60_000


@dataclass(frozen=True, slots=True)
class Session:
    sid: str
    subject: str
    client_id: str
    scope: str
    auth_time_s: int
    expires_at_ms: int
    user_agent: str = ""
    second_factor: bool = False

    def check_client(self, client: object) -> bool:
        """Authlib's question: is this the client that it was issued to?"""
        return getattr(client, "client_id", None) == self.client_id


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code in force, with the names that Authlib asks for."""

    hash: bytes
    session: Session
    redirect_uri: str
    code_challenge: str
    nonce: str
    code_challenge_method: str = "S256"

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.session.scope

    def get_nonce(self) -> str:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.session.auth_time_s

    def get_acr(self) -> None:
        """No levels of assurance yet."""

    def get_amr(self) -> list[str]:
        """RFC 8176."""
        return ["pwd", "otp", "mfa"] if self.session.second_factor else ["pwd"]


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token in force."""

    hash: bytes
    session: Session
    scope: str

    def check_client(self, client: object) -> bool:
        return self.session.check_client(client)

    def get_scope(self) -> str:
        return self.scope


_SESSION: Final = (
    "s.sid, s.subject, s.client_id, s.scope, s.auth_time, s.expires_at, s.user_agent, s.second_factor <> 0"
)


def begin(conn: sqlite3.Connection, session: Session) -> None:
    """Store a new session."""
    conn.execute(
        "INSERT INTO sessions (sid, subject, client_id, scope, auth_time, expires_at, user_agent, second_factor,"
        " last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            session.sid,
            session.subject,
            session.client_id,
            session.scope,
            session.auth_time_s,
            session.expires_at_ms,
            session.user_agent,
            session.second_factor,
            session.auth_time_s * 1000,
        ),
    )


def of_subject(conn: sqlite3.Connection, subject: str, *, now_ms: int) -> list[SignInSession]:
    """The sessions that have neither ended nor expired, newest first."""
    rows = conn.execute(
        "SELECT sid, auth_time * 1000, last_used_at, user_agent FROM sessions"
        " WHERE subject = ? AND ended_at IS NULL AND expires_at > ? ORDER BY auth_time DESC, rowid DESC",
        (subject, now_ms),
    )
    return [SignInSession(*row) for row in rows]


def end_all(conn: sqlite3.Connection, subject: str, *, but: str, told: Collection[str], now_ms: int) -> None:
    """End the sessions of a subject but one; those in `told` as announced, the others to be announced."""
    for (sid,) in conn.execute("SELECT sid FROM sessions WHERE subject = ? AND sid <> ?", (subject, but)).fetchall():
        end(conn, sid, now_ms=now_ms, announced=sid in told)


def end(conn: sqlite3.Connection, sid: str, *, now_ms: int, announced: bool = False) -> None:
    """End a session. `announced`: whoever ends it has told everybody already."""
    conn.execute(
        "UPDATE sessions SET ended_at = ?, announced_at = ? WHERE sid = ? AND ended_at IS NULL",
        (now_ms, now_ms if announced else None, sid),
    )


def unannounced(conn: sqlite3.Connection) -> list[tuple[str, str]]:
    """`(sid, subject)` of sessions that ended and that nobody was told of, oldest first."""
    return conn.execute(
        "SELECT sid, subject FROM sessions WHERE ended_at IS NOT NULL AND announced_at IS NULL"
        " ORDER BY ended_at LIMIT 100"
    ).fetchall()


def mark_announced(conn: sqlite3.Connection, sid: str, *, now_ms: int) -> None:
    conn.execute("UPDATE sessions SET announced_at = ? WHERE sid = ?", (now_ms, sid))


def find(conn: sqlite3.Connection, sid: str, *, now_ms: int) -> Session | None:
    """A session that has neither ended nor expired."""
    row = conn.execute(
        f"SELECT {_SESSION} FROM sessions s WHERE sid = ? AND ended_at IS NULL AND expires_at > ?", (sid, now_ms)
    ).fetchone()
    return None if row is None else Session(*row)


def forget_expired(conn: sqlite3.Connection, *, now_ms: int, grace_ms: int) -> None:
    """Drop sessions whose tokens have all expired `grace_ms` ago, with their codes and refresh tokens."""
    conn.execute("DELETE FROM sessions WHERE expires_at < ?", (now_ms - grace_ms,))


def add_code(conn: sqlite3.Connection, code: Code, *, now_ms: int) -> None:
    conn.execute(
        "INSERT INTO codes (hash, sid, client_id, redirect_uri, challenge, nonce, expires_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            code.hash,
            code.session.sid,
            code.session.client_id,
            code.redirect_uri,
            code.code_challenge,
            code.nonce,
            now_ms + CODE_LIFETIME_MS,
        ),
    )


def find_code(conn: sqlite3.Connection, code: str, client_id: str, *, now_ms: int) -> Code | None:
    """A code of this client that is in force. Asking for one that was used ends its session."""
    row = conn.execute(
        f"SELECT c.redirect_uri, c.challenge, c.nonce, c.expires_at, c.used_at, {_SESSION}"
        " FROM codes c JOIN sessions s USING (sid) WHERE c.hash = ? AND c.client_id = ? AND s.ended_at IS NULL",
        (digest(code), client_id),
    ).fetchone()
    if row is None:
        return None
    redirect_uri, challenge, nonce, expires_at, used_at, *session = row
    if used_at is not None:
        end(conn, session[0], now_ms=now_ms)
        return None
    return Code(digest(code), Session(*session), redirect_uri, challenge, nonce) if expires_at > now_ms else None


def use_code(conn: sqlite3.Connection, code: Code, *, now_ms: int) -> None:
    conn.execute("UPDATE codes SET used_at = ? WHERE hash = ?", (now_ms, code.hash))


def add_refresh_token(conn: sqlite3.Connection, token: str, sid: str, scope: str) -> None:
    conn.execute("INSERT INTO refresh_tokens (hash, sid, scope) VALUES (?, ?, ?)", (digest(token), sid, scope))


def find_refresh_token(conn: sqlite3.Connection, token: str, client_id: str, *, now_ms: int) -> RefreshToken | None:
    """A refresh token of this client that is in force. Asking for one that was used ends its session."""
    row = conn.execute(
        f"SELECT r.scope, r.used_at, {_SESSION} FROM refresh_tokens r JOIN sessions s USING (sid)"
        " WHERE r.hash = ? AND s.client_id = ? AND s.ended_at IS NULL AND s.expires_at > ?",
        (digest(token), client_id, now_ms),
    ).fetchone()
    if row is None:
        return None
    scope, used_at, *session = row
    if used_at is not None:
        end(conn, session[0], now_ms=now_ms)
        return None
    return RefreshToken(digest(token), Session(*session), scope)


def use_refresh_token(conn: sqlite3.Connection, token: RefreshToken, *, now_ms: int, expires_at_ms: int) -> None:
    """Mark the token used, and let its session live until the one that replaces it expires."""
    conn.execute("UPDATE refresh_tokens SET used_at = ? WHERE hash = ?", (now_ms, token.hash))
    conn.execute(
        "UPDATE sessions SET expires_at = ?, last_used_at = ? WHERE sid = ?", (expires_at_ms, now_ms, token.session.sid)
    )


def of_refresh_token(conn: sqlite3.Connection, token: str) -> Session | None:
    """The session that a refresh token, used or not, belongs to."""
    row = conn.execute(
        f"SELECT {_SESSION} FROM refresh_tokens r JOIN sessions s USING (sid) WHERE r.hash = ?", (digest(token),)
    ).fetchone()
    return None if row is None else Session(*row)
