"""Mail is queued in the transaction that causes it, and sent later (never in a request): nothing is lost in a crash.

Lives in whichever database has the cause: it is a table, two functions over a connection, and one relay task.
"""

import asyncio
import logging
import sqlite3
from typing import Final

from services.common.clock import Clock
from services.common.errors import BeepError
from services.common.sqlite import Database
from services.users.mail.ports import Mail, MailSender

logger = logging.getLogger(__name__)

MIGRATION: Final = """
    -- `failed_at`: given up; kept for the operator.
    CREATE TABLE mail_outbox (
        id TEXT PRIMARY KEY,
        recipient TEXT NOT NULL,
        subject TEXT NOT NULL,
        body TEXT NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        due_at INTEGER NOT NULL,
        failed_at INTEGER
    ) STRICT;
    CREATE INDEX mail_outbox_due ON mail_outbox (due_at) WHERE failed_at IS NULL;
"""

BATCH: Final = 50
MAX_ATTEMPTS: Final = 12
SEND_TIMEOUT_S: Final = 30
SWEEP_S: Final = 5.0
"""How often the queue is looked at without a call of `wake`: for retries, and for what a crash left behind."""
_FIRST_RETRY_MS: Final = 5_000
_LONGEST_RETRY_MS: Final = 3_600_000


def put(conn: sqlite3.Connection, mail: Mail, *, now_ms: int) -> None:
    """Queue a mail inside the caller's transaction."""
    conn.execute(
        "INSERT INTO mail_outbox (id, recipient, subject, body, due_at) VALUES (?, ?, ?, ?, ?)",
        (mail.id, mail.to, mail.subject, mail.text, now_ms),
    )


def _due(conn: sqlite3.Connection, now_ms: int) -> list[tuple[Mail, int]]:
    rows = conn.execute(
        "SELECT id, recipient, subject, body, attempts FROM mail_outbox"
        " WHERE failed_at IS NULL AND due_at <= ? ORDER BY due_at LIMIT ?",
        (now_ms, BATCH),
    ).fetchall()
    return [(Mail(*fields), attempts) for *fields, attempts in rows]


class MailRelay:
    """Sends what is queued, oldest first; what fails is tried again with doubling delays, MAX_ATTEMPTS times."""

    def __init__(self, db: Database, sender: MailSender, clock: Clock) -> None:
        self._db = db
        self._sender = sender
        self._clock = clock
        self._awake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send, what an earlier run left behind first."""
        self._task = asyncio.create_task(self._run(), name="mail-relay")

    def wake(self) -> None:
        """Something was queued and committed."""
        self._awake.set()

    async def close(self) -> None:
        """Stop. What is queued stays queued."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def drain(self) -> None:
        """Send everything that is due now."""
        while due := await self._db.read(lambda conn: _due(conn, self._clock.now_ms())):
            for mail, attempts in due:
                await self._send(mail, attempts)

    async def _run(self) -> None:
        while True:
            self._awake.clear()
            try:
                await self.drain()
            except (sqlite3.Error, BeepError):
                logger.exception("mail_queue_unreadable")
            try:
                async with asyncio.timeout(SWEEP_S):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _send(self, mail: Mail, attempts: int) -> None:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                await self._sender.send(mail)
        except OSError as error:  # TimeoutError is one
            await self._postpone(mail, attempts + 1, error)
        else:
            await self._db.write(lambda conn: conn.execute("DELETE FROM mail_outbox WHERE id = ?", (mail.id,)))

    async def _postpone(self, mail: Mail, attempts: int, error: OSError) -> None:
        now = self._clock.now_ms()
        delay = min(_FIRST_RETRY_MS * 2 ** (attempts - 1), _LONGEST_RETRY_MS)
        given_up = now if attempts >= MAX_ATTEMPTS else None
        logger.warning("mail_not_sent", extra={"mail_id": mail.id, "attempts": attempts, "error": repr(error)})
        await self._db.write(
            lambda conn: conn.execute(
                "UPDATE mail_outbox SET attempts = ?, due_at = ?, failed_at = ? WHERE id = ?",
                (attempts, now + delay, given_up, mail.id),
            )
        )
