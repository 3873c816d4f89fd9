"""The other authz that leads the lane, as this one reaches it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest, ApplyFactsResponse
from beep.authz.v1.drift_service_pb2 import CompareFactsRequest, CompareFactsResponse
from beep.authz.v1.drift_service_pb2_grpc import DriftServiceStub
from beep.authz.v1.lane_service_pb2 import FollowEpochsRequest, FollowEpochsResponse, ForwardFactsRequest
from beep.authz.v1.lane_service_pb2_grpc import LaneServiceStub
from services.authz.reign import not_leading
from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.limits import FACTS_PAGE_SECONDS
from services.common.rpc import Channel, grpc_channel

if TYPE_CHECKING:
    from beep.authz.v1.lane_service_pb2_grpc import LaneServiceAsyncStub

PEER: Final = "authz"


class Leader:
    """Nobody at first, and while this process leads itself."""

    def __init__(self, tokens: InternalTokens) -> None:
        self._tokens = tokens
        self._address = ""
        self._channel: Channel | None = None
        self._lane: LaneServiceAsyncStub | None = None
        self._calls: set[asyncio.Timeout] = set()

    @property
    def elsewhere(self) -> bool:
        """Whether another process leads, and can be reached."""
        return self._lane is not None

    async def at(self, address: str) -> None:
        """Whoever leads is there, `host:port`; empty: nobody to be reached does."""
        if address == self._address:
            return
        await self.close()
        if address:
            self._address = address
            self._channel = grpc_channel(PEER, address, Principal(PrincipalKind.SERVICE, service=PEER), self._tokens)
            self._lane = LaneServiceStub(self._channel)

    async def follow(self, request: FollowEpochsRequest, seconds: float) -> FollowEpochsResponse:
        """Poll. Raises BeepError."""
        return await self._reached().FollowEpochs(request, timeout=seconds)

    async def apply(self, request: ApplyFactsRequest) -> ApplyFactsResponse:
        """Let the leader apply these facts. Raises BeepError."""
        lane = self._reached()
        async with self._while_it_leads():
            answer = await lane.ForwardFacts(ForwardFactsRequest(facts=request))
        return answer.applied

    async def compare(self, request: CompareFactsRequest) -> CompareFactsResponse:
        """Let the leader compare these facts, and repair. Raises BeepError."""
        self._reached()
        assert self._channel is not None
        async with self._while_it_leads():
            return await DriftServiceStub(self._channel).CompareFacts(request, timeout=FACTS_PAGE_SECONDS)

    async def close(self) -> None:
        channel, self._channel, self._lane, self._address = self._channel, None, None, ""
        if channel is not None:
            for call in self._calls:
                call.reschedule(asyncio.get_running_loop().time())
            await channel.close()

    @asynccontextmanager
    async def _while_it_leads(self) -> AsyncIterator[None]:
        """A call of one who hangs ends when it is known that somebody else leads: Unavailable."""
        try:
            async with asyncio.timeout(None) as call:
                self._calls.add(call)
                try:
                    yield
                finally:
                    self._calls.discard(call)
        except TimeoutError:
            raise not_leading() from None

    def _reached(self) -> "LaneServiceAsyncStub":
        if self._lane is None:
            raise not_leading()
        return self._lane
