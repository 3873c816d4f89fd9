"""How values look on the wire."""

from datetime import UTC, datetime
from typing import Final

import msgspec

JSON_ENCODER: Final = msgspec.json.Encoder()

encode: Final = JSON_ENCODER.encode


def timestamp(milliseconds: int) -> str:
    """ISO 8601 as Discord writes it, with six digits and +00:00: 2026-01-31T12:00:00.000000+00:00."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="microseconds")


def optional_id(value: int) -> str | None:
    """A proto's 0 is JSON's null."""
    return str(value) if value else None
