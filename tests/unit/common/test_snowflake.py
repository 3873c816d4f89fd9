import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.snowflake import (
    EPOCH_MS,
    MAX_SNOWFLAKE,
    MAX_WORKER,
    SnowflakeGenerator,
    at_ms,
    parse_snowflake,
    timestamp_ms,
)
from tests.support.clock import ManualClock

NOW_MS = 1_767_225_600_123


def test_snowflake_has_discords_layout() -> None:
    # The example of https://discord.com/developers/docs/reference#snowflakes
    assert timestamp_ms(175928847299117063) == 1_462_015_105_796
    generator = SnowflakeGenerator(worker=5, clock=ManualClock(EPOCH_MS + 7))
    assert [generator.next(), generator.next()] == [7 << 22 | 5 << 12, 7 << 22 | 5 << 12 | 1]


@given(steps=st.lists(st.integers(-10_000, 10_000), max_size=200), worker=st.integers(0, MAX_WORKER))
def test_snowflakes_rise_when_the_wall_clock_steps_back(steps: list[int], worker: int) -> None:
    clock = ManualClock(NOW_MS)
    generator = SnowflakeGenerator(worker, clock)
    made = []
    for step in steps:
        clock.step_wall(step)
        made.append(generator.next())
    assert made == sorted(set(made))
    assert {snowflake >> 12 & MAX_WORKER for snowflake in made} <= {worker}


def test_snowflakes_rise_when_a_millisecond_is_used_up() -> None:
    generator = SnowflakeGenerator(MAX_WORKER, ManualClock(NOW_MS))
    made = [generator.next() for _ in range(10_000)]
    assert made == sorted(set(made))
    assert timestamp_ms(made[0]) == NOW_MS
    assert timestamp_ms(made[-1]) == NOW_MS + 2
    assert {snowflake >> 12 & MAX_WORKER for snowflake in made} == {MAX_WORKER}


def test_snowflakes_follow_the_clock_again_when_it_has_caught_up() -> None:
    clock = ManualClock(NOW_MS)
    generator = SnowflakeGenerator(0, clock)
    generator.next()
    clock.step_wall(-1_000)
    generator.next()
    clock.step_wall(5_000)
    assert timestamp_ms(generator.next()) == NOW_MS + 4_000


def test_snowflakes_do_not_repeat_when_threads_share_a_generator() -> None:
    generator = SnowflakeGenerator(0, ManualClock(NOW_MS))
    made: list[list[int]] = [[] for _ in range(4)]

    def make(into: list[int]) -> None:
        into.extend(generator.next() for _ in range(5_000))

    threads = [threading.Thread(target=make, args=(into,)) for into in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set().union(*made)) == 20_000
    assert all(into == sorted(into) for into in made)


@pytest.mark.parametrize("worker", [-1, MAX_WORKER + 1])
def test_generator_refuses_a_worker_out_of_range(worker: int) -> None:
    with pytest.raises(ValueError, match="worker"):
        SnowflakeGenerator(worker, ManualClock())


@given(wall_ms=st.integers(0, EPOCH_MS + (1 << 41) - 1))
def test_bound_of_a_time_is_not_above_any_id_of_that_time(wall_ms: int) -> None:
    assert at_ms(wall_ms) <= SnowflakeGenerator(0, ManualClock(max(wall_ms, EPOCH_MS))).next()
    assert timestamp_ms(at_ms(wall_ms)) == max(wall_ms, EPOCH_MS)


@given(snowflake=st.integers(0, MAX_SNOWFLAKE))
def test_parse_reads_what_was_written(snowflake: int) -> None:
    assert parse_snowflake(str(snowflake)) == parse_snowflake(snowflake) == snowflake


@given(value=st.text() | st.integers())
def test_parse_answers_in_bounds_or_says_what_is_wrong(value: str | int) -> None:
    try:
        parsed = parse_snowflake(value)
    except ValueError as error:
        complaint = str(error)
        parsed = 0
    else:
        complaint = "a snowflake"
    assert 0 <= parsed <= MAX_SNOWFLAKE
    assert complaint.startswith("a snowflake")
    assert len(complaint) < 80


@pytest.mark.parametrize(
    "value",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "-1",
        "1_000",
        "0x10",
        "1.0",
        "1e3",
        "١٢",
        "²",
        "9" * 5000,
        str(MAX_SNOWFLAKE + 1),
        -1,
        True,
    ],
)
def test_parse_refuses_what_is_not_plain_digits_in_range(value: str | int) -> None:
    with pytest.raises(ValueError, match="snowflake"):
        parse_snowflake(value)
