"""Who is writing: authorised here, told once, kept nowhere.

https://docs.discord.com/developers/events/gateway-events#typing-start
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from beep.gateway.v1.typing_service_pb2 import StartTypingRequest, StartTypingResponse
from beep.gateway.v1.typing_service_pb2_grpc import TypingServiceServicer
from beep.servers.v1.servers_service_pb2 import GetSnapshotRequest
from services.common.auth import current_user_id
from services.common.authorization import Access
from services.common.bus import Audience, Bus, Envelope, server_shard, user_shard
from services.common.clock import Clock
from services.common.permissions import Permission
from services.wire.encoding import encode
from services.wire.events import TypingStart
from services.wire.member import member_object

if TYPE_CHECKING:
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub

TOLD_FOR: Final = 5.0
"""Seconds for which nobody is told again; clients show it for ten."""
_REMEMBERED: Final = 10_000
"""Writers; past it the oldest may be told of again early, which harms nobody."""


class Typing(TypingServiceServicer):
    """The servicer of `beep.gateway.v1.TypingService`."""

    def __init__(
        self,
        access: Access,
        servers: "ServersServiceAsyncStub",
        bus: Bus,
        clock: Clock,
        new_event_id: Callable[[], int],
    ) -> None:
        self._access = access
        self._servers = servers
        self._bus = bus
        self._clock = clock
        self._new_event_id = new_event_id
        self._told: OrderedDict[tuple[int, int], float] = OrderedDict()
        """By user and channel: when they were told of, monotonic; the oldest first."""

    async def StartTyping(self, request: StartTypingRequest, context: Any) -> StartTypingResponse:
        user_id, channel_id = current_user_id(), request.channel_id
        allowed = await self._access.in_channel(user_id, channel_id, required=Permission.SEND_MESSAGES)
        if not self._was_told(user_id, channel_id):
            await self._bus.publish(await self._envelopes(user_id, channel_id, allowed))
        return StartTypingResponse()

    def _was_told(self, user_id: int, channel_id: int) -> bool:
        """Whether it was told just now; if not, it is now."""
        now, key = self._clock.monotonic(), (user_id, channel_id)
        last = self._told.get(key)
        if last is not None and now - last < TOLD_FOR:
            return True
        self._told[key] = now
        self._told.move_to_end(key)
        if len(self._told) > _REMEMBERED:
            self._told.popitem(last=False)
        return False

    async def _envelopes(self, user_id: int, channel_id: int, allowed: AuthorizeResponse) -> list[Envelope]:
        told = TypingStart(channel_id=str(channel_id), user_id=str(user_id), timestamp=self._clock.now_ms() // 1000)
        if allowed.server_id:
            return [await self._in_server(told, user_id, channel_id, allowed)]
        body = encode(told)
        return [
            self._envelope(user_shard(other), body, Audience.USERS, channel_id=channel_id, user_ids=(other,))
            for other in allowed.participant_ids
            if other != user_id
        ]

    async def _in_server(
        self, told: TypingStart, user_id: int, channel_id: int, allowed: AuthorizeResponse
    ) -> Envelope:
        request = GetSnapshotRequest(server_id=allowed.server_id, member_ids=[user_id])
        members = (await self._servers.GetSnapshot(request)).snapshot.members
        told.guild_id = str(allowed.server_id)
        if members:
            told.member = member_object(members[0])
        return self._envelope(
            server_shard(allowed.server_id),
            encode(told),
            Audience.CHANNEL,
            server_id=allowed.server_id,
            # Who may read a thread is who may view the channel that it hangs on.
            channel_id=allowed.parent_channel_id or channel_id,
        )

    def _envelope(self, shard: str, body: bytes, audience: Audience, **to: Any) -> Envelope:
        return Envelope(self._new_event_id(), shard, "TYPING_START", body, audience, **to)
