"""What is looked for, and what may be asked.

What a person types is not a language that can be wrong: words must all occur, "words in quotes" must follow each
other, and everything else is text.
"""

import re
import unicodedata
from collections.abc import Collection
from enum import Enum
from typing import Final

from msgspec import Struct

from services.common import limits
from services.common.errors import FieldViolation
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.errors import InvalidForm, too_long

# A quote that is never closed reaches to the end.
_TERM: Final = re.compile(r'"([^"]*)"?|([^\s"]+)')


class Order(Enum):
    NEWEST = 1
    OLDEST = 2
    RELEVANCE = 3


class Has(Enum):
    """What a message may have beside words."""

    FILE = "file"
    IMAGE = "image"
    EMBED = "embed"
    LINK = "link"


class Search(Struct, frozen=True):
    """One page of the messages that have all of `terms`, in one of the channels.

    Attributes:
        channel_ids: only there; none: nowhere.
        terms: each one word, or several that follow each other; none: whatever was said or shown.
        author_ids: only theirs; none: anybody's.
        mentioned_ids: only messages that mention one of these users; none: whomever they mention.
        has: only messages that have all of these.
        pinned: only those that are, or are not.
        before, after: only messages with an id below the one and above the other.
    """

    channel_ids: frozenset[int]
    terms: tuple[str, ...] = ()
    author_ids: frozenset[int] = frozenset()
    mentioned_ids: frozenset[int] = frozenset()
    has: frozenset[Has] = frozenset()
    pinned: bool | None = None
    before: int = MAX_SNOWFLAKE
    after: int = 0
    order: Order = Order.NEWEST
    limit: int = limits.SEARCH_PAGE
    offset: int = 0


def parse_terms(content: str) -> tuple[str, ...] | None:
    """The words and phrases in what somebody typed; None if there is something, but nothing that could be found.

    Raises:
        InvalidForm: too long, or too many words.
    """
    if len(content) > limits.SEARCH_CONTENT:
        raise InvalidForm(too_long("content", limits.SEARCH_CONTENT))
    found = [phrase or word for phrase, word in _TERM.findall(content)]
    terms = tuple(dict.fromkeys(term for term in found if any(map(_is_searchable, term))))
    if len(terms) > limits.SEARCH_TERMS:
        message = f"Must be {limits.SEARCH_TERMS} or fewer words."
        raise InvalidForm(FieldViolation("content", "BASE_TYPE_MAX_LENGTH", message))
    return terms if terms or not content.strip() else None


def check_page(limit: int, offset: int) -> int:
    """The limit to use; 0 stands for none given. Raises InvalidForm."""
    _check_range("limit", limit or 1, 1, limits.SEARCH_PAGE)
    _check_range("offset", offset, 0, limits.SEARCH_OFFSET)
    return limit or limits.SEARCH_PAGE


def check_filters(
    channel_ids: Collection[int], author_ids: Collection[int], mentioned_ids: Collection[int] = ()
) -> None:
    """Raises InvalidForm: more are named than one question may name."""
    named = (
        ("channel_id", channel_ids, limits.CHANNELS_PER_SERVER),
        ("author_id", author_ids, limits.SEARCH_AUTHORS),
        ("mentions", mentioned_ids, limits.SEARCH_AUTHORS),
    )
    if violations := [too_long(field, most) for field, ids, most in named if len(ids) > most]:
        raise InvalidForm(*violations)


def _is_searchable(character: str) -> bool:
    """Letters and digits are what is indexed; all else stands between them."""
    return unicodedata.category(character)[0] in "LN"


def _check_range(field: str, value: int, least: int, most: int) -> None:
    if value < least:
        message = f"int value should be greater than or equal to {least}."
        raise InvalidForm(FieldViolation(field, "NUMBER_TYPE_MIN", message))
    if value > most:
        message = f"int value should be less than or equal to {most}."
        raise InvalidForm(FieldViolation(field, "NUMBER_TYPE_MAX", message))
