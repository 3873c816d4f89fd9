"""The promise of the port that a page costs what it holds and not what lies above it: read off SQLite's own plans."""

import sqlite3

import pytest

from services.messages.store.sqlite import MIGRATIONS, messages, reactions


@pytest.fixture
def connection() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        connection.executescript(script)
    return connection


@pytest.mark.parametrize(
    ("query", "step"),
    [
        (messages._OLDER, "SEARCH messages USING PRIMARY KEY (channel_id=? AND id<?)"),
        (messages._NEWER, "SEARCH messages USING PRIMARY KEY (channel_id=? AND id>?)"),
        (messages._PINS, "SEARCH messages USING INDEX pins (channel_id=? AND pinned_at_ms>? AND pinned_at_ms<?)"),
        (messages._COUNT_PINS, "SEARCH messages USING COVERING INDEX pins (channel_id=? AND pinned_at_ms>?)"),
        (messages._LAST_PACE, "SEARCH paces USING PRIMARY KEY (channel_id=? AND user_id=?)"),
        (
            reactions._USERS,
            "SEARCH reactions USING PRIMARY KEY (channel_id=? AND message_id=? AND emoji=? AND user_id>?)",
        ),
        (messages._FORGET_NONCES, "SEARCH nonces USING COVERING INDEX nonces_by_age (message_id<?)"),
    ],
)
def test_query_is_one_range_of_a_tree(connection: sqlite3.Connection, query: str, step: str) -> None:
    rows = connection.execute(f"EXPLAIN QUERY PLAN {query}", [1] * query.count("?")).fetchall()
    steps = [detail for *_, detail in rows]
    assert step in steps
    assert not [other for other in steps if "SCAN" in other or "TEMP B-TREE" in other]
