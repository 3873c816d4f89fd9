"""IDENTIFY and RESUME: how sessions begin and go on.

Register, then read: the shard of the user is followed before anything of theirs is read. What comes in for them until
READY is sent waits in the session (`held`) and is told behind it; each event says all of what it is about, so one that
READY showed already changes nothing. How servers come in is told in `services.gateway.loading`.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beep.servers.v1.servers_service_pb2 import ListServersRequest
from beep.users.v1 import tokens_service_pb2 as tokens_pb2
from services.common.clock import Clock
from services.common.errors import BeepError, Unauthenticated
from services.common.limits import SERVERS_PER_USER
from services.gateway.connection import Connection
from services.gateway.dispatcher import Dispatcher
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import Identify, Resume
from services.gateway.domain.presence import platform_of, presence_of
from services.gateway.domain.replay import missed
from services.gateway.hub import Hub
from services.gateway.loading import Loader, Seen
from services.gateway.presences import Presences
from services.gateway.ready import ReadyWriter
from services.gateway.session import Session
from services.gateway.store.ports import SessionStore, StoredSession, StoredView
from services.gateway.store.replay_file import ReplayFile

if TYPE_CHECKING:
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub
    from beep.users.v1.tokens_service_pb2_grpc import TokensServiceAsyncStub

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SessionTools:
    """What sessions are made of.

    Attributes:
        new_id: makes session ids, which nobody can guess.
        starts_at_once: sessions that begin or come back at the same time; others wait their turn.
    """

    tokens: "TokensServiceAsyncStub"
    servers: "ServersServiceAsyncStub"
    hub: Hub
    replay: ReplayFile
    store: SessionStore
    clock: Clock
    new_id: Callable[[], str]
    starts_at_once: int
    sessions_per_user: int


class Sessions:
    """Begins and continues sessions."""

    def __init__(
        self, tools: SessionTools, loader: Loader, ready: ReadyWriter, presences: Presences, dispatcher: Dispatcher
    ) -> None:
        self._tools = tools
        self._hub = tools.hub
        self._loader = loader
        self._ready = ready
        self._presences = presences
        self._dispatcher = dispatcher
        self._turn = asyncio.Semaphore(tools.starts_at_once)

    # IDENTIFY

    async def start(self, connection: Connection, identify: Identify) -> None:
        async with self._turn, _Closing(connection):
            user = await self._authenticate(identify.token)
            # Followed before the token is looked at again: one that is revoked in between is seen here or there.
            with self._dispatcher.following(user.user.id):
                user = await self._authenticate(identify.token)
                if connection.closed:
                    return
                if not self._make_room(user.user.id):
                    connection.hang_up(CloseCode.RATE_LIMITED)
                    return
                session = self._create(user, identify)
                self._hub.add(session)
            self._hub.attach(session, connection, received=0)
            await self._welcome(session, connection, user)

    def _make_room(self, user_id: int) -> bool:
        """Whether the user may have one more session; the one that was left longest ago makes way for it."""
        others = self._hub.of_user(user_id)
        if len(others) < self._tools.sessions_per_user:
            return True
        left = [session for session in others if session.connection is None]
        if not left:
            return False
        self._hub.forget(min(left, key=lambda session: session.expires))
        return True

    async def _authenticate(self, token: str) -> tokens_pb2.AuthenticateResponse:
        bare = token.removeprefix("Bot ").removeprefix("Bearer ").strip()
        request = tokens_pb2.AuthenticateRequest(token=bare, scheme=tokens_pb2.TOKEN_SCHEME_ANY)
        return await self._tools.tokens.Authenticate(request)

    def _create(self, user: tokens_pb2.AuthenticateResponse, identify: Identify) -> Session:
        slot = self._tools.replay.allocate()
        stored = StoredSession(
            session_id=self._tools.new_id(),
            user_id=user.user.id,
            auth_session_id=user.auth_session_id,
            bot=user.user.bot,
            intents=identify.intents,
            shard=identify.shard or (0, 1),
            slot=slot,
            presence=presence_of(identify.presence, platform_of(identify.properties), self._tools.clock.now_ms()),
        )
        session = Session(stored, self._tools.replay.ring(slot))
        session.held = []
        return session

    async def _welcome(self, session: Session, connection: Connection, user: tokens_pb2.AuthenticateResponse) -> None:
        ready = await self._ready.begin(session, user)
        server_ids = await self._servers_of(session)
        lanes = {server_id: self._loader.open(session, server_id) for server_id in server_ids}
        try:
            seen: dict[int, Seen | None] = {}
            if not session.bot:
                # How far the user has read can be told of the channels that they see.
                seen = {server_id: await self._loader.see(session, server_id) for server_id in server_ids}
            self._hub.tell(session, await self._ready.finish(ready, session, server_ids, seen))
            self._dispatcher.release_held(session)
            for server_id, (lane, since) in lanes.items():
                await self._until_writable(connection)
                if session.forgotten:
                    return
                if session.bot:
                    seen[server_id] = await self._loader.see(session, server_id)
                await self._loader.show(session, server_id, lane, since, seen.pop(server_id))
        finally:
            for lane, _ in lanes.values():
                self._loader.discard(lane)
        # Not at READY: a server's members can be asked for once the server is there.
        connection.begin()
        if not session.forgotten:
            # From here on it may be resumed, and what its lanes change is saved behind this.
            session.stored = True
            await self._tools.store.save(session.as_stored(), self._views_of(session))
            self._presences.arrived(session)

    async def _until_writable(self, connection: Connection) -> None:
        """Others get this one's turn while it waits for its client to read."""
        if connection.writable:
            return
        self._turn.release()
        try:
            await connection.until_writable()
        finally:
            await self._turn.acquire()

    def _views_of(self, session: Session) -> dict[int, StoredView]:
        return {
            server_id: lane.sessions[session].stored()
            for server_id in session.servers
            if (lane := self._dispatcher.lane_of(session, server_id)) is not None
        }

    async def _servers_of(self, session: Session) -> list[int]:
        request = ListServersRequest(user_id=session.user_id, limit=SERVERS_PER_USER)
        answer = await self._tools.servers.ListServers(request)
        return [m.server.id for m in answer.servers if session.sees(m.server.id)]

    # RESUME

    async def resume(self, connection: Connection, resume: Resume) -> None:
        async with self._turn, _Closing(connection):
            user = await self._authenticate(resume.token)
            if connection.closed:
                return
            session = self._hub.sessions.get(resume.session_id)
            if session is None or not session.stored or session.user_id != user.user.id:
                connection.refuse_session()
                return
            if missed(session.ring, resume.seq) is None:
                self._hub.forget(session)
                connection.refuse_session()
                return
            if session.auth_session_id != user.auth_session_id:
                session.auth_session_id = user.auth_session_id
                await self._tools.store.update(session.as_stored())
                # If this sign-in was ended before the session was known by it, nobody told.
                await self._authenticate(resume.token)
            if connection.closed or session.forgotten:
                connection.refuse_session()
                return
            self._hub.resume(session, connection, resume.seq)
            # Behind it: what the client has asked for meanwhile is done for the session.
            connection.begin()
            self._presences.arrived(session)


class _Closing:
    """What goes wrong while a session begins closes its connection with the code that tells the client what to do."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, _kind: object, error: BaseException | None, _trace: object) -> bool:
        if error is None or isinstance(error, asyncio.CancelledError):
            return False
        if isinstance(error, Unauthenticated):
            self._end(CloseCode.AUTHENTICATION_FAILED)
            return True
        self._end(CloseCode.UNKNOWN_ERROR)
        if isinstance(error, (BeepError, TimeoutError)):
            logger.warning("gateway_start_failed", extra={"error": error})
            return True
        return False

    def _end(self, code: CloseCode) -> None:
        # The hub forgets a session that was never stored when its connection is lost.
        self._connection.hang_up(code)
