"""What clients ask for: sessions, the members of a large server (op 8), and what they say of themselves (op 3).

https://docs.discord.com/developers/events/gateway-events#request-guild-members
"""

import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from beep.servers.v1.member_pb2 import Member
from beep.servers.v1.members_service_pb2 import ListMembersRequest, SearchMembersRequest
from beep.servers.v1.servers_service_pb2 import GetSnapshotRequest
from services.common.errors import BeepError
from services.common.limits import MEMBERS_PAGE
from services.gateway.connection import Connection
from services.gateway.dispatcher import Dispatcher
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import Dispatch, Identify, RequestMembers, Resume
from services.gateway.domain.intents import Intent
from services.gateway.domain.presence import PresenceUpdate
from services.gateway.domain.replay import NOT_REPLAYABLE
from services.gateway.hub import Hub
from services.gateway.presences import Presences
from services.gateway.session import Session
from services.gateway.sessions import Sessions
from services.gateway.tasks import Tasks
from services.wire.encoding import encode
from services.wire.events import GuildMembersChunk
from services.wire.member import member_object
from services.wire.presence import PresenceObject

if TYPE_CHECKING:
    from beep.servers.v1.members_service_pb2_grpc import MembersServiceAsyncStub
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 200
"""Requests for members of one session; a client asks once for each server when it starts."""
MAX_FOUND: Final = 100
MAX_NONCE: Final = 32


class Commands:
    """Implements `services.gateway.connection.Requests`."""

    def __init__(
        self,
        sessions: Sessions,
        dispatcher: Dispatcher,
        presences: Presences,
        hub: Hub,
        members: "MembersServiceAsyncStub",
        servers: "ServersServiceAsyncStub",
        tasks: Tasks,
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._presences = presences
        self._hub = hub
        self._members = members
        self._servers = servers
        self._tasks = tasks
        self._waiting: dict[Session, deque[RequestMembers]] = {}

    def start(self, connection: Connection, identify: Identify) -> None:
        self._tasks.spawn(self._sessions.start(connection, identify))

    def resume(self, connection: Connection, resume: Resume) -> None:
        self._tasks.spawn(self._sessions.resume(connection, resume))

    def show(self, connection: Connection, presence: PresenceUpdate) -> None:
        if connection.session is not None:
            self._presences.show(connection.session, presence)

    def list_members(self, connection: Connection, request: RequestMembers) -> None:
        """One request of a session at a time: the answer is large, and so only one of them waits to be taken."""
        session = connection.session
        if session is None:
            return
        waiting = self._waiting.get(session)
        if waiting is None:
            self._waiting[session] = deque([request])
            self._tasks.spawn(self._list_all(session))
        elif len(waiting) < MAX_WAITING:
            waiting.append(request)
        else:
            connection.hang_up(CloseCode.RATE_LIMITED)

    async def _list_all(self, session: Session) -> None:
        waiting = self._waiting[session]
        try:
            while waiting and not session.forgotten:
                await self._list(session, waiting.popleft())
        except (BeepError, TimeoutError) as error:
            # The client asks again: a chunk that does not come is what its own time-out is for.
            logger.warning("gateway_members_failed", extra={"error": error})
        finally:
            del self._waiting[session]

    async def _list(self, session: Session, request: RequestMembers) -> None:
        server_id = request.server_id
        if self._dispatcher.lane_of(session, server_id) is None:
            return
        wanted = request.wanted_ids
        not_found: list[str] = []
        if wanted is not None:
            chosen = wanted[:MAX_FOUND]
            found = await self._by_id(server_id, chosen)
            there = {member.user.id for member in found}
            not_found = [str(user_id) for user_id in chosen if user_id not in there]
        elif request.query:
            limit = min(request.limit or MAX_FOUND, MAX_FOUND)
            search = SearchMembersRequest(server_id=server_id, query=request.query, limit=limit)
            found = list((await self._members.SearchMembers(search)).members)
        else:
            found = await self._all(server_id, request.limit)
        await self._send(session, request, found, not_found)

    async def _by_id(self, server_id: int, user_ids: list[int]) -> list[Member]:
        if not user_ids:
            return []
        answer = await self._servers.GetSnapshot(GetSnapshotRequest(server_id=server_id, member_ids=user_ids))
        return list(answer.snapshot.members)

    async def _all(self, server_id: int, limit: int) -> list[Member]:
        """`limit` 0: all of them."""
        found: list[Member] = []
        after = 0
        while limit <= 0 or len(found) < limit:
            size = MEMBERS_PAGE if limit <= 0 else min(MEMBERS_PAGE, limit - len(found))
            page = await self._members.ListMembers(ListMembersRequest(server_id=server_id, after=after, limit=size))
            found.extend(page.members)
            if len(page.members) < size:
                break
            after = page.members[-1].user.id
        return found

    async def _send(self, session: Session, request: RequestMembers, found: list[Member], not_found: list[str]) -> None:
        chunks = [found[start : start + MEMBERS_PAGE] for start in range(0, len(found), MEMBERS_PAGE)] or [[]]
        nonce = request.nonce if request.nonce is not None and len(request.nonce) <= MAX_NONCE else None
        for index, members in enumerate(chunks):
            presences: list[PresenceObject] | UnsetType = UNSET
            if request.presences and session.intents & Intent.GUILD_PRESENCES:
                presences = await self._presences.shown([member.user.id for member in members])
            body = GuildMembersChunk(
                guild_id=str(request.server_id),
                members=[member_object(member) for member in members],
                chunk_index=index,
                chunk_count=len(chunks),
                not_found=not_found if index == 0 else [],
                presences=presences,
                nonce=nonce,
            )
            connection = session.connection
            if connection is None:
                return
            await connection.until_writable()
            # Not in the bus: a client that loses its connection right now begins anew, and asks again.
            self._hub.tell(session, Dispatch("GUILD_MEMBERS_CHUNK", encode(body), NOT_REPLAYABLE))
