"""The embedded user store: `users.db`."""

import hmac
import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from services.common.bus import INBOX_DDL
from services.common.errors import InvalidArgument
from services.common.outbox import OUTBOX_DDL, OutboxRecord, append
from services.common.sqlite import Database
from services.users.domain.bot_token import BotToken
from services.users.domain.profile import Profile, ProfileChange
from services.users.domain.user import Bot, User, UserKind
from services.users.domain.username import derive_username, parse_username
from services.users.store.ports import Known, NewPerson, RevokedAccount, TooManyBots, UsernameTaken
from services.users.store.sqlite_groups import GROUPS_DDL
from services.users.store.sqlite_pairs import PAIRS_DDL

MIGRATIONS: Final = [
    """
    CREATE TABLE users (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,
        username TEXT NOT NULL,
        global_name TEXT NOT NULL DEFAULT '',
        avatar TEXT NOT NULL DEFAULT '',
        public_flags INTEGER NOT NULL DEFAULT 0,
        subject TEXT UNIQUE
    ) STRICT;
    CREATE UNIQUE INDEX users_persons ON users (username) WHERE kind = 'person';

    CREATE TABLE reservations (
        username TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        until_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX reservations_ending ON reservations (until_ms);

    CREATE TABLE bots (
        id INTEGER PRIMARY KEY REFERENCES users (id),
        owner_id INTEGER NOT NULL REFERENCES users (id),
        name TEXT NOT NULL,
        description TEXT NOT NULL,
        is_public INTEGER NOT NULL,
        token_id TEXT NOT NULL,
        token_sha256 BLOB NOT NULL,
        idempotency_key TEXT
    ) STRICT;
    CREATE UNIQUE INDEX bots_created_once ON bots (owner_id, idempotency_key) WHERE idempotency_key IS NOT NULL;

    CREATE TABLE revoked_sessions (sid TEXT PRIMARY KEY, until_ms INTEGER NOT NULL) STRICT;
    CREATE INDEX revoked_sessions_ending ON revoked_sessions (until_ms);
    CREATE TABLE revoked_subjects (subject TEXT PRIMARY KEY, issued_at_s INTEGER NOT NULL) STRICT;
    """
    + OUTBOX_DDL,
    "CREATE INDEX bots_of_owner ON bots (owner_id);",
    """
    ALTER TABLE users ADD COLUMN first_name TEXT NOT NULL DEFAULT '';
    ALTER TABLE users ADD COLUMN last_name TEXT NOT NULL DEFAULT '';
    CREATE TABLE identity_keys (
        user_id INTEGER NOT NULL REFERENCES users (id),
        key TEXT NOT NULL,
        PRIMARY KEY (user_id, key)
    ) STRICT, WITHOUT ROWID;
    -- `but_sid`: the one session that a revocation of all leaves.
    ALTER TABLE revoked_subjects ADD COLUMN but_sid TEXT NOT NULL DEFAULT '';
    -- `step`: the next one; rows stay, so that the tokens of the account are refused for ever.
    CREATE TABLE deletions (
        user_id INTEGER PRIMARY KEY REFERENCES users (id),
        subject TEXT NOT NULL UNIQUE,
        step TEXT NOT NULL
    ) STRICT;
    """,
    PAIRS_DDL + GROUPS_DDL + INBOX_DDL,
]

_USER: Final = "u.id, u.kind, u.username, u.global_name, u.avatar, u.public_flags, u.subject"
_BOT: Final = f"{_USER}, b.owner_id, b.name, b.description, b.is_public"
_FROM_BOTS: Final = f"SELECT {_BOT} FROM bots b JOIN users u USING (id)"

_UserRow = tuple[int, str, str, str, str, int, str | None]
_ProfileRow = tuple[int, str, str, str, str, int, str | None, str, str]
_BotRow = tuple[int, str, str, str, str, int, str | None, int, str, str, int]


def _user(row: _UserRow) -> User:
    user_id, kind, username, global_name, avatar, public_flags, subject = row
    return User(user_id, UserKind(kind), username, global_name, avatar, public_flags, subject)


def _profile(row: _ProfileRow) -> Profile:
    return Profile(_user(row[:7]), row[7], row[8])


def _changed(before: Profile, change: ProfileChange) -> Profile:
    def new(value: str | None, old: str) -> str:
        return old if value is None else value

    old = before.user
    user = replace(
        old,
        username=new(change.username, old.username),
        global_name=new(change.global_name, old.global_name),
        avatar=new(change.avatar, old.avatar),
    )
    return Profile(user, new(change.first_name, before.first_name), new(change.last_name, before.last_name))


def _update_profile(conn: sqlite3.Connection, profile: Profile) -> None:
    user = profile.user
    conn.execute(
        "UPDATE users SET username = ?, global_name = ?, avatar = ?, first_name = ?, last_name = ? WHERE id = ?",
        (user.username, user.global_name, user.avatar, profile.first_name, profile.last_name, user.id),
    )


def _bot(row: _BotRow) -> Bot:
    owner_id, name, description, is_public = row[7:]
    return Bot(_user(row[:7]), owner_id, name, description, bool(is_public))


class SqliteUserStore:
    """See `UserStore`. `committed` gets each record after its commit, in the order of the commits."""

    def __init__(self, db: Database, committed: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._committed = committed

    async def users(self, ids: Sequence[int]) -> list[User]:
        wanted = msgspec.json.encode(list(ids)).decode()
        query = f"SELECT {_USER} FROM users u WHERE id IN (SELECT value FROM json_each(?))"
        rows = await self._db.read(lambda conn: conn.execute(query, (wanted,)).fetchall())
        return [_user(row) for row in rows]

    async def person_named(self, username: str) -> User | None:
        return await self._one_user("username = ? AND kind = 'person'", username)

    async def user_of(self, subject: str) -> User | None:
        return await self._one_user("subject = ?", subject)

    async def reserve(self, username: str, email: str, *, now_ms: int, until_ms: int) -> None:
        def change(conn: sqlite3.Connection) -> bool:
            conn.execute("DELETE FROM reservations WHERE until_ms <= ?", (now_ms,))
            if not _is_free(conn, username, email):
                return False
            conn.execute(
                "INSERT OR REPLACE INTO reservations (username, email, until_ms) VALUES (?, ?, ?)",
                (username, email, until_ms),
            )
            return True

        if not await self._db.write(change):
            raise UsernameTaken

    async def profile(self, user_id: int) -> Profile | None:
        query = f"SELECT {_USER}, u.first_name, u.last_name FROM users u WHERE id = ?"
        row = await self._db.read(lambda conn: conn.execute(query, (user_id,)).fetchone())
        return None if row is None else _profile(row)

    async def update_profile(
        self,
        user_id: int,
        change: ProfileChange,
        *,
        email: str,
        now_ms: int,
        record: Callable[[Profile, Profile], OutboxRecord],
    ) -> Profile:
        def apply(conn: sqlite3.Connection) -> tuple[Profile, OutboxRecord | None]:
            before = _profile(
                conn.execute(
                    f"SELECT {_USER}, u.first_name, u.last_name FROM users u WHERE id = ?", (user_id,)
                ).fetchone()
            )
            after = _changed(before, change)
            if after == before:
                return before, None
            if after.user.username != before.user.username and after.user.kind is UserKind.PERSON:
                conn.execute("DELETE FROM reservations WHERE until_ms <= ?", (now_ms,))
                if not _is_free(conn, after.user.username, email):
                    raise UsernameTaken
            _update_profile(conn, after)
            told = record(before, after)
            append(conn, told)
            return after, told

        profile, _ = await self._db.write(apply, on_commit=self._tell)
        return profile

    async def tell(self, record: OutboxRecord) -> None:
        await self._change(lambda conn: None, record)

    async def remember_identity_keys(self, user_id: int, keys: Collection[str], *, record: OutboxRecord) -> list[str]:
        def change(conn: sqlite3.Connection) -> tuple[list[str], OutboxRecord | None]:
            added = conn.executemany(
                "INSERT OR IGNORE INTO identity_keys (user_id, key) VALUES (?, ?)", [(user_id, key) for key in keys]
            ).rowcount
            if added > 0:
                append(conn, record)
            rows = conn.execute("SELECT key FROM identity_keys WHERE user_id = ? ORDER BY key", (user_id,))
            return [key for (key,) in rows], record if added > 0 else None

        known, _ = await self._db.write(change, on_commit=self._tell)
        return known

    async def known(self, subject: str, *, sid: str, issued_at_s: int) -> Known:
        def load(conn: sqlite3.Connection) -> Known:
            row = conn.execute(f"SELECT {_USER} FROM users u WHERE subject = ?", (subject,)).fetchone()
            (revoked,) = conn.execute(
                "SELECT EXISTS (SELECT 1 FROM revoked_sessions WHERE sid = ?1)"
                " OR EXISTS (SELECT 1 FROM revoked_subjects WHERE subject = ?2 AND issued_at_s >= ?3 AND but_sid <> ?1)"
                " OR EXISTS (SELECT 1 FROM deletions WHERE subject = ?2)",
                (sid, subject, issued_at_s),
            ).fetchone()
            return Known(None if row is None else _user(row), bool(revoked))

        return await self._db.read(load)

    async def provision(self, person: NewPerson, user_id: int, *, now_ms: int) -> User:
        def change(conn: sqlite3.Connection) -> User:
            row = conn.execute(f"SELECT {_USER} FROM users u WHERE subject = ?", (person.subject,)).fetchone()
            if row is not None:
                return _user(row)
            conn.execute("DELETE FROM reservations WHERE until_ms <= ?", (now_ms,))
            username = _username_for(conn, person, user_id)
            conn.execute("DELETE FROM reservations WHERE username = ?", (username,))
            user = User(user_id, UserKind.PERSON, username, person.global_name, subject=person.subject)
            _insert_user(conn, user)
            return user

        return await self._db.write(change)

    async def revoke_session(self, sid: str, *, now_ms: int, until_ms: int, record: OutboxRecord | None) -> None:
        def change(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM revoked_sessions WHERE until_ms <= ?", (now_ms,))
            conn.execute("INSERT OR REPLACE INTO revoked_sessions (sid, until_ms) VALUES (?, ?)", (sid, until_ms))

        await self._change(change, record)

    async def revoke_account(
        self, revoked: RevokedAccount, *, now_ms: int, until_ms: int, record: OutboxRecord
    ) -> None:
        def change(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM revoked_sessions WHERE until_ms <= ?", (now_ms,))
            conn.executemany(
                "INSERT OR REPLACE INTO revoked_sessions (sid, until_ms) VALUES (?, ?)",
                [(sid, until_ms) for sid in revoked.sids],
            )
            conn.execute(
                "INSERT INTO revoked_subjects (subject, issued_at_s, but_sid) VALUES (?, ?, ?) ON CONFLICT DO UPDATE"
                " SET issued_at_s = max(issued_at_s, excluded.issued_at_s), but_sid = excluded.but_sid",
                (revoked.subject, revoked.issued_at_s, revoked.but_sid),
            )

        await self._change(change, record)

    async def create_bot(self, bot: Bot, token: BotToken, *, idempotency_key: str, limit: int) -> tuple[Bot, bool]:
        def change(conn: sqlite3.Connection) -> tuple[Bot, bool]:
            earlier = conn.execute(
                f"{_FROM_BOTS} WHERE b.owner_id = ? AND b.idempotency_key = ?", (bot.owner_id, idempotency_key)
            ).fetchone()
            if earlier is not None:
                return _bot(earlier), False
            (owned,) = conn.execute("SELECT count(*) FROM bots WHERE owner_id = ?", (bot.owner_id,)).fetchone()
            if owned >= limit:
                raise TooManyBots
            _insert_user(conn, bot.user)
            conn.execute(
                "INSERT INTO bots (id, owner_id, name, description, is_public, token_id, token_sha256, idempotency_key)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    bot.user.id,
                    bot.owner_id,
                    bot.name,
                    bot.description,
                    bot.is_public,
                    token.token_id,
                    token.digest(),
                    idempotency_key or None,
                ),
            )
            return bot, True

        return await self._db.write(change)

    async def bots_of(self, owner_id: int) -> list[Bot]:
        query = f"{_FROM_BOTS} WHERE b.owner_id = ? ORDER BY b.id"
        rows = await self._db.read(lambda conn: conn.execute(query, (owner_id,)).fetchall())
        return [_bot(row) for row in rows]

    async def bot(self, bot_id: int) -> Bot | None:
        row = await self._db.read(lambda conn: conn.execute(f"{_FROM_BOTS} WHERE b.id = ?", (bot_id,)).fetchone())
        return None if row is None else _bot(row)

    async def bot_with_token(self, token: BotToken) -> Bot | None:
        query = f"SELECT {_BOT}, b.token_sha256 FROM bots b JOIN users u USING (id) WHERE b.id = ?"
        row = await self._db.read(lambda conn: conn.execute(query, (token.user_id,)).fetchone())
        if row is None or not hmac.compare_digest(row[-1], token.digest()):
            return None
        return _bot(row[:-1])

    async def replace_bot_token(
        self, bot_id: int, token: BotToken, revoked: Callable[[str], OutboxRecord]
    ) -> OutboxRecord:
        def change(conn: sqlite3.Connection) -> OutboxRecord:
            (token_id,) = conn.execute("SELECT token_id FROM bots WHERE id = ?", (bot_id,)).fetchone()
            conn.execute(
                "UPDATE bots SET token_id = ?, token_sha256 = ? WHERE id = ?", (token.token_id, token.digest(), bot_id)
            )
            record = revoked(token_id)
            append(conn, record)
            return record

        return await self._db.write(change, on_commit=self._committed)

    def _tell(self, result: tuple[object, OutboxRecord | None]) -> None:
        if result[1] is not None:
            self._committed(result[1])

    async def _one_user(self, condition: str, value: str) -> User | None:
        query = f"SELECT {_USER} FROM users u WHERE {condition}"
        row = await self._db.read(lambda conn: conn.execute(query, (value,)).fetchone())
        return None if row is None else _user(row)

    async def _change(self, change: Callable[[sqlite3.Connection], None], record: OutboxRecord | None) -> None:
        if record is None:
            await self._db.write(change)
            return

        def with_record(conn: sqlite3.Connection) -> OutboxRecord:
            change(conn)
            append(conn, record)
            return record

        await self._db.write(with_record, on_commit=self._committed)


def _insert_user(conn: sqlite3.Connection, user: User) -> None:
    conn.execute(
        "INSERT INTO users (id, kind, username, global_name, avatar, public_flags, subject)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (user.id, user.kind.value, user.username, user.global_name, user.avatar, user.public_flags, user.subject),
    )


def _is_free(conn: sqlite3.Connection, username: str, email: str) -> bool:
    (taken,) = conn.execute(
        "SELECT EXISTS (SELECT 1 FROM users WHERE username = ? AND kind = 'person')"
        " OR EXISTS (SELECT 1 FROM reservations WHERE username = ? AND email <> ?)",
        (username, username, email),
    ).fetchone()
    return not taken


def _username_for(conn: sqlite3.Connection, person: NewPerson, user_id: int) -> str:
    try:
        username = parse_username(person.preferred_username)
    except InvalidArgument:
        return derive_username(person.preferred_username, user_id)
    return username if _is_free(conn, username, person.email) else derive_username(username, user_id)
