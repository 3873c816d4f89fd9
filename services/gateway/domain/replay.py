"""What a session remembers so that a client that comes back gets exactly what it missed.

A ring of unsigned 64-bit numbers, written before each dispatch leaves and read when a client resumes. It holds no
bodies, only the places in the bus's log where they are:

    ring[0]                     the newest sequence number (`s`) given to this session
    ring[1 + (s mod 4096)]      the bus offset of that dispatch, or one of the two marks below

The entry is written before the head: a process that is killed between the two has not yet told anybody, and gives
the same number to the same event when it comes back.
"""

from collections.abc import MutableSequence, Sequence
from typing import Final

from services.common.limits import REPLAY_EVENTS

EVENTS: Final = REPLAY_EVENTS
"""A power of two, so that a place in the ring is found by a mask."""
MASK: Final = EVENTS - 1
WORDS: Final = EVENTS + 1

NOT_REPLAYABLE: Final = 0
"""READY, the GUILD_CREATEs behind it and member chunks: who missed one of these identifies again."""

RESUMED: Final = (1 << 64) - 1
"""Has no place in the bus: it is made anew."""

Ring = MutableSequence[int] | memoryview


def head(ring: Ring) -> int:
    return ring[0]


def record(ring: Ring, sequence: int, offset: int) -> None:
    ring[1 + (sequence & MASK)] = offset
    ring[0] = sequence


def offsets(ring: Ring, first: int, last: int) -> list[int]:
    """The entries of `first` to `last`, which must be among the newest 4,096."""
    return [ring[1 + (sequence & MASK)] for sequence in range(first, last + 1)]


def missed(ring: Ring, received: int) -> Sequence[int] | None:
    """The offsets of what comes after `received`, oldest first, or None if that can no longer be told.

    Args:
        ring: the session's.
        received: the last sequence number that the client says it has.
    """
    newest = head(ring)
    if not 0 < received <= newest or newest - received > EVENTS:
        return None
    entries = offsets(ring, received + 1, newest)
    return None if NOT_REPLAYABLE in entries else entries


def recorded_after(ring: Ring, watermark: int) -> frozenset[int] | None:
    """The bus offsets behind `watermark` that were already dispatched; None if the ring cannot tell all of them."""
    newest = head(ring)
    kept = offsets(ring, max(1, newest - EVENTS + 1), newest)
    later = frozenset(offset for offset in kept if offset > watermark and offset != RESUMED)
    # A ring full of what came later may have overwritten more of it, and it would be dispatched twice.
    return None if newest > EVENTS and kept[0] > watermark else later
