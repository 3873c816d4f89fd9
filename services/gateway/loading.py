"""One server for one session: GUILD_CREATE, when the session begins or when its user joins later.

Register, then read, then apply what arrived in between: the shard of the server is followed before its state is read,
and what comes in meanwhile waits in a lane of its own. What the state had in it already is told apart by its version.
So each event reaches the client exactly once, in its GUILD_CREATE or behind it.
"""

import logging
from dataclasses import dataclass

from services.common.bus import Audience, Envelope, Record
from services.common.errors import BeepError
from services.gateway.dispatcher import Dispatcher
from services.gateway.domain.audience import View
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.intents import Intent, wants
from services.gateway.domain.replay import NOT_REPLAYABLE
from services.gateway.lane import Lane
from services.gateway.news import Attendance, LaneTools, derived_id
from services.gateway.presences import Presences
from services.gateway.session import Session
from services.gateway.store.ports import ViewChange
from services.gateway.views import Snapshot, is_missing, until_answered
from services.wire.encoding import encode
from services.wire.server import UnavailableGuild

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Seen:
    """A server as the user of a session sees it."""

    snapshot: Snapshot
    view: View

    def attendance(self, since: int) -> Attendance:
        return Attendance(self.view, self.snapshot.version, since)


class Loader:
    """Implements `services.gateway.dispatcher.Joiner`."""

    def __init__(self, tools: LaneTools, presences: Presences) -> None:
        self._tools = tools
        self._hub = tools.hub
        self._presences = presences
        self.dispatcher: Dispatcher

    def open(self, session: Session, server_id: int) -> tuple[Lane, int]:
        """A lane that keeps what comes in from now on; and the offset behind which that is."""
        session.servers.add(server_id)
        return self.dispatcher.open_lane(server_id)

    def discard(self, lane: Lane) -> None:
        """If it was never begun, nobody needs it."""
        if not lane.begun:
            self.dispatcher.drop_lane(lane)

    async def see(self, session: Session, server_id: int) -> Seen | None:
        """Read the server, whose lane is open. None: the user is no member, or it is gone."""
        try:
            snapshot = await self._tools.snapshots.get(server_id)
        except BeepError as error:
            if is_missing(error):
                return None
            raise
        views = await self._tools.views.compute(server_id, [session.user_id])
        if session.user_id not in views:
            return None
        return Seen(snapshot, snapshot.shown(views[session.user_id]))

    async def show(self, session: Session, server_id: int, lane: Lane, since: int, seen: Seen | None) -> None:
        """Send GUILD_CREATE and let the lane go; GUILD_DELETE if the user is no longer a member."""
        if seen is None:
            session.servers.discard(server_id)
            self.dispatcher.drop_lane(lane)
            if wants(session.intents, "GUILD_DELETE"):
                body = encode(UnavailableGuild(id=str(server_id)))
                self._hub.tell(session, Dispatch("GUILD_DELETE", body, NOT_REPLAYABLE))
            return
        if wants(session.intents, "GUILD_CREATE"):
            self._hub.tell(session, Dispatch("GUILD_CREATE", await self._body(session, seen), NOT_REPLAYABLE))
        self._begin(session, lane, seen.attendance(since))

    async def _body(self, session: Session, seen: Seen) -> bytes:
        user_id = session.user_id
        presences = []
        if session.intents & Intent.GUILD_PRESENCES:
            presences = await self._presences.shown(seen.snapshot.members_shown(user_id))
        return seen.snapshot.guild_create(seen.view, user_id, presences)

    def _begin(self, session: Session, lane: Lane, attendance: Attendance) -> None:
        if session.forgotten:
            return
        if lane.abandoned:
            # Events overflowed it while the state was being read: a client that went on would miss them.
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
            return
        lane.begin(session, attendance)

    async def join(self, session: Session, server_id: int, cause: Record) -> None:
        """Show a server to a session that is live already, so that a resume shows it again."""
        if session.forgotten or server_id in session.servers:
            return
        lane, since = self.open(session, server_id)
        self.dispatcher.hold(lane, cause.offset)
        try:
            seen = await self.see(session, server_id)
            if seen is None or session.forgotten:
                session.servers.discard(server_id)
                return
            attendance = seen.attendance(since)
            body = await self._body(session, seen)
            told = await self._publish(session, server_id, cause, body, attendance.version)
            if session.stored:
                stored = ViewChange(session.id, server_id, attendance.stored((told.offset,)))
                await self._tools.store.save_views([stored])
            if session.forgotten:
                return
            if wants(session.intents, "GUILD_CREATE"):
                self._hub.tell(session, told)
            self._begin(session, lane, attendance)
            self._presences.joined(session, server_id)
        except (BeepError, TimeoutError):
            logger.exception("gateway_join_failed", extra={"server_id": server_id})
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
        finally:
            self.discard(lane)

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
