"""The embedded bus: a log in one SQLite file, and subscribers in the same event loop.

The hot path is publish → append (shared with whoever publishes at the same time) → the very envelope that was
published lands in the buffers of its subscribers, in the loop iteration that learns of the commit. The disk is read
only by those who come back (`fetch`, `read`, `subscribe(after=…)`) or fall behind.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final, Self

import msgspec

from services.common.bus.ports import (
    MAX_ENVELOPE_BYTES,
    RETENTION_ENTRIES,
    RETENTION_SECONDS,
    Envelope,
    EnvelopeRejected,
    HistoryLost,
    Record,
    Subscription,
    decode_envelope,
    encode_envelope,
)
from services.common.clock import Clock
from services.common.errors import BeepError, Unavailable
from services.common.sqlite import Database

logger = logging.getLogger(__name__)

# Offsets are contiguous: SQLite continues behind the largest rowid, and the trim never takes the newest entry.
# The epoch is made with the file, so a file that was removed comes back with another one.
_MIGRATIONS: Final = (
    """
    CREATE TABLE log (
        offset INTEGER PRIMARY KEY,
        event_id INTEGER NOT NULL UNIQUE,
        at_ms INTEGER NOT NULL,
        shard TEXT NOT NULL,
        envelope BLOB NOT NULL
    );
    CREATE INDEX log_by_shard ON log (shard, offset);
    CREATE TABLE epoch (epoch TEXT NOT NULL);
    INSERT INTO epoch VALUES (lower(hex(randomblob(16))));
    """,
)

_INSERT: Final = (
    "INSERT INTO log (event_id, at_ms, shard, envelope) VALUES (?, ?, ?, ?) ON CONFLICT (event_id) DO NOTHING"
)
# The inner query runs in the index alone: the envelopes of those that are sorted away are never touched.
_READ: Final = """
    SELECT offset, envelope FROM log WHERE offset IN (
        SELECT offset FROM log WHERE shard IN (SELECT value FROM json_each(?)) AND offset > ? ORDER BY offset LIMIT ?
    ) ORDER BY offset
"""
_FETCH: Final = "SELECT offset, envelope FROM log WHERE offset IN (SELECT value FROM json_each(?)) ORDER BY offset"

_PAGE: Final = 256
_MAX_BUFFERED_ENTRIES: Final = 4_096
_MAX_BUFFERED_BYTES: Final = 16 << 20
_TRIM_SECONDS: Final = 60.0
_TRIM_CHUNK: Final = 1_000
_RETRY_SECONDS: Final = 0.5

_encode_json: Final = msgspec.json.Encoder().encode


class SqliteBus:
    """Implements `services.common.bus.Bus`. The process that opens it is the file's only one."""

    def __init__(
        self, db: Database, clock: Clock, *, epoch: str, head: int, retention_seconds: int, retention_entries: int
    ) -> None:
        """Use `open`."""
        self._db = db
        self._clock = clock
        self._epoch = epoch
        self._head = head
        self._retention_ms = retention_seconds * 1000
        self._retention_entries = max(1, retention_entries)
        self._by_shard: dict[str, set[SqliteSubscription]] = {}
        self._subscriptions: set[SqliteSubscription] = set()
        self._trimmer = asyncio.create_task(self._keep_trimming(), name="bus-trim")

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        retention_seconds: int = RETENTION_SECONDS,
        retention_entries: int = RETENTION_ENTRIES,
    ) -> Self:
        """Open or create the log.

        Raises:
            BeepError: as `Database.open`.
        """
        db = await Database.open(path, _MIGRATIONS)
        epoch, head = await db.read(
            lambda conn: conn.execute("SELECT epoch, (SELECT coalesce(max(offset), 0) FROM log) FROM epoch").fetchone()
        )
        return cls(
            db,
            clock,
            epoch=epoch,
            head=head,
            retention_seconds=retention_seconds,
            retention_entries=retention_entries,
        )

    @property
    def epoch(self) -> str:
        return self._epoch

    def head(self) -> int:
        return self._head

    async def publish(self, envelopes: Sequence[Envelope]) -> list[int]:
        now_ms = self._clock.now_ms()
        rows = [(envelope.event_id, now_ms, envelope.shard, _encode(envelope)) for envelope in envelopes]
        if not rows:
            return []

        def deliver(appended: tuple[list[int], list[int]]) -> None:
            offsets, fresh = appended
            for index in fresh:
                self._deliver(Record(offsets[index], envelopes[index]))

        # Delivered by the commit and not by this coroutine: its caller may be cancelled, the subscribers are not.
        offsets, _ = await self._db.write(lambda conn: _append(conn, rows), on_commit=deliver)
        return offsets

    def subscribe(self, shards: Collection[str], after: int | None = None) -> Subscription:
        if self._trimmer.done():
            raise Unavailable("BUS_CLOSED", "The bus is closed.")
        subscription = SqliteSubscription(self, shards, after)
        self._subscriptions.add(subscription)
        return subscription

    async def read(self, shards: Collection[str], after: int, limit: int) -> list[Record]:
        names = _encode_json(list(shards)).decode()

        def select(conn: sqlite3.Connection) -> list[tuple[int, bytes]]:
            first, last = conn.execute("SELECT min(offset), max(offset) FROM log").fetchone()
            floor = first - 1 if first else 0
            if not floor <= after <= (last or 0):
                raise HistoryLost(after, floor)
            return conn.execute(_READ, (names, after, limit)).fetchall()

        return _decode(await self._db.read(select))

    async def fetch(self, offsets: Collection[int]) -> list[Record]:
        wanted = _encode_json(list(offsets)).decode()
        return _decode(await self._db.read(lambda conn: conn.execute(_FETCH, (wanted,)).fetchall()))

    async def trim(self) -> int:
        """Forget what is past the retention and return how many entries that were. Runs by itself every minute."""
        horizon_ms = self._clock.now_ms() - self._retention_ms
        total = 0
        # In small writes, so that no publisher waits long behind one.
        while trimmed := await self._db.write(lambda conn: _trim(conn, self._retention_entries, horizon_ms)):
            total += trimmed
        return total

    async def close(self) -> None:
        self._trimmer.cancel()
        await asyncio.gather(self._trimmer, return_exceptions=True)
        await self._db.close()
        for subscription in list(self._subscriptions):
            subscription.close()

    def attach(self, subscription: "SqliteSubscription", shard: str) -> None:
        """For subscriptions: deliver the shard's entries to it."""
        self._by_shard.setdefault(shard, set()).add(subscription)

    def detach(self, subscription: "SqliteSubscription", shard: str) -> None:
        """For subscriptions: the opposite of `attach`."""
        readers = self._by_shard.get(shard)
        if readers is not None:
            readers.discard(subscription)
            if not readers:
                del self._by_shard[shard]

    def forget(self, subscription: "SqliteSubscription") -> None:
        """For subscriptions: it is closed."""
        self._subscriptions.discard(subscription)

    async def pause(self, seconds: float) -> None:
        """For subscriptions: before the log is read again."""
        await self._clock.sleep(seconds)

    def _deliver(self, record: Record) -> None:
        self._head = record.offset
        for subscription in self._by_shard.get(record.envelope.shard, ()):
            subscription.offer(record)

    async def _keep_trimming(self) -> None:
        while True:
            await self._clock.sleep(_TRIM_SECONDS)
            try:
                await self.trim()
            except BeepError as error:
                # The log grows until the next try; publishing reports the same fault to those who can act on it.
                logger.warning("bus_trim_failed", extra={"error": error})


class SqliteSubscription:
    """Implements `services.common.bus.Subscription`.

    It is either *live*, fed by the bus into a bounded buffer, or *behind*, reading pages of the log from its position.
    """

    def __init__(self, bus: SqliteBus, shards: Collection[str], after: int | None) -> None:
        self._bus = bus
        self._position = bus.head() if after is None else after
        """Everything up to here was handed out, or is not for us."""
        self._since = dict.fromkeys(shards, self._position)
        """Our shards, and the offset up to which each was not yet ours."""
        self._behind = after is not None
        self._buffer: list[Record] = []
        self._buffered_bytes = 0
        self._waiter: asyncio.Future[None] | None = None
        self._closed = False
        for shard in self._since:
            bus.attach(self, shard)

    def add(self, shard: str) -> None:
        if not self._closed and shard not in self._since:
            self._since[shard] = self._bus.head()
            self._bus.attach(self, shard)

    def discard(self, shard: str) -> None:
        if self._since.pop(shard, None) is not None:
            self._bus.detach(self, shard)
            self._buffer = [record for record in self._buffer if record.envelope.shard != shard]
            self._buffered_bytes = sum(len(record.envelope.body) for record in self._buffer)

    def close(self) -> None:
        self._closed = True
        for shard in self._since:
            self._bus.detach(self, shard)
        self._since.clear()
        self._buffer.clear()
        self._bus.forget(self)
        self._wake()

    def offer(self, record: Record) -> None:
        """For the bus: the next entry of one of our shards."""
        if self._behind:
            return  # it will be read from the log
        self._buffered_bytes += len(record.envelope.body)
        if len(self._buffer) >= _MAX_BUFFERED_ENTRIES or self._buffered_bytes > _MAX_BUFFERED_BYTES:
            self._fall_behind(record)
        else:
            self._buffer.append(record)
        self._wake()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Record]:
        while not self._closed:
            batch = await self._read_on() if self._behind else self._take()
            if batch:
                return batch
            # During a read entries may have come into the buffer, whose arrival nobody was waiting for; or the end.
            if not self._behind and not self._buffer and not self._closed:
                await self._arrival()
        raise StopAsyncIteration

    def _take(self) -> list[Record]:
        batch, self._buffer = self._buffer, []
        self._buffered_bytes = 0
        if batch:
            self._position = batch[-1].offset
        return batch

    def _fall_behind(self, record: Record) -> None:
        # The first entry that was not handed out, rather than the last that was: in a quiet shard that one
        # may be long trimmed although nothing was missed.
        self._position = (self._buffer[0] if self._buffer else record).offset - 1
        self._behind = True
        self._buffer.clear()
        self._buffered_bytes = 0

    async def _read_on(self) -> list[Record]:
        """One page of the log; live again when it reaches to what the buffer has.

        What is published while the page is being read goes to the buffer (we are live in the meantime). The page may
        have some of it too, but not of a shard that was added meanwhile: so of what is behind the head at the start,
        only the buffer counts.
        """
        horizon, start = self._bus.head(), self._position
        self._behind = False
        complete = False
        try:
            page = await self._page()
            complete = len(page) < _PAGE or page[-1].offset > horizon
        finally:
            if not complete:
                self._position = start  # the buffer may have overflowed meanwhile and moved it
                self._behind = True
                self._buffer.clear()
                self._buffered_bytes = 0
        # Also when the buffer has overflowed: then the next page begins where this one ends.
        self._position = max(start, horizon) if complete else page[-1].offset
        # Shards may have come and gone during the read, and came after what the page says of them.
        return [
            record
            for record in page
            if record.offset <= horizon and record.offset > self._since.get(record.envelope.shard, record.offset)
        ]

    async def _page(self) -> list[Record]:
        """Raises HistoryLost. Any other failure is the disk's, and waiting for it loses nothing."""
        while not self._closed:
            try:
                return await self._bus.read(self._since, self._position, _PAGE)
            except Unavailable as error:
                logger.warning("bus_read_failed", extra={"error": error})
                await self._bus.pause(_RETRY_SECONDS)
        return []

    async def _arrival(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _encode(envelope: Envelope) -> bytes:
    encoded = encode_envelope(envelope)
    if len(encoded) > MAX_ENVELOPE_BYTES:
        raise EnvelopeRejected(
            "ENVELOPE_TOO_LARGE",
            f"{envelope.type} {envelope.event_id} has {len(encoded)} bytes, {MAX_ENVELOPE_BYTES} are allowed.",
        )
    return encoded


def _append(conn: sqlite3.Connection, rows: list[tuple[int, int, str, bytes]]) -> tuple[list[int], list[int]]:
    """Append what is new; return each row's offset, and which rows were new."""
    offsets: list[int] = []
    fresh: list[int] = []
    for index, row in enumerate(rows):
        cursor = conn.execute(_INSERT, row)
        if cursor.rowcount:
            fresh.append(index)
            offsets.append(cursor.lastrowid or 0)
        else:
            offsets.extend(conn.execute("SELECT offset FROM log WHERE event_id = ?", row[:1]).fetchone())
    return offsets, fresh


def _trim(conn: sqlite3.Connection, keep_entries: int, horizon_ms: int) -> int:
    """Delete a chunk of the oldest entries that nothing keeps; return how many."""
    oldest = conn.execute(
        "SELECT offset, at_ms FROM log WHERE offset <= (SELECT max(offset) FROM log) - ? ORDER BY offset LIMIT ?",
        (keep_entries, _TRIM_CHUNK),
    )
    last = 0
    for offset, at_ms in oldest:
        if at_ms >= horizon_ms:
            break
        last = offset
    return conn.execute("DELETE FROM log WHERE offset <= ?", (last,)).rowcount


def _decode(rows: list[tuple[int, bytes]]) -> list[Record]:
    return [Record(offset, decode_envelope(envelope)) for offset, envelope in rows]
