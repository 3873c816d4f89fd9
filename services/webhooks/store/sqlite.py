"""Webhooks in one SQLite file."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final

import msgspec

from services.common.bus import INBOX_DDL
from services.common.limits import IDEMPOTENCY_LIFETIME
from services.common.outbox import OUTBOX_DDL, OutboxRecord, append
from services.common.sqlite import Database
from services.webhooks.domain.errors import TooManyWebhooks, UnknownChannel, UnknownWebhook
from services.webhooks.domain.webhook import Webhook
from services.webhooks.store.ports import IdempotencyKey

MIGRATIONS: Final = (
    OUTBOX_DDL
    + INBOX_DDL
    + """
CREATE TABLE webhooks (
    id INTEGER PRIMARY KEY,
    server_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    creator_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    avatar TEXT NOT NULL,
    token TEXT NOT NULL,
    revision INTEGER NOT NULL
);
CREATE INDEX webhooks_channel ON webhooks (channel_id);
CREATE INDEX webhooks_server ON webhooks (server_id);

CREATE TABLE gone_channels (
    channel_id INTEGER PRIMARY KEY
);

CREATE TABLE results (
    user_id INTEGER NOT NULL,
    channel_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    webhook_id INTEGER NOT NULL,
    created_at_ms INTEGER NOT NULL,
    PRIMARY KEY (user_id, channel_id, key)
) WITHOUT ROWID;
CREATE INDEX results_age ON results (created_at_ms);
""",
)

_COLUMNS: Final = "id, server_id, channel_id, creator_id, name, avatar, token, revision"
_SELECT: Final = f"SELECT {_COLUMNS} FROM webhooks"
_INSERT: Final = f"INSERT INTO webhooks ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"

_encode_ids: Final = msgspec.json.Encoder().encode


class SqliteWebhookStore:
    """Implements `WebhookStore`. `notify` is the relay's: it hears of each record in the order of the commits."""

    def __init__(self, db: Database, notify: Callable[[OutboxRecord], None]) -> None:
        self._db = db
        self._notify = notify

    async def get(self, webhook_id: int) -> Webhook | None:
        return await self._db.read(lambda conn: _get(conn, webhook_id))

    async def of_channel(self, channel_id: int) -> list[Webhook]:
        return await self._all("channel_id", channel_id)

    async def of_server(self, server_id: int) -> list[Webhook]:
        return await self._all("server_id", server_id)

    async def add(
        self, webhook: Webhook, record: OutboxRecord, *, most: int, key: IdempotencyKey | None, now_ms: int
    ) -> Webhook:
        def write(conn: sqlite3.Connection) -> Webhook:
            if key is not None and not _claim(conn, key, webhook.id, now_ms):
                return _first(conn, key)
            _require_room(conn, webhook.channel_id, most)
            conn.execute(_INSERT, _row(webhook))
            append(conn, record)
            return webhook

        def committed(stored: Webhook) -> None:
            if stored is webhook:
                self._notify(record)

        return await self._db.write(write, on_commit=committed)

    async def replace(self, webhook: Webhook, record: OutboxRecord, *, most: int) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            old = _get(conn, webhook.id)
            if old is None or old.revision != webhook.revision - 1:
                return False
            if old.channel_id != webhook.channel_id:
                _require_room(conn, webhook.channel_id, most)
            conn.execute(
                "UPDATE webhooks SET channel_id = ?, name = ?, avatar = ?, revision = ? WHERE id = ?",
                (webhook.channel_id, webhook.name, webhook.avatar, webhook.revision, webhook.id),
            )
            append(conn, record)
            return True

        return await self._write(write, record)

    async def delete(self, webhook: Webhook, record: OutboxRecord) -> bool:
        def write(conn: sqlite3.Connection) -> bool:
            done = conn.execute("DELETE FROM webhooks WHERE id = ? AND revision = ?", (webhook.id, webhook.revision))
            if not done.rowcount:
                return False
            append(conn, record)
            return True

        return await self._write(write, record)

    async def drop_channels(
        self, channel_ids: Collection[int], tell: Callable[[Sequence[Webhook]], OutboxRecord | None]
    ) -> None:
        ids = _encode_ids(list(channel_ids)).decode()

        def write(conn: sqlite3.Connection) -> OutboxRecord | None:
            conn.execute("INSERT OR IGNORE INTO gone_channels SELECT value FROM json_each(?)", (ids,))
            gone = f"DELETE FROM webhooks WHERE channel_id IN (SELECT value FROM json_each(?)) RETURNING {_COLUMNS}"
            webhooks = [_webhook(row) for row in conn.execute(gone, (ids,)).fetchall()]
            record = tell(webhooks)
            if record is not None:
                append(conn, record)
            return record

        def committed(record: OutboxRecord | None) -> None:
            if record is not None:
                self._notify(record)

        await self._db.write(write, on_commit=committed)

    async def _write(self, write: Callable[[sqlite3.Connection], bool], record: OutboxRecord) -> bool:
        def committed(done: bool) -> None:
            if done:
                self._notify(record)

        return await self._db.write(write, on_commit=committed)

    async def _all(self, column: str, value: int) -> list[Webhook]:
        sql = f"{_SELECT} WHERE {column} = ? ORDER BY id"
        rows = await self._db.read(lambda conn: conn.execute(sql, (value,)).fetchall())
        return [_webhook(row) for row in rows]


def _get(conn: sqlite3.Connection, webhook_id: int) -> Webhook | None:
    row = conn.execute(f"{_SELECT} WHERE id = ?", (webhook_id,)).fetchone()
    return None if row is None else _webhook(row)


def _claim(conn: sqlite3.Connection, key: IdempotencyKey, webhook_id: int, now_ms: int) -> bool:
    """Whether nobody used the key within its lifetime; then it stands for this webhook."""
    conn.execute("DELETE FROM results WHERE created_at_ms <= ?", (now_ms - 1000 * IDEMPOTENCY_LIFETIME,))
    done = conn.execute(
        "INSERT OR IGNORE INTO results VALUES (?, ?, ?, ?, ?)",
        (key.user_id, key.channel_id, key.key, webhook_id, now_ms),
    )
    return done.rowcount == 1


def _first(conn: sqlite3.Connection, key: IdempotencyKey) -> Webhook:
    (webhook_id,) = conn.execute(
        "SELECT webhook_id FROM results WHERE user_id = ? AND channel_id = ? AND key = ?",
        (key.user_id, key.channel_id, key.key),
    ).fetchone()
    first = _get(conn, webhook_id)
    if first is None:
        raise UnknownWebhook
    return first


def _require_room(conn: sqlite3.Connection, channel_id: int, most: int) -> None:
    if conn.execute("SELECT 1 FROM gone_channels WHERE channel_id = ?", (channel_id,)).fetchone():
        raise UnknownChannel
    (count,) = conn.execute("SELECT count(*) FROM webhooks WHERE channel_id = ?", (channel_id,)).fetchone()
    if count >= most:
        raise TooManyWebhooks


def _row(webhook: Webhook) -> tuple[object, ...]:
    return (
        webhook.id,
        webhook.server_id,
        webhook.channel_id,
        webhook.creator_id,
        webhook.name,
        webhook.avatar,
        webhook.token,
        webhook.revision,
    )


def _webhook(row: Sequence[Any]) -> Webhook:
    webhook_id, server_id, channel_id, creator_id, name, avatar, token, revision = row
    return Webhook(
        id=webhook_id,
        server_id=server_id,
        channel_id=channel_id,
        creator_id=creator_id,
        name=name,
        avatar=avatar,
        token=token,
        revision=revision,
    )
