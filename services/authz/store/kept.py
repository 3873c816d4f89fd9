"""How much is kept of what was read and asked: counted by what it holds, because the lists of one server may be a
thousand times as long as those of another."""

from collections.abc import Iterable
from typing import Final

VALUES_KEPT: Final = 500_000
"""Some 40 megabytes: most values are ids of roles, of 70 bytes."""

_HOLDER: Final = 5


def size_of(values: Iterable[object]) -> int:
    """About what it costs to keep them, in values: a list, and whatever holds all of them, costs as much as five."""
    return _HOLDER + sum(_HOLDER + len(value) if isinstance(value, tuple) else 1 for value in values)
