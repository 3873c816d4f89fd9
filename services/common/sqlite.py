"""One SQLite file behind asyncio: durable writes with group commit, snapshot reads, versioned migrations.

Writes. One thread owns the only connection that writes. It takes everything that has queued while the last commit
was reaching the disk, runs it in one transaction, and commits once: under load the cost of fsync is shared, at rest
nobody waits for company. Each function has its own savepoint, so one that fails takes nothing with it.

Reads. A few threads with read-only connections; each function sees one snapshot, and everything that was
acknowledged before it was asked for.

Mostly the file belongs to one process, and the writer's queue is what orders changes. Where several share one, only
SQLite's lock orders theirs: each function then has to be right whatever another process committed just before.
"""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, Literal, Self, TypeVar

from services.common.errors import BeepError, Internal, Unavailable

T = TypeVar("T")

Synchronous = Literal["FULL", "NORMAL"]

logger = logging.getLogger(__name__)

MAX_BATCH: Final = 256
"""Functions in one transaction: bounds what the first of them waits for the last."""

_BUSY_TIMEOUT_MS: Final = 5_000
_WAL_CONTESTS: Final = 20
_CACHE_KIB: Final = 8_192
_CHECKPOINT_PAGES: Final = 2_000
_CACHED_STATEMENTS: Final = 512

_EXPLAINED: Final[dict[int, tuple[type[BeepError], str, str]]] = {
    sqlite3.SQLITE_FULL: (Unavailable, "STORE_FULL", "The disk is full; nothing was stored."),
    sqlite3.SQLITE_BUSY: (Unavailable, "STORE_LOCKED", "Another process holds the database."),
    sqlite3.SQLITE_LOCKED: (Unavailable, "STORE_LOCKED", "Another connection holds the table."),
    sqlite3.SQLITE_IOERR: (Unavailable, "STORE_IO_ERROR", "The disk failed."),
    sqlite3.SQLITE_CANTOPEN: (Unavailable, "STORE_IO_ERROR", "The database file cannot be opened."),
    sqlite3.SQLITE_READONLY: (Unavailable, "STORE_READ_ONLY", "The database file cannot be written."),
    sqlite3.SQLITE_CORRUPT: (Internal, "STORE_CORRUPT", "The database file is damaged; restore it from a backup."),
    sqlite3.SQLITE_NOTADB: (Internal, "STORE_CORRUPT", "The file is not a SQLite database."),
}


class _Job:
    """A function on its way through a thread, and then what came of it."""

    __slots__ = ("error", "fn", "future", "on_commit", "result")

    def __init__(
        self,
        fn: Callable[[sqlite3.Connection], Any],
        future: asyncio.Future[Any],
        on_commit: Callable[[Any], None] | None = None,
    ) -> None:
        self.fn = fn
        self.future = future
        self.on_commit = on_commit
        self.result: Any = None
        self.error: BaseException | None = None


class Database:
    """One file, one writer, a few readers. Its methods are for the event loop that opened it."""

    def __init__(self, path: Path, synchronous: Synchronous, readers: int, max_queued: int) -> None:
        """Use `open`."""
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._synchronous = synchronous
        self._reader_count = readers
        self._max_queued = max_queued
        self._writes: SimpleQueue[_Job | None] = SimpleQueue()
        self._reads: SimpleQueue[_Job | None] = SimpleQueue()
        self._queued_writes = 0
        self._queued_reads = 0
        self._failure: BeepError | None = None
        self._closed = False
        self._connections: list[sqlite3.Connection] = []
        self._threads: list[threading.Thread] = []

    @classmethod
    async def open(
        cls,
        path: Path,
        migrations: Sequence[str],
        *,
        synchronous: Synchronous = "FULL",
        readers: int = 2,
        max_queued: int = 4_096,
    ) -> Self:
        """Open the file, create it if it is missing, and bring its schema up to date.

        Args:
            path: the file; its directory exists.
            migrations: SQL scripts; the n-th takes the schema from version n - 1 to n. Scripts that were released
                are never edited, only followed by new ones.
            synchronous: FULL: an acknowledged write survives the loss of power. NORMAL: it survives the death
                of the process only; for what can be rebuilt from another store, and say there from which.
            readers: how many reads run at the same time.
            max_queued: how many writes (and, apart from them, reads) may wait before more are refused.

        Raises:
            BeepError: STORE_TOO_NEW, STORE_MIGRATION_FAILED, STORE_CORRUPT, STORE_LOCKED, STORE_IO_ERROR …
        """
        database = cls(path, synchronous, readers, max_queued)
        await asyncio.to_thread(database._start, migrations)
        return database

    async def write(self, fn: Callable[[sqlite3.Connection], T], *, on_commit: Callable[[T], None] | None = None) -> T:
        """Run `fn` in a transaction and return its result once that is on the disk.

        Functions run, commit and answer in the order in which they were handed in. `fn` runs in the writer's
        thread: it may use the connection and what it closes over, never begin, commit or roll back, and is
        short, for every other write waits behind it. What it raises is raised here and only its own changes are undone.
        If the caller is cancelled, `fn` may still run and commit, unless it had not begun.

        Args:
            fn: gets the connection.
            on_commit: called with the result on the event loop, in the order of the commits, whether or not
                the caller still waits: what must follow a commit (publishing it) belongs here. It must not raise.

        Raises:
            BeepError: STORE_OVERLOADED, STORE_CLOSED, STORE_FULL, STORE_LOCKED, STORE_IO_ERROR, STORE_CORRUPT.
            sqlite3.IntegrityError: as `fn` let it through.
        """
        return await self.submit(fn, on_commit=on_commit)

    def submit(
        self, fn: Callable[[sqlite3.Connection], T], *, on_commit: Callable[[T], None] | None = None
    ) -> Awaitable[T]:
        """As `write`, and `fn` has its place in the order when this returns, before anything is awaited."""
        self._check(self._queued_writes)
        if self._failure is not None:
            raise self._failure
        job = _Job(fn, self._loop.create_future(), on_commit)
        self._queued_writes += 1
        self._writes.put(job)
        return job.future

    async def read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        """Run `fn` over one read-only snapshot, which holds every write that was acknowledged before the call.

        Raises:
            BeepError: STORE_OVERLOADED, STORE_CLOSED, STORE_LOCKED, STORE_IO_ERROR, STORE_CORRUPT.
        """
        self._check(self._queued_reads)
        job = _Job(fn, self._loop.create_future())
        self._queued_reads += 1
        self._reads.put(job)
        result: T = await job.future
        return result

    async def close(self) -> None:
        """Finish what was queued, then release the file. Calling it again does nothing."""
        if self._closed:
            return
        self._closed = True
        self._writes.put(None)
        for _ in range(self._reader_count):
            self._reads.put(None)
        await asyncio.to_thread(self._stop)

    def _check(self, queued: int) -> None:
        if self._closed:
            raise Unavailable("STORE_CLOSED", "The database is closed.")
        if queued >= self._max_queued:
            raise Unavailable("STORE_OVERLOADED", "Too many requests wait for the database; try again.")

    # What follows runs in the threads, unless it says otherwise.

    def _start(self, migrations: Sequence[str]) -> None:
        try:
            writer = self._connect()
            # In this order: the journal mode is kept in the file, the others are set on each connection.
            _keep_in_wal_mode(writer)
            writer.execute(f"PRAGMA synchronous={self._synchronous}")
            writer.execute("PRAGMA foreign_keys=ON")
            writer.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
            writer.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
            _migrate(writer, migrations, self._path.name)
            readers = [self._connect() for _ in range(self._reader_count)]
            for reader in readers:
                reader.execute("PRAGMA query_only=ON")
        except (sqlite3.Error, BeepError) as error:
            self._close_connections()
            raise _explain(error) from error
        self._spawn("writer", self._serve_writes, writer)
        for number, reader in enumerate(readers):
            self._spawn(f"reader-{number}", self._serve_reads, reader)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path,
            timeout=_BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,  # transactions are begun here, never behind our back by the module
            check_same_thread=False,  # opened in one thread, used by one other
            cached_statements=_CACHED_STATEMENTS,
        )
        self._connections.append(connection)
        return connection

    def _spawn(self, name: str, target: Callable[[sqlite3.Connection], None], connection: sqlite3.Connection) -> None:
        # Daemons: a process that dies without closing is a crash, which commits survive; it must not hang instead.
        thread = threading.Thread(target=target, args=(connection,), name=f"{self._path.stem}-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self) -> None:
        for thread in self._threads:
            thread.join()
        self._close_connections()

    def _close_connections(self) -> None:
        # Readers first: whoever closes last folds the WAL into the file, and only the writer may.
        for connection in reversed(self._connections):
            connection.close()
        self._connections.clear()

    def _serve_writes(self, connection: sqlite3.Connection) -> None:
        while batch := self._next_batch():
            self._commit(connection, batch)
            self._post(self._settle_writes, batch)

    def _next_batch(self) -> list[_Job]:
        """Wait for a write and take what else has queued; empty when the database closes."""
        batch: list[_Job] = []
        while (job := self._writes.get()) is not None:
            batch.append(job)
            if len(batch) == MAX_BATCH or self._writes.empty():
                return batch
        self._writes.put(None)  # nothing is queued behind the end: the next call finds it again
        return batch

    def _commit(self, connection: sqlite3.Connection, batch: list[_Job]) -> None:
        """Run the batch in one transaction. Each job then has its result or its error."""
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                if job.future.cancelled():  # its caller gave up before it began
                    job.on_commit = None
                elif len(batch) > 1:
                    _run_in_savepoint(connection, job)
                else:
                    # Nobody is beside it: what its failure undoes is the transaction. Each statement more is one more
                    # contest with the event loop for the interpreter's lock.
                    job.result = job.fn(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            _roll_back(connection)
            failure = _explain(error)
            if _primary_code(error) in (sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT):
                # The kernel may have dropped the pages that it failed to write, and reports that only once:
                # a second try could succeed with a hole in the file. Only a restart, which recovers, may go on.
                self._failure = failure if isinstance(failure, BeepError) else None
                logger.critical("database_failed", extra={"file": self._path.name, "error": error})
            for job in batch:
                job.error = job.error or failure
        except Exception as error:  # noqa: BLE001 - not swallowed: it is raised at the caller of the only job
            _roll_back(connection)
            batch[0].error = error

    def _serve_reads(self, connection: sqlite3.Connection) -> None:
        while (job := self._reads.get()) is not None:
            try:
                connection.execute("BEGIN")
                job.result = job.fn(connection)
            except Exception as error:  # noqa: BLE001 - not swallowed: it is raised at the caller
                job.error = _explain(error)
            _roll_back(connection)
            self._post(self._settle_read, job)

    def _post(self, callback: Callable[[Any], None], argument: object) -> None:
        try:
            self._loop.call_soon_threadsafe(callback, argument)
        except RuntimeError:
            # The loop is gone and everyone who waited with it.
            logger.warning("database_abandoned", extra={"file": self._path.name})

    # On the event loop again.

    def _settle_writes(self, batch: list[_Job]) -> None:
        self._queued_writes -= len(batch)
        for job in batch:
            if job.error is None and job.on_commit is not None:
                try:
                    job.on_commit(job.result)
                except Exception as error:  # noqa: BLE001 - reported; the others of the batch must have their answers
                    self._loop.call_exception_handler({"message": "on_commit raised", "exception": error})
            _settle(job)

    def _settle_read(self, job: _Job) -> None:
        self._queued_reads -= 1
        _settle(job)


def _settle(job: _Job) -> None:
    if job.future.done():  # cancelled meanwhile
        return
    if job.error is None:
        job.future.set_result(job.result)
    else:
        job.future.set_exception(job.error)


def _run_in_savepoint(connection: sqlite3.Connection, job: _Job) -> None:
    """Run one job so that its failure undoes only its own changes.

    Raises:
        sqlite3.Error: the whole transaction is lost: SQLite itself has rolled it back (disk full, for example).
    """
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.fn(connection)
    except Exception as error:
        # Not swallowed: it is raised at the caller.
        job.error = _explain(error)
        if not connection.in_transaction:
            if isinstance(error, sqlite3.Error):
                raise
            raise sqlite3.OperationalError("the function ended the transaction") from error
        connection.execute("ROLLBACK TO job")
    connection.execute("RELEASE job")


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            # The caller gets the error that led here; if the transaction stays open, the next BEGIN fails loudly.
            logger.error("rollback_failed", extra={"error": error})


def _primary_code(error: BaseException) -> int:
    """SQLite's result code without the extension; 0 for what the module itself raised."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _explain(error: Exception) -> Exception:
    """The error that tells an operator what is wrong, if it is the file's or the disk's fault; else the same."""
    explained = _EXPLAINED.get(_primary_code(error)) if isinstance(error, sqlite3.Error) else None
    if explained is None:
        return error
    kind, reason, message = explained
    failure = kind(reason, message, metadata={"sqlite": getattr(error, "sqlite_errorname", "")})
    failure.__cause__ = error
    return failure


def _keep_in_wal_mode(connection: sqlite3.Connection) -> None:
    """Also while another process creates the file.

    In this statement SQLite does not wait for whoever is about to write: two that have read the file and both want it
    for themselves would wait for each other. In `BEGIN` it does, and gives up when that takes too long.
    """
    for _ in range(_WAL_CONTESTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if _primary_code(error) != sqlite3.SQLITE_BUSY:
                raise
        connection.execute("BEGIN EXCLUSIVE")
        connection.execute("ROLLBACK")
    connection.execute("PRAGMA journal_mode=WAL")


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str], name: str) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise Internal(
            "STORE_TOO_NEW",
            f"{name} has schema {version}, this release knows {len(migrations)}: run the release that wrote it.",
        )
    for number, script in enumerate(migrations[version:], start=version + 1):
        try:
            # The version is part of the transaction: a script is applied with it or not at all.
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\n;PRAGMA user_version={number};\nCOMMIT;")
        except sqlite3.Error as error:
            _roll_back(connection)
            if connection.execute("PRAGMA user_version").fetchone()[0] >= number:
                continue  # another process that came to the same file was faster
            explained = _explain(error)
            if isinstance(explained, BeepError):
                raise explained from error
            raise Internal("STORE_MIGRATION_FAILED", f"{name}: migration {number} failed: {error}") from error
