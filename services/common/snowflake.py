"""Snowflake ids: 64 bits that sort by the time at which they were made.

Layout (https://discord.com/developers/docs/reference#snowflakes): 42 bits of milliseconds since
`EPOCH_MS`, 10 bits of worker, 12 bits of sequence. Discord divides the ten bits into worker and process;
Beep needs only that no two generators share them.
"""

import threading
from typing import Final

from services.common.clock import Clock

EPOCH_MS: Final = 1_420_070_400_000
"""Discord's epoch, 2015-01-01T00:00:00Z, in milliseconds."""

MAX_WORKER: Final = (1 << 10) - 1
MAX_SNOWFLAKE: Final = (1 << 63) - 1
"""The largest id that parses: stores keep ids in signed 64 bits; the time part reaches it in 2084."""

_SEQUENCE_BITS: Final = 12
_SEQUENCE_MASK: Final = (1 << _SEQUENCE_BITS) - 1
_WORKER_SHIFT: Final = _SEQUENCE_BITS
_TIME_SHIFT: Final = 22
_MAX_DIGITS: Final = len(str(MAX_SNOWFLAKE))


class SnowflakeGenerator:
    """Makes ids that never repeat and always rise, for one worker number in one process.

    When the wall clock steps back, or more than 4,096 ids are asked for in a millisecond, the generator
    runs ahead of the clock instead of waiting: an id that is a little early harms nobody, a request
    that sleeps does. Safe to call from any thread.
    """

    __slots__ = ("_clock", "_last", "_lock", "_worker_bits")

    def __init__(self, worker: int, clock: Clock) -> None:
        """Make a generator.

        Args:
            worker: 0 to 1023, unique among the processes that write to one store.
            clock: where the time comes from.

        Raises:
            ValueError: `worker` is out of range.
        """
        if not 0 <= worker <= MAX_WORKER:
            raise ValueError(f"worker must be 0 to {MAX_WORKER}, got {worker}")
        self._worker_bits = worker << _WORKER_SHIFT
        self._clock = clock
        # Milliseconds and sequence as one number: its successor carries into the next millisecond by itself.
        self._last = -1
        self._lock = threading.Lock()

    def next(self, *, above: int = 0) -> int:
        """A new id, larger than every id that this generator has made, and than `above`."""
        earliest = (self._clock.now_ms() - EPOCH_MS) << _SEQUENCE_BITS
        if above:
            # Its next millisecond: another worker's id may be the larger one within the same.
            earliest = max(earliest, ((above >> _TIME_SHIFT) + 1) << _SEQUENCE_BITS)
        with self._lock:
            ticket = self._last = max(earliest, self._last + 1)
        return (ticket >> _SEQUENCE_BITS) << _TIME_SHIFT | self._worker_bits | (ticket & _SEQUENCE_MASK)


def timestamp_ms(snowflake: int) -> int:
    """When the id was made, in milliseconds since 1970-01-01 UTC."""
    return (snowflake >> _TIME_SHIFT) + EPOCH_MS


def at_ms(wall_ms: int) -> int:
    """The smallest id of that millisecond: a bound for "everything since". Zero for times before the epoch."""
    return max(0, wall_ms - EPOCH_MS) << _TIME_SHIFT


def parse_worker(setting: str, text: str) -> int:
    """The worker number that a setting gives. Raises ValueError, which names the setting."""
    if not (text.isascii() and text.isdecimal()) or int(text) > MAX_WORKER:
        raise ValueError(f"{setting} is 0 to {MAX_WORKER}, not {text!r}")
    return int(text)


def parse_snowflake(value: str | int) -> int:
    """Read an id as it comes from outside.

    Raises:
        ValueError: it is not 1 to 19 ASCII digits (or an int) in the range 0 to `MAX_SNOWFLAKE`. The text is
            not repeated in the message: it may be long, or contain anything.
    """
    if isinstance(value, str):
        # Checked first: int() would take signs, spaces, underscores, other scripts' digits, and any length.
        if not 0 < len(value) <= _MAX_DIGITS or not (value.isascii() and value.isdigit()):
            raise ValueError(f"a snowflake is 1 to {_MAX_DIGITS} digits")
        value = int(value)
    elif isinstance(value, bool):
        raise ValueError("a snowflake is a number or a string of digits")
    if not 0 <= value <= MAX_SNOWFLAKE:
        raise ValueError(f"a snowflake is between 0 and {MAX_SNOWFLAKE}")
    return value
