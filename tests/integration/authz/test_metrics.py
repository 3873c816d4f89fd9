"""What an exporter of metrics gets to see: every count moves by what was done, and by nothing else."""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import HistogramDataPoint, InMemoryMetricReader, NumberDataPoint

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1 import facts_pb2 as facts
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from services.authz.__main__ import build
from services.authz.metrics import Metrics
from services.authz.observed import observe_permify
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify_calls import PermifyCalls
from services.common.clock import SystemClock
from services.common.errors import Unavailable
from services.common.permissions import Permission as P
from tests.support.in_process import in_process, service

ROWS = "\n".join(line for line in Path("docs/metrics.md").read_text().splitlines() if line.startswith("|"))
DOCUMENTED = set(re.findall(r"`(beep\.authz\.[a-z._]+)`", ROWS))

SERVER, OWNER, USER, STRANGER, CHANNEL = 10, 20, 21, 22, 12

SEND = pb.AuthorizeRequest(user_id=USER, channel_id=CHANNEL, required=P.SEND_MESSAGES)
MANAGE = pb.AuthorizeRequest(user_id=USER, channel_id=CHANNEL, required=P.MANAGE_MESSAGES)
FROM_OUTSIDE = pb.AuthorizeRequest(user_id=STRANGER, channel_id=CHANNEL, required=P.SEND_MESSAGES)


AFTERWARDS = ("beep.authz.refusals.", "beep.authz.explanations")
"""What moves in its own time, when the answer has gone out."""


@dataclass
class Observed:
    authz: AuthzServiceStub
    reader: InMemoryMetricReader

    def read(self) -> dict[str, float]:
        """All values by name and label; of a histogram, how many it has seen."""
        data = self.reader.get_metrics_data()
        values: dict[str, float] = {}
        for metric in data.resource_metrics[0].scope_metrics[0].metrics if data else ():
            if metric.name.startswith(AFTERWARDS):
                continue
            for point in metric.data.data_points:
                name = " ".join([metric.name, *map(str, (point.attributes or {}).values())])
                if isinstance(point, HistogramDataPoint):
                    values[f"{name} count"] = point.count
                elif isinstance(point, NumberDataPoint):
                    values[name] = point.value
        return values

    async def moved(self, *requests: pb.AuthorizeRequest) -> dict[str, float]:
        """What has changed when these were answered."""
        before = self.read()
        for request in requests:
            await self.authz.Authorize(request)
        after = self.read()
        return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


def _version(number: int, *changes: facts.FactChange) -> pb.ApplyFactsRequest:
    return pb.ApplyFactsRequest(server_id=SERVER, version=number, changes=changes)


@pytest.fixture
async def observed(tmp_path: Path) -> AsyncIterator[Observed]:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    async with in_process(tmp_path, SystemClock(), "authz") as beep, build(beep.runtime("authz"), meters=meters):
        authz = AuthzServiceStub(beep.channel("authz", service("messages")))
        roles = [facts.RolePermissions(role_id=SERVER, permissions=P.VIEW_CHANNEL | P.SEND_MESSAGES)]
        await authz.ApplyFacts(
            _version(
                1,
                facts.FactChange(set_server=facts.SetServer(server_id=SERVER, owner_id=OWNER)),
                facts.FactChange(set_roles=facts.SetRoles(server_id=SERVER, roles=roles)),
                facts.FactChange(set_channel=facts.SetChannel(server_id=SERVER, channel_id=CHANNEL)),
                facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=USER)),
            )
        )
        yield Observed(authz, reader)
    meters.shutdown()


async def test_cold_decision_counts_what_it_asked_and_a_remembered_one_only_itself(observed: Observed) -> None:
    cold = await observed.moved(SEND)
    assert cold["beep.authz.decisions allowed"] == 1
    assert "beep.authz.decisions.cached" not in cold
    # Sovereign? Granted on the server, twice; in the channel, twice.
    assert cold["beep.authz.engine.calls check"] == cold["beep.authz.engine.duration check count"] == 5
    assert cold["beep.authz.decision.duration count"] == 1
    assert cold["beep.authz.answers"] > 0

    assert await observed.moved(SEND, SEND, SEND) == {
        "beep.authz.decisions allowed": 3,
        "beep.authz.decisions.cached": 3,
    }


async def test_refusals_are_counted_by_what_the_caller_is_told(observed: Observed) -> None:
    for request, outcome in ((MANAGE, "denied"), (FROM_OUTSIDE, "hidden")):
        first = await observed.moved(request)
        assert first[f"beep.authz.decisions {outcome}"] == 1
        assert first["beep.authz.decision.duration count"] == 1
        assert await observed.moved(request) == {
            f"beep.authz.decisions {outcome}": 1,
            "beep.authz.decisions.cached": 1,
        }


async def test_failed_decision_is_neither_allowed_nor_denied_nor_cached(
    observed: Observed, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> bool:
        raise Unavailable("ENGINE_DOWN")

    monkeypatch.setattr(EmbeddedAuthorizer, "check", fail)
    before = observed.read()
    with pytest.raises(Unavailable):
        await observed.authz.Authorize(SEND)
    after = observed.read()
    moved = {name for name, value in after.items() if value != before.get(name, 0)}
    assert after["beep.authz.decisions failed"] == after["beep.authz.engine.failures"] == 1
    assert not {name for name in moved if name.endswith((" allowed", " denied", " hidden", ".cached"))}


async def test_changes_of_facts_are_counted_with_their_groups_and_writes(observed: Observed) -> None:
    before = observed.read()
    seat = facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=STRANGER))
    await observed.authz.ApplyFacts(_version(2, seat))
    after = observed.read()
    for name in ("lane.changes", "lane.groups", "engine.calls write", "engine.duration write count"):
        assert after[f"beep.authz.{name}"] - before[f"beep.authz.{name}"] == 1
    assert after["beep.authz.epochs"] == before["beep.authz.epochs"] + 1
    assert after["beep.authz.lane.queue"] == 0


def _names(reader: InMemoryMetricReader) -> set[str]:
    data = reader.get_metrics_data()
    assert data is not None
    return {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}


async def test_document_lists_what_is_exported_and_nothing_else(observed: Observed) -> None:
    await observed.moved(SEND)
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    calls = PermifyCalls("127.0.0.1:1", "", SystemClock())
    observe_permify(Metrics(meters), calls)
    exported = _names(observed.reader) | _names(reader)
    await calls.close()
    meters.shutdown()
    assert exported == DOCUMENTED


def test_authz_that_has_stopped_is_seen_as_it_was_at_its_end() -> None:
    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    metrics, read = Metrics(meters), 0

    def count() -> int:
        nonlocal read
        read += 1
        return read

    metrics.counter("beep.test", "Reads.", count)
    observed = Observed(None, reader)  # type: ignore[arg-type]  # it is asked nothing
    assert observed.read() == {"beep.test": 1}
    metrics.close()
    assert observed.read() == observed.read() == {"beep.test": 2}
    meters.shutdown()
