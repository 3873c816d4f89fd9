"""Calls of Permify: what is asked again, what is an answer, and what makes Beep say that it cannot decide."""

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc.aio import Metadata

from permify.base.v1.permify_pb2 import DataWriteRequest, DataWriteResponse
from services.authz.store import permify_calls
from services.authz.store.breaker import FAILURES, PROBE_SECONDS
from services.authz.store.permify_calls import CALL_SECONDS, TRIES, PermifyCalls, PermifyRefuses, PermifyRefusesKey
from services.common.errors import DeadlineExceeded, Unavailable
from tests.support.clock import ManualClock

REQUEST, ANSWER = DataWriteRequest(tenant_id="t"), DataWriteResponse(snap_token="x")
DOWN = (grpc.StatusCode.UNAVAILABLE, "connection refused")
SCAN = (grpc.StatusCode.INTERNAL, "ERROR_CODE_SCAN")
RULE = (grpc.StatusCode.INTERNAL, "failed to evaluate expression: no such key: roles")


class Method:
    """A method of Permify that does as it is told, each time the next thing; at last it answers."""

    def __init__(self, *failures: tuple[grpc.StatusCode, str]) -> None:
        self.failures = list(failures)
        self.timeouts: list[float] = []
        self.metadata: object = None

    async def __call__(self, request: object, *, timeout: float, metadata: object) -> DataWriteResponse:
        self.timeouts.append(timeout)
        self.metadata = metadata
        if not self.failures:
            return ANSWER
        code, details = self.failures.pop(0)
        raise grpc.aio.AioRpcError(code, Metadata(), Metadata(), details)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def calls(clock: ManualClock) -> AsyncIterator[PermifyCalls]:
    calls = PermifyCalls("127.0.0.1:1", "secret", clock)
    yield calls
    await calls.close()


async def ask(calls: PermifyCalls, clock: ManualClock, method: Method) -> DataWriteResponse:
    """Call, with the clock moved past every pause."""
    asking: asyncio.Task[DataWriteResponse] = asyncio.create_task(calls(method, REQUEST))  # type: ignore[arg-type]
    while not asking.done():
        await asyncio.sleep(0)
        if method.timeouts and not asking.done():
            clock.advance(0.05)
    return await asking


async def test_call_carries_the_key(calls: PermifyCalls, clock: ManualClock) -> None:
    method = Method()
    assert await ask(calls, clock, method) == ANSWER
    assert method.metadata == (("authorization", "Bearer secret"),)


@pytest.mark.parametrize(
    "failure", [SCAN, (grpc.StatusCode.ABORTED, "ERROR_CODE_SERIALIZATION"), (grpc.StatusCode.CANCELLED, "")]
)
async def test_call_is_made_again_when_the_failure_is_spurious(
    calls: PermifyCalls, clock: ManualClock, failure: tuple[grpc.StatusCode, str]
) -> None:
    method = Method(*[failure] * (TRIES - 1))
    assert await ask(calls, clock, method) == ANSWER
    assert (calls.made, calls.retried, calls.failed) == (TRIES, TRIES - 1, 0)
    assert method.timeouts == sorted(method.timeouts, reverse=True)
    assert method.timeouts[0] <= CALL_SECONDS
    assert method.timeouts[-1] < CALL_SECONDS - 0.05


async def test_call_fails_as_unavailable_when_it_never_stops_being_spurious(
    calls: PermifyCalls, clock: ManualClock
) -> None:
    with pytest.raises(Unavailable, match="PERMIFY_UNAVAILABLE"):
        await ask(calls, clock, Method(*[SCAN] * TRIES))
    assert (calls.made, calls.failed) == (TRIES, 1)


async def test_call_is_not_made_again_when_a_rule_fails(calls: PermifyCalls, clock: ManualClock) -> None:
    for _ in range(FAILURES):
        with pytest.raises(PermifyRefuses, match="no such key"):
            await ask(calls, clock, Method(RULE))
    assert calls.retried == 0
    # A wrong question is no failure of Permify.
    assert await ask(calls, clock, Method()) == ANSWER


@pytest.mark.parametrize("code", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNKNOWN])
async def test_call_fails_without_naming_the_key_when_it_is_refused(
    calls: PermifyCalls, clock: ManualClock, code: grpc.StatusCode, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(PermifyRefusesKey) as raised:
        await ask(calls, clock, Method((code, "ERROR_CODE_INVALID_KEY")))
    assert "secret" not in str(raised.value)
    assert all("secret" not in str(record.__dict__) for record in caplog.records)


async def test_call_is_refused_at_once_after_failures_in_a_row(
    calls: PermifyCalls, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(FAILURES):
        with pytest.raises(Unavailable):
            await ask(calls, clock, Method(DOWN))
    never = Method()
    with pytest.raises(Unavailable):
        await calls(never, REQUEST)  # type: ignore[arg-type]
    assert never.timeouts == []
    clock.advance(PROBE_SECONDS)
    assert await ask(calls, clock, Method()) == ANSWER
    assert await ask(calls, clock, Method()) == ANSWER
    assert [record.message for record in caplog.records] == ["permify_lost", "permify_back"]


async def test_call_that_is_answered_with_a_refusal_shows_that_permify_is_there(
    calls: PermifyCalls, clock: ManualClock
) -> None:
    for failure in [DOWN] * (FAILURES - 1) + [RULE] + [DOWN] * (FAILURES - 1):
        with pytest.raises((Unavailable, PermifyRefuses)):
            await ask(calls, clock, Method(failure))
    assert await ask(calls, clock, Method()) == ANSWER


async def test_call_raises_deadline_exceeded_when_permify_takes_too_long(
    calls: PermifyCalls, clock: ManualClock
) -> None:
    with pytest.raises(DeadlineExceeded):
        await ask(calls, clock, Method((grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")))


async def test_only_so_many_calls_are_in_flight(
    calls: PermifyCalls, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setattr(permify_calls, "IN_FLIGHT", 3)
    narrow = PermifyCalls("127.0.0.1:1", "", clock)
    running, most, release = 0, 0, asyncio.Event()

    async def method(request: object, *, timeout: float, metadata: object) -> DataWriteResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1
        return ANSWER

    answers = asyncio.gather(*(narrow(method, REQUEST) for _ in range(10)))  # type: ignore[arg-type]
    for _ in range(10):
        await asyncio.sleep(0)
    release.set()
    assert await answers == [ANSWER] * 10
    assert most == 3
    await narrow.close()
