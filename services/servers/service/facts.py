"""What all facts of servers should be: for whoever compares them with what authz holds."""

from collections.abc import Collection, Mapping
from typing import Final

from beep.authz.v1 import facts_service_pb2 as pb
from beep.authz.v1.facts_service_pb2_grpc import FactsServiceServicer
from services.common.auth import require_service
from services.common.errors import FieldViolation, InvalidArgument
from services.common.limits import FACTS_PAGE
from services.common.outbox import Relay
from services.servers.domain.facts import FactKey, FactKind, key_of
from services.servers.events import fact_change
from services.servers.store.fact_ports import BEGIN, FactStore, Part, Place, StatedFact

TELL_SECONDS: Final = 2.0
"""How long the relay is waited for, so that what is on its way need not be asked about again."""

_KINDS: Final[Mapping["pb.FactKind.ValueType", FactKind]] = {
    pb.FACT_KIND_SERVER: FactKind.SERVER,
    pb.FACT_KIND_ROLES: FactKind.ROLES,
    pb.FACT_KIND_CHANNEL: FactKind.CHANNEL,
    pb.FACT_KIND_SEAT: FactKind.SEAT,
    pb.FACT_KIND_THREAD: FactKind.THREAD,
}
_KIND_NUMBERS: Final = {kind: number for number, kind in _KINDS.items()}


class FactsService(FactsServiceServicer):
    """An answer waits for what it tells to reach authz: then whatever differs there is no change on its way."""

    def __init__(self, store: FactStore, relay: Relay) -> None:
        self._store = store
        self._relay = relay

    async def ListFacts(self, request: pb.ListFactsRequest, context: object) -> pb.ListFactsResponse:
        require_service()
        limit = min(request.page_size or FACTS_PAGE, FACTS_PAGE)
        facts, last = await self._store.facts_page(_place(request.page_token), limit)
        return pb.ListFactsResponse(
            facts=await self._told(facts),
            next_page_token=f"{last.server_id}.{last.part}.{last.after}" if last else "",
        )

    async def GetFacts(self, request: pb.GetFactsRequest, context: object) -> pb.GetFactsResponse:
        require_service()
        if len(request.keys) > FACTS_PAGE:
            raise _invalid("keys", f"At most {FACTS_PAGE} objects.")
        # Nobody here states whether a server is frozen: about that, nothing is said.
        keys = [_key(key) for key in request.keys if key.kind in _KINDS]
        return pb.GetFactsResponse(facts=await self._told(await self._store.facts_about(keys)))

    async def _told(self, facts: Collection[StatedFact]) -> list[pb.StatedFact]:
        pending = {stated.pending_record for stated in facts if stated.pending_record}
        untold = await self._relay.unpublished(pending, deadline=TELL_SECONDS)
        return [_stated(stated, told=stated.pending_record not in untold) for stated in facts]


def _stated(stated: StatedFact, *, told: bool) -> pb.StatedFact:
    key = key_of(stated.server_id, stated.fact)
    return pb.StatedFact(
        key=pb.FactKey(kind=_KIND_NUMBERS[key.kind], id=key.id or key.server_id, server_id=key.server_id),
        change=fact_change(stated.server_id, stated.fact),
        version=stated.version,
        told=told,
    )


def _key(key: pb.FactKey) -> FactKey:
    kind = _KINDS[key.kind]
    if kind in (FactKind.SERVER, FactKind.ROLES):
        return FactKey(kind, key.id)
    return FactKey(kind, key.server_id, key.id)


def _place(token: str) -> Place:
    if not token:
        return BEGIN
    try:
        server_id, part, after = map(int, token.split("."))
        return Place(server_id, Part(part), after)
    except ValueError:
        raise _invalid("page_token", "This is no token of a page.") from None


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_REQUEST", message, violations=[FieldViolation(field, "INVALID", message)])
