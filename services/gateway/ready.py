"""From IDENTIFY to READY and one GUILD_CREATE for each server; RESUME; and a server that is joined later.

Register, then read, then apply what arrived in between: the shards of the user and of each server are followed before
their state is read, and what comes in meanwhile waits in a lane of its own. What the state had in it already is told
apart by its version. So each event reaches the client exactly once, in its GUILD_CREATE or behind it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from beep.servers.v1.servers_service_pb2 import ListServersRequest
from beep.users.v1 import tokens_service_pb2 as tokens_pb2
from beep.users.v1.user_pb2 import Account
from beep.users.v1.users_service_pb2 import GetAccountRequest
from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.bus import Audience, Envelope, Record
from services.common.errors import BeepError, Unauthenticated
from services.common.limits import SERVERS_PER_USER
from services.common.rpc import acting_as
from services.gateway.connection import Connection
from services.gateway.dispatcher import Dispatcher
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import Dispatch, Identify, Resume
from services.gateway.domain.intents import wants
from services.gateway.domain.replay import NOT_REPLAYABLE, missed
from services.gateway.lane import Lane
from services.gateway.news import Attendance, LaneTools, derived_id
from services.gateway.session import Session
from services.gateway.store.ports import StoredSession, StoredView, ViewChange
from services.gateway.store.replay_file import ReplayFile
from services.gateway.views import Snapshot, is_missing, until_answered
from services.wire.encoding import encode
from services.wire.server import UnavailableGuild
from services.wire.user import APPLICATION_FLAGS, AccountObject, account_object

if TYPE_CHECKING:
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub
    from beep.users.v1.tokens_service_pb2_grpc import TokensServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

logger = logging.getLogger(__name__)


class ReadyApplication(msgspec.Struct):
    id: str
    flags: int = APPLICATION_FLAGS


class Ready(msgspec.Struct):
    """https://docs.discord.com/developers/events/gateway-events#ready"""

    user: AccountObject
    guilds: list[UnavailableGuild]
    session_id: str
    resume_gateway_url: str
    shard: tuple[int, int]
    application: ReadyApplication | msgspec.UnsetType = msgspec.UNSET
    v: int = 10


class Stubs(msgspec.Struct, frozen=True):
    tokens: "TokensServiceAsyncStub"
    users: "UsersServiceAsyncStub"
    servers: "ServersServiceAsyncStub"


class Sessions:
    """Begins and continues sessions."""

    def __init__(
        self,
        stubs: Stubs,
        identity: InternalTokens,
        tools: LaneTools,
        replay: ReplayFile,
        *,
        new_id: Callable[[], str],
        starts_at_once: int,
        sessions_per_user: int,
    ) -> None:
        """`new_id` makes session ids, which nobody can guess."""
        self._stubs = stubs
        self._identity = identity
        self._tools = tools
        self._hub = tools.hub
        self._replay = replay
        self._new_id = new_id
        self._turn = asyncio.Semaphore(starts_at_once)
        self._sessions_per_user = sessions_per_user
        self.dispatcher: Dispatcher
        self.resume_url = ""

    # IDENTIFY

    async def start(self, connection: Connection, identify: Identify) -> None:
        async with self._turn, _Closing(connection):
            user = await self._authenticate(identify.token)
            # Followed before the token is looked at again: one that is revoked in between is seen here or there.
            with self.dispatcher.following(user.user.id):
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
        if len(others) < self._sessions_per_user:
            return True
        left = [session for session in others if session.connection is None]
        if not left:
            return False
        self._hub.forget(min(left, key=lambda session: session.expires))
        return True

    async def _authenticate(self, token: str) -> tokens_pb2.AuthenticateResponse:
        bare = token.removeprefix("Bot ").removeprefix("Bearer ").strip()
        request = tokens_pb2.AuthenticateRequest(token=bare, scheme=tokens_pb2.TOKEN_SCHEME_ANY)
        return await self._stubs.tokens.Authenticate(request)

    def _create(self, user: tokens_pb2.AuthenticateResponse, identify: Identify) -> Session:
        slot = self._replay.allocate()
        stored = StoredSession(
            session_id=self._new_id(),
            user_id=user.user.id,
            auth_session_id=user.auth_session_id,
            bot=user.user.bot,
            intents=identify.intents,
            shard=identify.shard or (0, 1),
            slot=slot,
        )
        return Session(stored, self._replay.ring(slot))

    async def _welcome(self, session: Session, connection: Connection, user: tokens_pb2.AuthenticateResponse) -> None:
        account = await self._account(user)
        server_ids = await self._servers_of(session)
        lanes = {server_id: self._open_lane(session, server_id) for server_id in server_ids}
        try:
            self._hub.tell(session, self._ready(session, account, server_ids))
            for server_id, (lane, since) in lanes.items():
                await self._until_writable(connection)
                if session.forgotten:
                    return
                await self._show(session, server_id, lane, since)
        finally:
            for lane, _ in lanes.values():
                if not lane.begun:
                    self.dispatcher.drop_lane(lane)
        # Not at READY: a server's members can be asked for once the server is there.
        connection.begin()
        if not session.forgotten:
            # From here on it may be resumed, and what its lanes change is saved behind this.
            session.stored = True
            await self._tools.store.save(session.as_stored(), self._views_of(session))

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
            if (lane := self.dispatcher.lane_of(session, server_id)) is not None
        }

    async def _account(self, user: tokens_pb2.AuthenticateResponse) -> AccountObject:
        if user.user.bot:
            return account_object(Account(user=user.user))
        principal = Principal(PrincipalKind.USER, user.user.id, "", user.auth_session_id, tuple(user.global_roles))
        metadata = acting_as(self._identity, principal, "users")
        answer = await self._stubs.users.GetAccount(GetAccountRequest(), metadata=metadata)
        return account_object(answer.account)

    async def _servers_of(self, session: Session) -> list[int]:
        request = ListServersRequest(user_id=session.user_id, limit=SERVERS_PER_USER)
        answer = await self._stubs.servers.ListServers(request)
        return [m.server.id for m in answer.servers if session.sees(m.server.id)]

    def _ready(self, session: Session, account: AccountObject, server_ids: list[int]) -> Dispatch:
        ready = Ready(
            user=account,
            guilds=[UnavailableGuild(id=str(server_id), unavailable=True) for server_id in server_ids],
            session_id=session.id,
            resume_gateway_url=self.resume_url,
            shard=session.shard,
            application=ReadyApplication(id=account.id) if session.bot else msgspec.UNSET,
        )
        return Dispatch("READY", encode(ready), NOT_REPLAYABLE)

    # one server

    def _open_lane(self, session: Session, server_id: int) -> tuple[Lane, int]:
        session.servers.add(server_id)
        return self.dispatcher.open_lane(server_id)

    async def _show(self, session: Session, server_id: int, lane: Lane, since: int) -> None:
        """Send GUILD_CREATE and let the lane go; GUILD_DELETE if the user is no longer a member."""
        read = await self._read(session, server_id)
        if read is None:
            session.servers.discard(server_id)
            self.dispatcher.drop_lane(lane)
            if wants(session.intents, "GUILD_DELETE"):
                body = encode(UnavailableGuild(id=str(server_id)))
                self._hub.tell(session, Dispatch("GUILD_DELETE", body, NOT_REPLAYABLE))
            return
        body, attendance = read
        attendance.since = since
        if wants(session.intents, "GUILD_CREATE"):
            self._hub.tell(session, Dispatch("GUILD_CREATE", body, NOT_REPLAYABLE))
        self._begin(session, lane, attendance)

    def _begin(self, session: Session, lane: Lane, attendance: Attendance) -> None:
        if session.forgotten:
            return
        if lane.abandoned:
            # Events overflowed it while the state was being read: a client that went on would miss them.
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
            return
        lane.begin(session, attendance)

    async def _read(self, session: Session, server_id: int) -> tuple[bytes, Attendance] | None:
        """The server as the session's user sees it."""
        try:
            snapshot: Snapshot = await self._tools.snapshots.get(server_id)
        except BeepError as error:
            if is_missing(error):
                return None
            raise
        views = await self._tools.views.compute(server_id, [session.user_id])
        if session.user_id not in views:
            return None
        view = snapshot.shown(views[session.user_id])
        return snapshot.guild_create(view, session.user_id), Attendance(view, snapshot.version, since=0)

    async def join(self, session: Session, server_id: int, cause: Record) -> None:
        """Show a server to a session that is live already, so that a resume shows it again."""
        if session.forgotten or server_id in session.servers:
            return
        lane, since = self._open_lane(session, server_id)
        self.dispatcher.hold(lane, cause.offset)
        try:
            read = await self._read(session, server_id)
            if read is None or session.forgotten:
                session.servers.discard(server_id)
                return
            body, attendance = read
            attendance.since = since
            told = await self._publish(session, server_id, cause, body, attendance.version)
            if session.stored:
                stored = ViewChange(session.id, server_id, attendance.stored((told.offset,)))
                await self._tools.store.save_views([stored])
            if session.forgotten:
                return
            if wants(session.intents, "GUILD_CREATE"):
                self._hub.tell(session, told)
            self._begin(session, lane, attendance)
        except (BeepError, TimeoutError):
            logger.exception("gateway_join_failed", extra={"server_id": server_id})
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
        finally:
            if not lane.begun:
                self.dispatcher.drop_lane(lane)

    async def _publish(self, session: Session, server_id: int, cause: Record, body: bytes, version: int) -> Dispatch:
        envelope = Envelope(
            event_id=derived_id(cause.envelope.event_id, session.id, version),
            shard=f"session:{session.id}",
            type="GUILD_CREATE",
            body=body,
            audience=Audience.NONE,
            server_id=server_id,
        )
        offsets = await until_answered(lambda: self._tools.bus.publish([envelope]), self._tools.clock)
        return Dispatch("GUILD_CREATE", body, offsets[0])

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
                await self._tools.store.rename(session.id, user.auth_session_id)
                # If this sign-in was ended before the session was known by it, nobody told.
                await self._authenticate(resume.token)
            if connection.closed or session.forgotten:
                connection.refuse_session()
                return
            connection.begin()
            self._hub.resume(session, connection, resume.seq)


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
