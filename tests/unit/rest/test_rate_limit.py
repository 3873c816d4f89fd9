from hypothesis import given
from hypothesis import strategies as st

from services.rest.rate_limit import Limit, Windows, whole_seconds

LIMIT = Limit(requests=3, seconds=5)


def test_take_lets_the_limit_through_and_no_more() -> None:
    windows = Windows()
    verdicts = [windows.take("ada", LIMIT, now=10 + step) for step in range(5)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False, False]
    assert [verdict.remaining for verdict in verdicts] == [2, 1, 0, 0, 0]
    assert [verdict.reset_after for verdict in verdicts] == [5, 4, 3, 2, 1]


def test_take_opens_a_new_window_when_the_old_one_closed() -> None:
    windows = Windows()
    for _ in range(4):
        windows.take("ada", LIMIT, now=0)
    assert not windows.take("ada", LIMIT, now=4.999).allowed
    assert windows.take("ada", LIMIT, now=5).remaining == 2


def test_take_counts_each_key_by_itself() -> None:
    windows = Windows()
    for _ in range(4):
        windows.take("ada", LIMIT, now=0)
    assert windows.take("ben", LIMIT, now=0).allowed


def test_would_allow_counts_nothing() -> None:
    windows = Windows()
    assert windows.would_allow("ada", LIMIT, now=0).remaining == 3
    for _ in range(3):
        windows.take("ada", LIMIT, now=0)
    assert not windows.would_allow("ada", LIMIT, now=1).allowed
    assert windows.would_allow("ada", LIMIT, now=5).allowed


def test_memory_is_bounded_by_forgetting_the_least_recently_used() -> None:
    windows = Windows(capacity=100)
    for _ in range(3):
        windows.take("ada", LIMIT, now=0)
    for stranger in range(1000):
        windows.take(stranger, LIMIT, now=0)
        windows.take("ada", LIMIT, now=0)
    assert len(windows) == 100
    assert not windows.take("ada", LIMIT, now=0).allowed


@given(st.lists(st.floats(0, 3), max_size=60))
def test_no_window_lets_more_than_the_limit_through(pauses: list[float]) -> None:
    windows, now, allowed = Windows(), 0.0, []
    for pause in pauses:
        now += pause
        verdict = windows.take("ada", LIMIT, now)
        if verdict.allowed:
            allowed.append(now)
        else:
            assert windows.would_allow("ada", LIMIT, now + verdict.reset_after + 1e-6).allowed
    # Two windows may touch, so twice the limit is the most that any span of one window's length holds.
    for start in allowed:
        assert sum(start <= moment < start + LIMIT.seconds for moment in allowed) <= 2 * LIMIT.requests


def test_whole_seconds_never_tells_to_come_back_early() -> None:
    assert [whole_seconds(value) for value in (0.001, 1.0, 1.2)] == [1, 1, 2]
