"""A million messages: does what it takes to read or to search them depend on how deep one is?

The store is filled through its own schema, once, and asked as the service asks it. Beside each figure stands the plain
SQLite query for the same rows, from a connection of its own: what the store adds is the thread that it reads in and the
messages that it makes of the rows.
"""

import asyncio
import random
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.beep import scratch
from bench.measure import row
from services.common.limits import MESSAGES_PAGE, SEARCH_PAGE
from services.common.snowflake import at_ms
from services.common.sqlite import Database
from services.messages.domain import history
from services.messages.domain.message import MessageType
from services.messages.domain.search import Order, Search
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore, search
from services.messages.store.sqlite.rows import COLUMNS, SELECT

MESSAGES: Final = 1_000_000
CHANNELS: Final = 20
"""The first has nine of ten messages: a search in it meets those of the others, and the other way round."""
DEEP: Final = 10_000
"""The page that is compared with the first one."""
RUNS: Final = 41

FREQUENT, RARE = "the", "xylophone"
WORDS: Final = 5_000
SENTENCES: Final = 4_096
RARE_EVERY: Final = 50_000

_SERVER, _AUTHORS, _START = 1, 500, 1_767_225_600_000
_COLUMNS: Final = COLUMNS.count(",") + 1


def report() -> None:
    with scratch() as folder:
        path = folder / "messages.db"
        started = time.perf_counter()
        _fill(path)
        size = path.stat().st_size / 2**20
        row(f"history of {MESSAGES:,} messages", filled_in_s=time.perf_counter() - started, file_mib=size)
        asyncio.run(_measure(path))


def message_id(n: int) -> int:
    """Ten a second."""
    return at_ms(_START + n * 100)


def _fill(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    # What is lost with the power is filled anew.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-400000"):
        connection.execute(f"PRAGMA {pragma}")
    for script in MIGRATIONS:
        connection.executescript(script)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS)}")
    connection.execute("BEGIN")
    insert = f"INSERT INTO messages ({COLUMNS}) VALUES ({', '.join('?' * _COLUMNS)})"
    connection.executemany(insert, _rows())
    connection.execute("INSERT INTO unindexed (channel_id, message_id) SELECT channel_id, id FROM messages ORDER BY id")
    search.index(connection, MESSAGES)
    connection.execute("COMMIT")
    connection.close()


def _rows() -> Iterator[tuple[Any, ...]]:
    rng = random.Random(7)
    words = [f"word{n}" for n in range(WORDS)]
    # Few words are common and most are rare, as in any language.
    common = [1 / (n + 1) for n in range(WORDS)]
    sentences = [" ".join(rng.choices(words, common, k=6)) for _ in range(SENTENCES)]
    for n in range(MESSAGES):
        text = f"{rng.choice(sentences)} {rng.choice(sentences)}"
        if rng.random() < 0.5:
            text += f" {FREQUENT}"
        if n % RARE_EVERY == 1:
            text += f" {RARE}"
        author = 100 + n % _AUTHORS
        channel = 2 if rng.random() < 0.9 else 3 + n % (CHANNELS - 1)
        yield (channel, message_id(n), _SERVER, author, int(MessageType.DEFAULT), text, *_REST)


_REST: Final = (None, 0, 0, None, 0, 0, 0, 0, 0, None)


async def _measure(path: Path) -> None:
    database = await Database.open(path, MIGRATIONS)
    raw = sqlite3.connect(path)
    store = SqliteMessageStore(database, lambda record: None)
    try:
        await _histories(store, raw)
        await _searches(store, raw)
    finally:
        raw.close()
        await database.close()


async def _histories(store: SqliteMessageStore, raw: sqlite3.Connection) -> None:
    plain = f"{SELECT} AND id < ? ORDER BY id DESC LIMIT ?"
    limit = MESSAGES_PAGE // 2
    for name, depth in (("first", 0), (f"{DEEP:,}th", DEEP * limit)):
        # Nine of ten are in this channel.
        pivot = message_id(MESSAGES - depth * 10 // 9)
        beside = await _median(partial(_rows_of, raw, plain, (2, pivot, limit)))
        ours = await _median(partial(store.page, 2, history.before(pivot, limit)))
        row(f"  {name} page of {limit}", store_ms=ours, sqlite_ms=beside)


async def _searches(store: SqliteMessageStore, raw: sqlite3.Connection) -> None:
    plain = """
        SELECT channel_id, rowid FROM search_index WHERE search_index MATCH ? AND rowid < ? ORDER BY rowid DESC LIMIT ?
    """
    everywhere, one, other = frozenset(range(2, 2 + CHANNELS)), frozenset({2}), frozenset({3})
    questions = (
        (f"commonest word, {CHANNELS} channels", FREQUENT, everywhere),
        ("commonest word, the large channel", FREQUENT, one),
        ("commonest word, a small channel", FREQUENT, other),
        (f"rare word, {CHANNELS} channels", RARE, everywhere),
        ("rare word, the large channel", RARE, one),
    )
    for name, term, channels in questions:
        for page, depth in (("first", 0), (f"{DEEP:,}th", DEEP * SEARCH_PAGE)):
            # Every second message has the frequent word.
            pivot = message_id(MESSAGES - depth * 2)
            asked = Search(channel_ids=channels, terms=(term,), before=pivot)
            expression = search.expression(asked)
            ours = await _median(partial(store.search, asked))
            beside = await _median(partial(_rows_of, raw, plain, (expression, pivot, SEARCH_PAGE)))
            row(f"  {name}, {page} page", store_ms=ours, sqlite_ms=beside)
    for term in (FREQUENT, RARE):
        ranked = Search(channel_ids=one, terms=(term,), order=Order.RELEVANCE)
        row(f"  {term!r} by relevance", store_ms=await _median(partial(store.search, ranked)))


async def _rows_of(connection: sqlite3.Connection, query: str, asked: tuple[Any, ...]) -> list[Any]:
    return connection.execute(query, asked).fetchall()


async def _median(call: Callable[[], Awaitable[object]]) -> float:
    """In milliseconds."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        await call()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


if __name__ == "__main__":
    report()
