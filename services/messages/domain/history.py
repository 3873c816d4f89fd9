"""Which part of a channel's history is asked for."""

from typing import Final

from msgspec import Struct

from services.common import limits
from services.common.errors import FieldViolation
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.errors import InvalidForm

DEFAULT_LIMIT: Final = 50


class Window(Struct, frozen=True):
    """The `older` newest messages with an id below `pivot`, and the `newer` oldest with that id or a higher one."""

    pivot: int
    older: int
    newer: int


def before(message_id: int, limit: int) -> Window:
    """The newest messages before this one."""
    return Window(pivot=message_id, older=limit, newer=0)


def after(message_id: int, limit: int) -> Window:
    """The oldest messages after this one."""
    return Window(pivot=min(message_id + 1, MAX_SNOWFLAKE), older=0, newer=limit)


def around(message_id: int, limit: int) -> Window:
    """This one and what stands around it: half before, half after."""
    return Window(pivot=message_id, older=limit // 2, newer=limit - limit // 2)


def newest(limit: int) -> Window:
    return before(MAX_SNOWFLAKE, limit)


def check_limit(limit: int, most: int = limits.MESSAGES_PAGE) -> int:
    """The limit to use; 0 stands for none given.

    Raises:
        InvalidForm: it is not in 1 to `most`.
    """
    if not limit:
        return DEFAULT_LIMIT
    if limit < 1:
        raise InvalidForm(FieldViolation("limit", "NUMBER_TYPE_MIN", "int value should be greater than or equal to 1."))
    if limit > most:
        message = f"int value should be less than or equal to {most}."
        raise InvalidForm(FieldViolation("limit", "NUMBER_TYPE_MAX", message))
    return limit
