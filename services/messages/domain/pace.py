"""Slow mode: how soon after a message its author may send the next one in the same channel."""

from services.common.snowflake import timestamp_ms
from services.messages.domain.errors import TooFast


def check(*, last_id: int, now_ms: int, interval_ms: int) -> None:
    """Raises TooFast, which says how long to wait: never longer than the interval, whatever the clock did."""
    waited_ms = now_ms - timestamp_ms(last_id)
    if waited_ms < interval_ms:
        raise TooFast(min(interval_ms - waited_ms, interval_ms))
