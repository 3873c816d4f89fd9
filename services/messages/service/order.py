"""Writes in the order of their ids, and changes that others make at the same time."""

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from services.common.errors import Aborted
from services.common.snowflake import SnowflakeGenerator
from services.messages.store.ports import IdTooLow

T = TypeVar("T")

MAX_CONFLICTS: Final = 8
"""How often a change is decided anew because somebody else changed the same message in between."""


async def in_order(ids: SnowflakeGenerator, write: Callable[[int], Coroutine[Any, Any, T]]) -> T:
    """Run `write` with the id for a new message, which it hands to the store before it first waits.

    So in a channel ids rise in the order of the writes. The store refuses one that would not: then the clock went
    back over a restart, or another process writes too, and `write` is run again with an id above the highest.
    """
    above = 0
    while True:
        try:
            return await write(ids.next(above=above))
        except IdTooLow as refused:
            above = refused.highest


def contended() -> Aborted:
    return Aborted("CONFLICT", "Too many changes of one message at the same time; try again.")
