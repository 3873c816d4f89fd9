"""Builds authz: the only place that does."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from math import inf
from secrets import token_hex
from typing import Final

from opentelemetry.metrics import MeterProvider

from beep.authz.v1.authz_service_pb2_grpc import add_AuthzServiceServicer_to_server
from beep.authz.v1.drift_service_pb2_grpc import add_DriftServiceServicer_to_server
from beep.authz.v1.explain_service_pb2_grpc import add_ExplainServiceServicer_to_server
from beep.authz.v1.lane_service_pb2_grpc import add_LaneServiceServicer_to_server
from services.authz.answers import Answers
from services.authz.audience import Audiences
from services.authz.config import DATABASE, DECISIONS_DATABASE, DEFAULTS, LANE_DATABASE, Settings
from services.authz.decisions import Decisions
from services.authz.domain.schema import parse_schema
from services.authz.drift_service import DriftService
from services.authz.epochs import Epochs
from services.authz.explain import Explainer
from services.authz.explain_service import ExplainService
from services.authz.health import DecidesAnew
from services.authz.lane import Lane
from services.authz.lane_service import LaneService
from services.authz.leader import Leader
from services.authz.mandate import Mandate
from services.authz.metrics import Counts, Metrics
from services.authz.observed import observe_explanations, observe_lane, observe_memory, observe_permify
from services.authz.pinning import Pinning
from services.authz.reconcile import Reconciler
from services.authz.refusals import Refusals
from services.authz.service import AuthzService
from services.authz.store.decision_log import DecisionLog
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.engine_claim import adopt, claim, in_use
from services.authz.store.lease import SqliteLeases
from services.authz.store.measured import MeasuredAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.remembered import RememberedRules
from services.authz.succession import Succession
from services.authz.waves import Waves
from services.common.runtime import Runtime, running

CHECKS_AT_ONCE: Final = 16
"""Checks of one decision that a Permify is asked together. The engine in this process has nothing to wait for."""


@asynccontextmanager
async def build(
    runtime: Runtime, settings: Settings = DEFAULTS, meters: MeterProvider | None = None
) -> AsyncIterator[Callable[[], None]]:
    """Serve decisions at the runtime's server for as long as the context is open.

    Args:
        meters: who collects metrics; None: whoever has been set up for the process, or nobody.

    Yields:
        What is called when all facts are those of the sources, by whoever set `adopts`.
    """
    async with AsyncExitStack() as stack:
        counts, metrics, now = Counts(), Metrics(meters), runtime.clock.monotonic
        stack.callback(metrics.close)
        share = stack.enter_context(in_use(runtime.data, shared=settings.shared, adopts=settings.adopts))
        engine = await _open_engine(runtime, settings)
        stack.push_async_callback(engine.close)
        authorizer = MeasuredAuthorizer(engine, counts, metrics, now)
        schema = settings.schema.read_text()
        await authorizer.write_schema(schema)
        epochs = Epochs("")
        lane = Lane(authorizer, epochs)
        mandate = Mandate(now)
        answers = Answers(settings.answers_kept)
        pinning = Pinning(authorizer, epochs, answers)
        if settings.permify is None:
            waves = Waves(authorizer, pinning, answers)
        else:
            checks = RememberedRules(authorizer, parse_schema(schema))
            waves = Waves(checks, pinning, answers, at_once=CHECKS_AT_ONCE, read_ahead=checks.read_ahead)
        decisions = Decisions(pinning, waves)
        # Not measured: what explanations read is no decision's question.
        explainer = Explainer(engine, waves)
        log = await DecisionLog.open(runtime.data / DECISIONS_DATABASE)
        stack.push_async_callback(log.close)
        refusals = Refusals(explainer, log, runtime.clock, token_hex)
        refusals.start()
        stack.push_async_callback(refusals.close)
        leader = Leader(runtime.tokens)
        stack.push_async_callback(leader.close)
        service = AuthzService(
            decisions,
            Audiences(pinning, waves),
            lane,
            refusals,
            counts,
            metrics,
            now,
            mandate,
            leader,
        )
        metrics.observe(counts)
        observe_memory(metrics, answers, epochs)
        observe_lane(metrics, lane)
        observe_explanations(metrics, explainer, refusals)
        if isinstance(engine, PermifyAuthorizer):
            observe_permify(metrics, engine.calls)
        runtime.server.add(add_AuthzServiceServicer_to_server, service)
        drift = DriftService(Reconciler(authorizer, lane), leader)
        runtime.server.add(add_DriftServiceServicer_to_server, drift)
        runtime.server.add(
            add_ExplainServiceServicer_to_server, ExplainService(pinning, decisions, explainer, refusals, mandate)
        )
        if settings.shared:
            leases = await SqliteLeases.open(runtime.data / LANE_DATABASE)
            stack.push_async_callback(leases.close)
            succession = Succession(
                leases,
                authorizer,
                lane,
                epochs,
                mandate,
                runtime.clock,
                leader,
                name=token_hex(8),
                address=settings.address,
            )
            runtime.server.add(add_LaneServiceServicer_to_server, LaneService(succession, service.apply))
            await stack.enter_async_context(running(succession.run()))
            await succession.begun()
        else:
            epochs.reset(await authorizer.head())
            lane.start()
            stack.push_async_callback(lane.close)
            mandate.extend(inf)
        permify = engine if isinstance(engine, PermifyAuthorizer) else None
        runtime.server.degraded_unless(DecidesAnew(mandate, permify, runtime.clock))
        runtime.server.set_serving(True)
        stack.callback(runtime.server.set_serving, False)

        def adopted() -> None:
            adopt(runtime.data, settings.engine)
            share()

        yield adopted


async def _open_engine(runtime: Runtime, settings: Settings) -> EmbeddedAuthorizer | PermifyAuthorizer:
    installation = claim(runtime.data, settings.engine, partial(token_hex, 16), adopts=settings.adopts).installation
    if settings.permify is None:
        return await EmbeddedAuthorizer.open(runtime.data / DATABASE)
    permify = settings.permify
    return await PermifyAuthorizer.open(
        permify.address, permify.tenant, permify.key, runtime.clock, installation=installation
    )
