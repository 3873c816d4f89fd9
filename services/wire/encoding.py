"""How values look on the wire."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec

JSON_ENCODER: Final = msgspec.json.Encoder()

encode: Final = JSON_ENCODER.encode


# The one of a message is written twice, in the answer and in the event, and that of a membership in each of its events.
@lru_cache(maxsize=4096)
def timestamp(milliseconds: int) -> str:
    """ISO 8601 as Discord writes it, with six digits and +00:00: 2026-01-31T12:00:00.000000+00:00."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="microseconds")


def optional_id(value: int) -> str | None:
    """A proto's 0 is JSON's null."""
    return str(value) if value else None
