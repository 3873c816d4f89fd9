import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.common import sqlite
from services.common.errors import BeepError, Internal, Unavailable
from services.common.sqlite import Database

SCHEMA = ["CREATE TABLE things (id INTEGER PRIMARY KEY, name TEXT UNIQUE);"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "things.db"


@pytest.fixture
def damaged(path: Path) -> Path:
    path.write_bytes(b"this is not a database" * 500)
    return path


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    database = await Database.open(path, SCHEMA)
    yield database
    await database.close()


class Gate:
    """Holds the writer's thread inside a function, so that what comes next queues up behind it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._open = threading.Event()

    async def __aenter__(self) -> None:
        entered = threading.Event()

        def hold(_: sqlite3.Connection) -> None:
            entered.set()
            self._open.wait()

        self._holding = asyncio.ensure_future(self._db.write(hold))
        await asyncio.to_thread(entered.wait)

    async def __aexit__(self, *_: object) -> None:
        self._open.set()
        await self._holding


def insert(name: str):  # type: ignore[no-untyped-def]
    return lambda conn: conn.execute("INSERT INTO things (name) VALUES (?)", (name,)).lastrowid


def names(conn: sqlite3.Connection) -> list[str]:
    return [name for (name,) in conn.execute("SELECT name FROM things ORDER BY id")]


async def test_write_answers_the_result_and_a_read_sees_it(db: Database) -> None:
    assert await db.write(insert("a")) == 1
    assert await db.read(names) == ["a"]


async def test_writes_that_queue_share_one_commit_and_keep_their_order(db: Database) -> None:
    commits: list[int] = []
    await db.write(lambda conn: conn.set_trace_callback(lambda sql: sql == "COMMIT" and commits.append(1)))
    async with Gate(db):
        writes = asyncio.gather(*(db.write(insert(str(number))) for number in range(100)))
        await asyncio.sleep(0)
    assert await writes == list(range(1, 101))
    assert await db.read(names) == [str(number) for number in range(100)]
    assert len(commits) == 3, "that of the trace, that of the gate, and one for the hundred"


async def test_failing_write_undoes_only_itself_when_it_shares_a_commit(db: Database) -> None:
    def insert_and_fail(conn: sqlite3.Connection) -> None:
        insert("half")(conn)
        raise LookupError("the caller's own error")

    async with Gate(db):
        writes = asyncio.gather(
            db.write(insert("a")),
            db.write(insert_and_fail),
            db.write(insert("a")),
            db.write(insert("b")),
            return_exceptions=True,
        )
        await asyncio.sleep(0)
    first, failed, duplicate, last = await writes
    assert (first, last) == (1, 2)
    assert isinstance(failed, LookupError)
    assert isinstance(duplicate, sqlite3.IntegrityError)
    assert await db.read(names) == ["a", "b"]


async def test_write_is_answered_only_after_its_commit(db: Database, path: Path) -> None:
    # What another connection sees at the moment of the answer is what a crash would leave.
    with sqlite3.connect(path) as other:
        seen: list[list[str]] = []
        await asyncio.gather(
            *(db.write(insert(str(n)), on_commit=lambda _: seen.append(names(other))) for n in range(5))
        )
    other.close()
    assert [str(n) in visible for n, visible in enumerate(seen)] == [True] * 5


async def test_on_commit_is_called_in_order_also_when_the_caller_is_cancelled(db: Database) -> None:
    committed: list[int] = []
    async with Gate(db):
        running = threading.Event()
        proceed = threading.Event()

        def slow(_: sqlite3.Connection) -> int:
            running.set()
            proceed.wait()
            return 1

        first = asyncio.ensure_future(db.write(slow, on_commit=committed.append))
        second = asyncio.ensure_future(db.write(lambda _: 2, on_commit=committed.append))
        await asyncio.sleep(0)
    await asyncio.to_thread(running.wait)
    first.cancel()  # after it has begun: it commits
    proceed.set()
    await second
    assert committed == [1, 2]
    assert first.cancelled()


async def test_write_does_not_run_when_its_caller_gave_up_before_it_began(db: Database) -> None:
    committed: list[int | None] = []
    async with Gate(db):
        abandoned = asyncio.ensure_future(db.write(insert("a"), on_commit=committed.append))
        kept = asyncio.ensure_future(db.write(insert("b"), on_commit=committed.append))
        await asyncio.sleep(0)
        abandoned.cancel()
        await asyncio.sleep(0)
    await kept
    assert await db.read(names) == ["b"]
    assert len(committed) == 1


async def test_the_rest_of_a_batch_is_answered_when_an_on_commit_raises(db: Database) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))

    def defective(_: object) -> None:
        raise RuntimeError("a defect")

    async with Gate(db):
        writes = asyncio.gather(db.write(insert("a"), on_commit=defective), db.write(insert("b")))
        await asyncio.sleep(0)
    assert await writes == [1, 2]
    assert str(reported[0]["exception"]) == "a defect"


async def test_write_is_refused_when_too_many_wait(path: Path) -> None:
    db = await Database.open(path, SCHEMA, max_queued=3)
    async with Gate(db):  # it is the first of the three
        accepted = asyncio.gather(db.write(insert("a")), db.write(insert("b")))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable) as caught:
            await db.write(insert("c"))
        assert caught.value.reason == "STORE_OVERLOADED"
    await accepted
    assert await db.write(insert("d")) == 3
    await db.close()


async def test_read_cannot_write(db: Database) -> None:
    with pytest.raises(BeepError) as caught:
        await db.read(insert("a"))
    assert caught.value.reason == "STORE_READ_ONLY"


async def test_read_sees_one_snapshot_when_a_write_comes_in_between(db: Database) -> None:
    await db.write(insert("a"))
    first_done, go_on = threading.Event(), threading.Event()

    def twice(conn: sqlite3.Connection) -> tuple[list[str], list[str]]:
        first = names(conn)
        first_done.set()
        go_on.wait()
        return first, names(conn)

    reading = asyncio.ensure_future(db.read(twice))
    await asyncio.to_thread(first_done.wait)
    await db.write(insert("b"))
    go_on.set()
    assert await reading == (["a"], ["a"])
    assert await db.read(names) == ["a", "b"]


async def test_reads_go_on_when_one_raises(db: Database) -> None:
    def broken(_: sqlite3.Connection) -> None:
        raise LookupError

    for _ in range(5):
        with pytest.raises(LookupError):
            await db.read(broken)
    assert await db.read(names) == []


async def test_close_finishes_what_was_queued(path: Path) -> None:
    db = await Database.open(path, SCHEMA)
    async with Gate(db):
        writes = asyncio.gather(*(db.write(insert(str(number))) for number in range(300)))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(db.close())
        await asyncio.sleep(0)
    assert len(await writes) == 300
    await closing
    with pytest.raises(Unavailable) as caught:
        await db.write(insert("late"))
    assert caught.value.reason == "STORE_CLOSED"
    await db.close()
    assert not path.with_name(path.name + "-wal").exists(), "the file is whole by itself"
    reopened = await Database.open(path, SCHEMA)
    assert len(await reopened.read(names)) == 300
    await reopened.close()


async def test_writes_fail_clearly_and_are_undone_when_the_disk_is_full(db: Database) -> None:
    await db.write(lambda conn: conn.execute("PRAGMA max_page_count=10").fetchone())
    async with Gate(db):
        writes = asyncio.gather(db.write(insert("a")), db.write(insert("x" * 100_000)), return_exceptions=True)
        await asyncio.sleep(0)
    outcomes = await writes
    failed = [error.reason for error in outcomes if isinstance(error, BeepError)]
    assert "STORE_FULL" in failed
    # Whoever was told that it failed is not in the file, whoever was told that it did not is.
    assert (await db.read(names) == ["a"]) == (outcomes[0] == 1)
    await db.write(insert("b"))
    assert "b" in await db.read(names)


async def test_all_of_a_batch_fail_when_the_transaction_is_lost(db: Database) -> None:
    def lose(conn: sqlite3.Connection) -> None:
        conn.execute("ROLLBACK")
        raise LookupError

    async with Gate(db):
        writes = asyncio.gather(db.write(insert("a")), db.write(lose), db.write(insert("b")), return_exceptions=True)
        await asyncio.sleep(0)
    assert all(isinstance(outcome, Exception) for outcome in await writes)
    assert await db.read(names) == []
    assert await db.write(insert("c")) == 1


async def test_writer_refuses_everything_when_the_disk_failed(db: Database) -> None:
    def fail_as_fsync_does(conn: sqlite3.Connection) -> None:
        conn.execute("ROLLBACK")  # SQLite does so by itself
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
        raise error

    for attempt in (fail_as_fsync_does, insert("a")):
        with pytest.raises(Unavailable) as caught:
            await db.write(attempt)
        assert caught.value.reason == "STORE_IO_ERROR"
    assert await db.read(names) == [], "reading goes on"


async def test_write_says_that_the_database_is_locked_when_another_process_holds_it(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 10)
    db = await Database.open(path, SCHEMA)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        await db.write(insert("a"))
    assert caught.value.reason == "STORE_LOCKED"
    other.execute("ROLLBACK")
    other.close()
    assert await db.write(insert("a")) == 1
    await db.close()


async def test_open_waits_for_a_process_that_is_creating_the_same_file(path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # as the first change of a file that is in no mode yet
    opening = asyncio.ensure_future(Database.open(path, SCHEMA))
    # Long enough to be refused in, and it ends with the refusal; nothing tells from outside that somebody waits.
    done, _ = await asyncio.wait([opening], timeout=0.2)
    assert not done, "a new file is refused while another process creates it"
    other.execute("COMMIT")
    other.close()
    db = await opening
    assert await db.write(insert("a")) == 1
    await db.close()


@pytest.mark.parametrize("held", ["BEGIN IMMEDIATE", "BEGIN; SELECT * FROM sqlite_schema"])
async def test_open_gives_up_a_new_file_that_another_process_does_not_let_go(
    path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    monkeypatch.setattr(sqlite, "_BUSY_TIMEOUT_MS", 30)
    monkeypatch.setattr(sqlite, "_WAL_CONTESTS", 10_000)  # it is not their number that ends it
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("CREATE TABLE theirs (id)")
    for statement in held.split("; "):
        other.execute(statement).fetchall()
    with pytest.raises(Unavailable) as caught:
        await Database.open(path, SCHEMA)
    assert caught.value.reason == "STORE_LOCKED"
    other.close()


@pytest.mark.parametrize("synchronous", ["FULL", "NORMAL"])
async def test_connections_are_set_up_as_promised(path: Path, synchronous: sqlite.Synchronous) -> None:
    db = await Database.open(path, SCHEMA, synchronous=synchronous)

    def settings(conn: sqlite3.Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "query_only")
        return {name: conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names}

    writer = await db.write(settings)
    assert writer == {
        "journal_mode": "wal",
        "synchronous": {"FULL": 2, "NORMAL": 1}[synchronous],
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "query_only": 0,
    }
    assert (await db.read(settings))["query_only"] == 1
    await db.close()


# Migrations.


async def test_migrations_are_applied_once_and_in_order(path: Path) -> None:
    first = ["CREATE TABLE a (x); INSERT INTO a VALUES (1)"]
    db = await Database.open(path, first)
    await db.close()
    db = await Database.open(path, [*first, "ALTER TABLE a ADD COLUMN y DEFAULT 2; -- a comment at the end"])
    assert await db.read(lambda conn: conn.execute("SELECT x, y FROM a").fetchall()) == [(1, 2)]
    assert await db.read(lambda conn: conn.execute("PRAGMA user_version").fetchone()) == (2,)
    await db.close()


async def test_failed_migration_leaves_the_version_before_it(path: Path) -> None:
    good = ["CREATE TABLE a (x)"]
    with pytest.raises(Internal) as caught:
        await Database.open(path, [*good, "CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)"])
    assert caught.value.reason == "STORE_MIGRATION_FAILED"
    assert "migration 2" in caught.value.message
    db = await Database.open(path, [*good, "CREATE TABLE b (x)"])
    assert await db.read(lambda conn: conn.execute("SELECT * FROM b").fetchall()) == []
    await db.close()


async def test_database_is_refused_when_it_is_newer_than_the_code(path: Path) -> None:
    db = await Database.open(path, [*SCHEMA, "CREATE TABLE more (x)"])
    await db.close()
    with pytest.raises(Internal) as caught:
        await Database.open(path, SCHEMA)
    assert caught.value.reason == "STORE_TOO_NEW"
    assert "things.db has schema 2, this release knows 1" in caught.value.message


async def test_open_says_that_the_file_is_damaged_when_it_is_not_a_database(damaged: Path) -> None:
    with pytest.raises(Internal) as caught:
        await Database.open(damaged, SCHEMA)
    assert caught.value.reason == "STORE_CORRUPT"


async def test_open_says_so_when_the_file_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as caught:
        await Database.open(tmp_path / "missing" / "things.db", SCHEMA)
    assert caught.value.reason == "STORE_IO_ERROR"
