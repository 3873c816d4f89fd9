"""What all facts of private channels should be: for whoever compares them with what authz holds."""

from collections.abc import Collection
from typing import Final

from beep.authz.v1 import facts_service_pb2 as pb
from beep.authz.v1.facts_service_pb2_grpc import FactsServiceServicer
from services.common.auth import require_service
from services.common.errors import InvalidArgument
from services.common.limits import FACTS_PAGE
from services.common.outbox import Relay
from services.users.social_events import fact_of, gone
from services.users.store.fact_ports import FactStore, StatedChannel

TELL_SECONDS: Final = 2.0
"""How long the relay is waited for, so that what is on its way need not be asked about again."""


class FactsService(FactsServiceServicer):
    """An answer waits for what it tells to reach authz: then whatever differs there is no change on its way."""

    def __init__(self, store: FactStore, relay: Relay) -> None:
        self._store = store
        self._relay = relay

    async def ListFacts(self, request: pb.ListFactsRequest, context: object) -> pb.ListFactsResponse:
        require_service()
        limit = min(request.page_size or FACTS_PAGE, FACTS_PAGE)
        channels = await self._store.channels_page(_after(request.page_token), limit)
        return pb.ListFactsResponse(
            facts=await self._told(channels),
            next_page_token=str(channels[-1].channel_id) if len(channels) == limit else "",
        )

    async def GetFacts(self, request: pb.GetFactsRequest, context: object) -> pb.GetFactsResponse:
        require_service()
        if len(request.keys) > FACTS_PAGE:
            raise InvalidArgument("INVALID_REQUEST", f"At most {FACTS_PAGE} objects.")
        # Nobody here states who is suspended: about that, nothing is said.
        ids = {key.id for key in request.keys if key.kind == pb.FACT_KIND_PRIVATE_CHANNEL}
        return pb.GetFactsResponse(facts=await self._told(await self._store.channels_about(ids)))

    async def _told(self, channels: Collection[StatedChannel]) -> list[pb.StatedFact]:
        pending = {stated.pending_record for stated in channels if stated.pending_record}
        untold = await self._relay.unpublished(pending, deadline=TELL_SECONDS)
        return [_stated(stated, told=stated.pending_record not in untold) for stated in channels]


def _stated(stated: StatedChannel, *, told: bool) -> pb.StatedFact:
    return pb.StatedFact(
        key=pb.FactKey(kind=pb.FACT_KIND_PRIVATE_CHANNEL, id=stated.channel_id),
        change=fact_of(stated.channel) if stated.channel else gone(stated.channel_id),
        version=stated.channel.version if stated.channel else 0,
        told=told,
    )


def _after(token: str) -> int:
    try:
        return int(token or 0)
    except ValueError:
        raise InvalidArgument("INVALID_REQUEST", "This is no token of a page.") from None
