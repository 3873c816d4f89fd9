import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.domain.errors import InvalidForm
from services.messages.domain.history import after, around, before, check_limit, newest


@pytest.mark.parametrize(("given_limit", "used"), [(0, 50), (1, 1), (100, 100)])
def test_limit_in_range_is_used_and_none_is_50(given_limit: int, used: int) -> None:
    assert check_limit(given_limit) == used


@pytest.mark.parametrize("limit", [-1, 101])
def test_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(InvalidForm):
        check_limit(limit)


@given(st.integers(0, MAX_SNOWFLAKE), st.integers(1, 100))
def test_every_window_has_the_size_that_was_asked_for(message_id: int, limit: int) -> None:
    for window in (before(message_id, limit), after(message_id, limit), around(message_id, limit), newest(limit)):
        assert window.older + window.newer == limit
        assert min(window.older, window.newer) >= 0
        assert 0 <= window.pivot <= MAX_SNOWFLAKE
    assert around(message_id, limit).newer >= 1  # the message itself
