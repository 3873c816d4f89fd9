import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.common import limits
from services.messages.domain.errors import InvalidForm
from services.messages.domain.search import Order, Search, check_filters, check_page, parse_terms
from services.messages.store.sqlite import MIGRATIONS, messages
from services.messages.store.sqlite import search as sqlite_search

CHANNEL, AUTHOR = 2, 4


@pytest.fixture(scope="module")
def connection() -> Iterator[sqlite3.Connection]:
    """One message, `a needle in hay`, is indexed."""
    connection = sqlite3.connect(":memory:")
    for script in MIGRATIONS:
        connection.executescript(script)
    row = (CHANNEL, 1, 1, AUTHOR, 0, "a needle in hay", None, 0, 0, None, 0, 0, 0, 0, 0, None)
    connection.execute(messages._INSERT, row)
    sqlite_search.note(connection, CHANNEL, 1)
    sqlite_search.index(connection, 10)
    yield connection
    connection.close()


# Terms


@pytest.mark.parametrize(
    ("content", "terms"),
    [
        ("", ()),
        ("  \n", ()),
        ("one two", ("one", "two")),
        ('one "two three" four', ("one", "two three", "four")),
        ('one"two three"', ("one", "two three")),
        ('"never closed', ("never closed",)),
        ("twice twice", ("twice",)),
        ("well-known", ("well-known",)),
        ("one -- two", ("one", "two")),
        ("*", None),
        ('""', None),
        ("🦊", None),
        ("日本", ("日本",)),
    ],
)
def test_terms_are_words_and_phrases(content: str, terms: tuple[str, ...] | None) -> None:
    assert parse_terms(content) == terms


def test_terms_are_refused_when_there_are_too_many_or_too_long() -> None:
    words = [f"w{n}" for n in range(limits.SEARCH_TERMS + 1)]
    assert len(parse_terms(" ".join(words[1:])) or ()) == limits.SEARCH_TERMS
    for content in (" ".join(words), "x" * (limits.SEARCH_CONTENT + 1)):
        with pytest.raises(InvalidForm):
            parse_terms(content)


# The signs that mean something to FTS5, more often than chance has them.
typed = st.text(st.characters() | st.sampled_from("\"'*:^+-(){},\0\ud800 "), max_size=80)


@settings(max_examples=500)
@given(content=typed)
def test_nothing_that_is_typed_is_an_error_to_sqlite(connection: sqlite3.Connection, content: str) -> None:
    terms = parse_terms(content)
    for order in Order:
        search = Search(channel_ids=frozenset({CHANNEL}), terms=terms or (), order=order)
        sqlite_search.find(connection, search)


@settings(max_examples=500)
@given(before=typed, after=typed)
def test_a_word_that_is_typed_must_occur_whatever_stands_around_it(
    connection: sqlite3.Connection, before: str, after: str
) -> None:
    """No sign makes the others alternatives, negates them, or leads to another column."""
    terms = parse_terms(f"{before} missing {after}")
    assert terms is not None
    search = Search(channel_ids=frozenset({CHANNEL}), terms=terms)
    assert sqlite_search.find(connection, search) == (0, [])


@pytest.mark.parametrize("term", ['needle" OR "missing', '"', 'missing"', "\0", "\ud800"])
def test_store_takes_any_term_for_text(connection: sqlite3.Connection, term: str) -> None:
    """Whatever a caller that is not the parser may hand it."""
    assert sqlite_search.find(connection, Search(channel_ids=frozenset({CHANNEL}), terms=(term,))) == (0, [])


def test_what_is_there_is_found(connection: sqlite3.Connection) -> None:
    for content in ("needle", 'HAY "a needle"', ""):
        search = Search(channel_ids=frozenset({CHANNEL}), terms=parse_terms(content) or ())
        assert sqlite_search.find(connection, search) == (1, [(CHANNEL, 1)])


# Bounds


@pytest.mark.parametrize(("limit", "offset"), [(-1, 0), (26, 0), (1, -1), (1, 9_976)])
def test_page_is_refused_when_out_of_range(limit: int, offset: int) -> None:
    with pytest.raises(InvalidForm):
        check_page(limit, offset)


def test_page_is_as_large_as_may_be_when_no_limit_is_given() -> None:
    assert check_page(0, limits.SEARCH_OFFSET) == limits.SEARCH_PAGE
    assert check_page(7, 0) == 7


def test_filters_are_refused_when_too_many_are_named() -> None:
    check_filters(range(limits.CHANNELS_PER_SERVER), range(limits.SEARCH_AUTHORS))
    with pytest.raises(InvalidForm) as refused:
        check_filters(range(limits.CHANNELS_PER_SERVER + 1), range(limits.SEARCH_AUTHORS + 1))
    assert [violation.field for violation in refused.value.violations] == ["channel_id", "author_id"]


# Cost


@pytest.mark.parametrize("order", [Order.NEWEST, Order.OLDEST])
def test_page_by_time_is_read_in_the_order_of_the_index(connection: sqlite3.Connection, order: Order) -> None:
    """Nothing is ranked and nothing sorted: the search ends when its page is full."""
    for query in (sqlite_search._PAGES[order], sqlite_search._COUNT):
        plan = connection.execute(
            f"EXPLAIN QUERY PLAN {query}", ["x", 0, 9, 1, 0][: 5 if "?5" in query else 3]
        ).fetchall()
        assert not [detail for *_, detail in plan if "TEMP B-TREE" in detail]
