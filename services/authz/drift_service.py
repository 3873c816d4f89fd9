"""gRPC in: comparing what sources state with what is held. Only services may call."""

from collections.abc import Mapping
from typing import Final

from beep.authz.v1 import drift_service_pb2 as pb
from beep.authz.v1 import facts_service_pb2 as facts_pb
from beep.authz.v1.drift_service_pb2_grpc import DriftServiceServicer
from services.authz.domain.drift import Difference, DriftKind, Stated
from services.authz.domain.fact_keys import FactKey, FactKind
from services.authz.fact_changes import change_of
from services.authz.leader import PEER, Leader
from services.authz.reconcile import Reconciler
from services.common.auth import require_service
from services.common.errors import InvalidArgument
from services.common.limits import FACTS_PAGE

_KINDS: Final[Mapping[FactKind, "facts_pb.FactKind.ValueType"]] = {
    FactKind.SERVER: facts_pb.FACT_KIND_SERVER,
    FactKind.CHANNEL: facts_pb.FACT_KIND_CHANNEL,
    FactKind.SEAT: facts_pb.FACT_KIND_SEAT,
    FactKind.THREAD: facts_pb.FACT_KIND_THREAD,
    FactKind.PRIVATE_CHANNEL: facts_pb.FACT_KIND_PRIVATE_CHANNEL,
    FactKind.FROZEN: facts_pb.FACT_KIND_FROZEN,
    FactKind.SUSPENDED: facts_pb.FACT_KIND_SUSPENDED,
}
_DRIFT_KINDS: Final[Mapping[DriftKind, "pb.DriftKind.ValueType"]] = {
    DriftKind.MISSING: pb.DRIFT_KIND_MISSING,
    DriftKind.WRONG: pb.DRIFT_KIND_WRONG,
    DriftKind.EXTRA: pb.DRIFT_KIND_EXTRA,
}


class DriftService(DriftServiceServicer):
    def __init__(self, reconciler: Reconciler, leader: Leader) -> None:
        """`leader`: what is to be repaired is given to whoever leads the lane, if that is another process."""
        self._reconciler = reconciler
        self._leader = leader

    async def CompareFacts(self, request: pb.CompareFactsRequest, context: object) -> pb.CompareFactsResponse:
        caller = require_service()
        if len(request.facts) > FACTS_PAGE:
            raise InvalidArgument("INVALID_REQUEST", f"At most {FACTS_PAGE} objects.")
        if request.apply and self._leader.elsewhere and caller.service != PEER:
            return await self._leader.compare(request)
        compared = await self._reconciler.compare(
            [_stated(fact) for fact in request.facts], apply=request.apply, last=request.last
        )
        answer = pb.CompareFactsResponse()
        for fact, one in zip(request.facts, compared, strict=True):
            key, comparison = fact.stated.key, one.comparison
            if comparison.changing:
                answer.changing.append(pb.ChangingFact(key=key, seen_version=comparison.held_version))
            answer.drift.extend(_drift(key, difference, one.repaired) for difference in comparison.differences)
        return answer

    async def ListHeldFacts(self, request: pb.ListHeldFactsRequest, context: object) -> pb.ListHeldFactsResponse:
        require_service()
        limit = min(request.page_size or FACTS_PAGE, FACTS_PAGE)
        page = await self._reconciler.held(request.page_token, limit)
        return pb.ListHeldFactsResponse(keys=map(_key, page.items), next_page_token=page.after)


def _stated(fact: pb.ComparedFact) -> Stated:
    change = change_of(fact.stated.change)
    if change is None:
        raise InvalidArgument("INVALID_REQUEST", "A stated fact is empty.")
    return Stated(change, fact.stated.version, fact.stated.told, fact.seen_version)


def _drift(key: facts_pb.FactKey, difference: Difference, repaired: bool) -> pb.Drift:
    return pb.Drift(
        key=key,
        fact=difference.fact,
        expected=difference.expected,
        found=difference.found,
        kind=_DRIFT_KINDS[difference.kind],
        repaired=repaired,
    )


def _key(key: FactKey) -> facts_pb.FactKey:
    return facts_pb.FactKey(kind=_KINDS[key.kind], id=key.id, server_id=key.server_id)
