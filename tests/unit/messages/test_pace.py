import pytest

from services.common.snowflake import at_ms
from services.messages.domain import pace
from services.messages.domain.errors import TooFast

NOW = 1_767_225_600_000


@pytest.mark.parametrize(("waited_ms", "retry_after"), [(0, "5.0"), (4_999, "0.001"), (-60_000, "5.0")])
def test_next_message_is_refused_while_the_interval_lasts(waited_ms: int, retry_after: str) -> None:
    """Also when the clock went back; and then nobody waits longer than the interval."""
    with pytest.raises(TooFast) as refused:
        pace.check(last_id=at_ms(NOW), now_ms=NOW + waited_ms, interval_ms=5_000)
    assert refused.value.metadata == {"retry_after": retry_after}


def test_next_message_passes_when_the_interval_is_over() -> None:
    pace.check(last_id=at_ms(NOW), now_ms=NOW + 5_000, interval_ms=5_000)
