"""The circuit breaker: who does not answer is left alone, and is found again."""

from services.authz.store.breaker import FAILURES, PROBE_SECONDS, CircuitBreaker
from tests.support.clock import ManualClock


def opened(clock: ManualClock) -> CircuitBreaker:
    breaker = CircuitBreaker(clock)
    for _ in range(FAILURES):
        breaker.failed()
    return breaker


def test_breaker_admits_everything_until_failures_come_in_a_row() -> None:
    breaker = CircuitBreaker(ManualClock())
    assert [breaker.failed() for _ in range(FAILURES - 1)] == [False] * (FAILURES - 1)
    assert breaker.admits()
    assert breaker.succeeded() is False
    assert [breaker.failed() for _ in range(FAILURES)] == [False] * (FAILURES - 1) + [True]
    assert not breaker.admits()


def test_breaker_admits_one_probe_at_a_time_when_it_is_open() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(PROBE_SECONDS)
    assert [breaker.admits() for _ in range(3)] == [True, False, False]
    breaker.failed()
    assert not breaker.admits()
    clock.advance(PROBE_SECONDS)
    assert breaker.admits()


def test_breaker_sends_another_probe_when_nobody_reports_on_the_first() -> None:
    clock = ManualClock()
    breaker = opened(clock)
    clock.advance(PROBE_SECONDS)
    assert breaker.admits()
    clock.advance(PROBE_SECONDS)
    assert breaker.admits()


def test_breaker_closes_when_anything_is_answered() -> None:
    breaker = opened(ManualClock())
    assert breaker.succeeded() is True
    assert breaker.admits()
    assert breaker.failed() is False
