"""gRPC in, from the other authz processes of the lane."""

from collections.abc import Awaitable, Callable

from beep.authz.v1 import authz_service_pb2
from beep.authz.v1 import lane_service_pb2 as pb
from beep.authz.v1.lane_service_pb2_grpc import LaneServiceServicer
from services.authz.domain.projection import Epoch
from services.authz.leader import PEER
from services.authz.reign import Reign, not_leading
from services.authz.succession import Succession
from services.common.auth import require_service
from services.common.errors import PermissionDenied

Apply = Callable[[authz_service_pb2.ApplyFactsRequest], Awaitable[authz_service_pb2.ApplyFactsResponse]]


class LaneService(LaneServiceServicer):
    """The servicer: answers while this process leads."""

    def __init__(self, succession: Succession, apply: Apply) -> None:
        self._succession = succession
        self._apply = apply

    async def FollowEpochs(self, request: pb.FollowEpochsRequest, context: object) -> pb.FollowEpochsResponse:
        _require_authz()
        reign = self._leading()
        news = await reign.news(request.follower_id, request.lane_id, request.after_seq)
        return pb.FollowEpochsResponse(
            lane_id=reign.lane_id,
            seq=news.seq,
            reset=news.bumps is None,
            head=news.head,
            bumps=[
                pb.EpochBump(snap_token=bump.token, epochs=[_message(epoch) for epoch in bump.epochs])
                for bump in news.bumps or ()
            ],
            lease_ms=int(news.lease_seconds * 1000),
        )

    async def ForwardFacts(self, request: pb.ForwardFactsRequest, context: object) -> pb.ForwardFactsResponse:
        _require_authz()
        self._leading()
        return pb.ForwardFactsResponse(applied=await self._apply(request.facts))

    def _leading(self) -> Reign:
        reign = self._succession.reign
        if reign is None:
            raise not_leading()
        return reign


def _message(epoch: Epoch) -> pb.Epoch:
    kind, *ids = epoch
    return pb.Epoch(kind=kind, ids=ids)


def _require_authz() -> None:
    if require_service().service != PEER:
        raise PermissionDenied("SERVICE_REQUIRED", "Only another authz of the lane can do this.")
