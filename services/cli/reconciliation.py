"""The walk of `beep reconcile`, in the Beep that runs: what the sources state is compared with what authz holds.

First everything that is stated, so that what is missing is found; then everything that is held, so that what nobody
states is. A page at a time: nothing is remembered between two of them but the cursor.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from beep.authz.v1 import drift_service_pb2 as drift_pb
from beep.authz.v1 import facts_service_pb2 as facts_pb
from beep.authz.v1.drift_service_pb2_grpc import DriftServiceStub
from beep.authz.v1.facts_service_pb2_grpc import FactsServiceStub
from beep.operator.v1.operator_service_pb2 import ReconcileResponse
from services.common.clock import Clock
from services.common.errors import InvalidArgument
from services.common.limits import FACTS_PAGE_SECONDS
from services.common.rpc import Channel

if TYPE_CHECKING:
    from beep.authz.v1.facts_service_pb2_grpc import FactsServiceAsyncStub

PAGE: Final = 200
SETTLE_SECONDS: Final = 10.0
"""How long a source is asked again about what is changing. A relay that has not told authz by then stands still."""

_FIRST_PAUSE: Final = 0.02
_LAST_PAUSE: Final = 0.5

SERVERS: Final = "servers"
USERS: Final = "users"
_HELD: Final = "held"
_WALK: Final = (SERVERS, USERS, _HELD)
_OF_USERS: Final = frozenset({facts_pb.FACT_KIND_PRIVATE_CHANNEL, facts_pb.FACT_KIND_SUSPENDED})
_REMOVALS: Final = frozenset(
    {"remove_server", "remove_channel", "remove_seat", "remove_thread", "remove_private_channel"}
)

_Identity = tuple[int, int, int]


class Reconciliation:
    def __init__(
        self, peers: Mapping[str, Channel], repaired: Callable[[Collection[int]], Awaitable[None]], clock: Clock
    ) -> None:
        """Make it.

        Args:
            peers: channels to authz, servers and users.
            repaired: told of the servers in which something was repaired, or may have been, when it is in force.
        """
        self._authz = DriftServiceStub(peers["authz"])
        self._sources: dict[str, FactsServiceAsyncStub] = {
            name: FactsServiceStub(peers[name]) for name in (SERVERS, USERS)
        }
        self._repaired = repaired
        self._clock = clock

    async def step(self, cursor: str, *, apply: bool) -> ReconcileResponse:
        """One page. Raises BeepError; the same step can be made again."""
        part, _, token = cursor.partition(":")
        part = part or SERVERS
        if part not in _WALK:
            raise InvalidArgument("INVALID_REQUEST", "This is no cursor.")
        report = ReconcileResponse()
        if part == _HELD:
            token = await self._compare_held(token, apply, report)
        else:
            token = await self._compare_stated(part, token, apply, report)
        if token:
            report.cursor = f"{part}:{token}"
        elif part != _WALK[-1]:
            report.cursor = f"{_WALK[_WALK.index(part) + 1]}:"
        return report

    async def _compare_stated(self, source: str, token: str, apply: bool, report: ReconcileResponse) -> str:
        request = facts_pb.ListFactsRequest(page_size=PAGE, page_token=token)
        page = await self._sources[source].ListFacts(request, timeout=FACTS_PAGE_SECONDS)
        await self._compare(page.facts, apply, report)
        return page.next_page_token

    async def _compare_held(self, token: str, apply: bool, report: ReconcileResponse) -> str:
        request = drift_pb.ListHeldFactsRequest(page_size=PAGE, page_token=token)
        page = await self._authz.ListHeldFacts(request, timeout=FACTS_PAGE_SECONDS)
        stated = await self._ask(page.keys)
        # What is there still was compared when it was stated.
        await self._compare([fact for fact in stated if _is_removal(fact)], apply, report, only_removals=True)
        known = {_identity(fact.key) for fact in stated}
        report.drift.extend(
            drift_pb.Drift(key=key, fact=_UNSTATED_FACTS[key.kind], found="true", kind=drift_pb.DRIFT_KIND_UNSTATED)
            for key in page.keys
            if _identity(key) not in known and key.kind in _UNSTATED_FACTS
        )
        return page.next_page_token

    async def _compare(
        self,
        stated: Sequence[facts_pb.StatedFact],
        apply: bool,
        report: ReconcileResponse,
        *,
        only_removals: bool = False,
    ) -> None:
        """Compare, and ask again about what is changing, until it stands still."""
        report.compared += len(stated)
        facts = [drift_pb.ComparedFact(stated=fact) for fact in stated]
        give_up, pause = self._clock.monotonic() + SETTLE_SECONDS, _FIRST_PAUSE
        while facts:
            last = self._clock.monotonic() >= give_up
            request = drift_pb.CompareFactsRequest(facts=facts, apply=apply, last=last)
            answer = await self._compared(request)
            report.drift.extend(answer.drift)
            if last:
                report.changing += len(answer.changing)
                return
            if not answer.changing:
                return
            await self._clock.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)
            seen = {_identity(each.key): each.seen_version for each in answer.changing}
            facts = [
                drift_pb.ComparedFact(stated=fact, seen_version=seen.get(_identity(fact.key), 0))
                for fact in await self._ask(each.key for each in answer.changing)
                if not only_removals or _is_removal(fact)
            ]

    async def _compared(self, request: drift_pb.CompareFactsRequest) -> drift_pb.CompareFactsResponse:
        """Look, and then repair what was found.

        A repair whose answer is lost is called again by the channel to authz, at another address, where nothing differs
        any more. So what there was to repair is known from before, and it is told whatever becomes of the call.
        """
        look = drift_pb.CompareFactsRequest(facts=request.facts, last=request.last)
        found = await self._authz.CompareFacts(look, timeout=FACTS_PAGE_SECONDS)
        if not request.apply or not found.drift:
            return found
        drifted = {_identity(drift.key) for drift in found.drift}
        facts = [fact for fact in request.facts if _identity(fact.stated.key) in drifted]
        repair = drift_pb.CompareFactsRequest(facts=facts, apply=True, last=request.last)
        try:
            repaired = await self._authz.CompareFacts(repair, timeout=FACTS_PAGE_SECONDS)
        finally:
            await self._repaired({drift.key.server_id for drift in found.drift} - {0})
        still = {(_identity(drift.key), drift.fact) for drift in repaired.drift}
        for drift in found.drift:
            if (_identity(drift.key), drift.fact) not in still:
                drift.repaired = True
                repaired.drift.append(drift)
        repaired.changing.extend(found.changing)
        return repaired

    async def _ask(self, keys: Iterable[facts_pb.FactKey]) -> list[facts_pb.StatedFact]:
        """What the sources state of these now, each once."""
        asked: dict[str, list[facts_pb.FactKey]] = {}
        for key in keys:
            asked.setdefault(USERS if key.kind in _OF_USERS else SERVERS, []).append(key)
        stated: dict[_Identity, facts_pb.StatedFact] = {}
        for source, of_source in asked.items():
            request = facts_pb.GetFactsRequest(keys=of_source)
            answer = await self._sources[source].GetFacts(request, timeout=FACTS_PAGE_SECONDS)
            stated.update((_identity(fact.key), fact) for fact in answer.facts)
        return list(stated.values())


# The facts that no source states yet. What is left alone is said.
_UNSTATED_FACTS: Final[Mapping[int, str]] = {
    facts_pb.FACT_KIND_FROZEN: "frozen",
    facts_pb.FACT_KIND_SUSPENDED: "suspended",
}


def _identity(key: facts_pb.FactKey) -> _Identity:
    # A channel is one by its own id: which server it is in, a wrong fact of authz may have said.
    return (key.kind, key.id, key.server_id if key.kind == facts_pb.FACT_KIND_SEAT else 0)


def _is_removal(fact: facts_pb.StatedFact) -> bool:
    return fact.change.WhichOneof("change") in _REMOVALS
