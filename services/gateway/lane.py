"""One server's events, in order, for the sessions that follow it.

Rules. (1) An event that changes no permission is delivered at once, without waiting for anything. (2) An event that
may change who sees what stops its lane: what the sessions see is computed anew, each is told what it gained and lost,
then the event itself is delivered, then what has come in meanwhile. Other lanes do not notice. (3) So an event is
never delivered by a view that is older than itself. A right that was taken away before somebody posted is gone when
that message comes by: the change is in the same shard, before it. (4) If nobody can say who sees what, nothing is
delivered; past a bound the lane is given up and its clients begin anew.

What is told is published to the bus first, so that it has an offset for the replay rings, then saved with the new
views, then sent; each step may be repeated after a crash without a client noticing (docs/adr/0009).
"""

import logging
from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.common.bus import SERVER_JOINED, Audience, Envelope, Record
from services.gateway.domain.audience import TOLD_BEFORE, View, affected, is_gone, may_receive
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.intents import needed_intent, wants
from services.gateway.news import Attendance, LaneTools, News
from services.gateway.session import Session
from services.gateway.store.ports import StoredView, ViewChange
from services.gateway.views import until_answered

logger = logging.getLogger(__name__)

WAITING: Final = 8192
"""Events that may wait while a lane stands."""
_AT_ONCE: Final = 64
"""Events in one write."""

_NOBODY: Final[tuple[Session, ...]] = ()


@dataclass(frozen=True, slots=True)
class _Change:
    session: Session
    view: View | None
    """None: no longer a member."""
    told: tuple[Dispatch, ...]


class Keeper(Protocol):
    """Whom a lane reports to."""

    recovered_to: int
    """Events up to this offset may have been dispatched by an earlier process."""

    def hold(self, lane: "Lane", offset: int) -> None:
        """The lane has not finished with the event at this offset; nothing from it on counts as dispatched."""
        ...

    def release(self, lane: "Lane") -> None:
        """The lane is done with all that it was fed."""
        ...

    def lose(self, lane: "Lane") -> None:
        """The lane cannot go on: its sessions have to begin anew."""
        ...

    def rejoin(self, record: Record) -> None:
        """A user has joined this server; everything before it was dispatched."""
        ...


class Lane:
    """Lanes of one server may be several for a moment: a session that is being loaded has its own, which keeps what
    arrives until its GUILD_CREATE was sent, and is then absorbed."""

    def __init__(self, server_id: int, keeper: Keeper, tools: LaneTools, *, stopped: bool = False) -> None:
        """`stopped`: keep what is fed until `begin`."""
        self.server_id: Final = server_id
        self.sessions: dict[Session, Attendance] = {}
        self._keeper = keeper
        self._tools = tools
        self._waiting: deque[Record] = deque()
        self._stopped = stopped
        self._audiences: dict[tuple[int, int, int], list[Session]] = {}
        self._newest_version = 0
        self.begun = not stopped
        self.abandoned = False
        """It overflowed, or nobody needs it: it does not get what comes from now on."""

    # membership

    @property
    def idle(self) -> bool:
        return not self._stopped

    def begin(self, session: Session, attendance: Attendance) -> None:
        """The first session of a lane that was made stopped: its GUILD_CREATE was sent."""
        self.begun = True
        self.add(session, attendance)
        self._go_on()

    def add(self, session: Session, attendance: Attendance) -> None:
        self.sessions[session] = attendance
        self._newest_version = max(self._newest_version, attendance.version)
        self._audiences.clear()

    def absorb(self, other: "Lane") -> None:
        """Take over the other's sessions. Both are idle, so both have dispatched the same events."""
        self.sessions.update(other.sessions)
        self._newest_version = max(self._newest_version, other._newest_version)
        self._audiences.clear()

    def abandon(self) -> list[Record]:
        """End the lane. Returns the joins that nobody has seen yet."""
        self.abandoned = True
        waiting, self._waiting = self._waiting, deque()
        return [record for record in waiting if record.envelope.type == SERVER_JOINED]

    def remove(self, session: Session) -> None:
        if self.sessions.pop(session, None) is not None:
            self._audiences.clear()

    # events

    def feed(self, records: Iterable[Record]) -> None:
        """Deliver these, now or, if the lane stands, when it goes on."""
        self._waiting.extend(records)
        if not self._stopped:
            self._advance()
        elif len(self._waiting) > WAITING:
            logger.warning("gateway_lane_overflow", extra={"server_id": self.server_id})
            self._keeper.lose(self)

    def _advance(self) -> None:
        waiting, recent = self._waiting, self._tools.recent
        run: list[Dispatch] = []
        audience: Sequence[Session] = _NOBODY
        while waiting:
            record = waiting.popleft()
            if self._must_stop(record.envelope):
                self._deliver(audience, run)
                self._stopped = True
                self._keeper.hold(self, record.offset)
                self._tools.tasks.spawn(self._apply(record))
                return
            if record.envelope.type == SERVER_JOINED:
                self._deliver(audience, run)
                run = []
                self._keeper.rejoin(record)
                continue
            recipients = self._recipients(record)
            if recipients is not audience or len(run) == _AT_ONCE:
                self._deliver(audience, run)
                run, audience = [], recipients
            run.append(recent.of(record))
        self._deliver(audience, run)

    def _deliver(self, audience: Sequence[Session], run: list[Dispatch]) -> None:
        if run and audience:
            self._tools.hub.fan_out(audience, run)

    def _go_on(self) -> None:
        self._stopped = False
        self._advance()
        if not self._stopped:
            self._keeper.release(self)

    def _recipients(self, record: Record) -> Sequence[Session]:
        envelope = record.envelope
        recipients = self._audience(envelope)
        if envelope.state_version and envelope.state_version <= self._newest_version:
            recipients = [s for s in recipients if self.sessions[s].version < envelope.state_version]
        if record.offset <= self._keeper.recovered_to:
            recipients = [
                s for s in recipients if record.offset not in s.seen and self.sessions[s].since < record.offset
            ]
        return recipients

    def _audience(self, envelope: Envelope) -> Sequence[Session]:
        if envelope.audience is Audience.USERS:
            return [s for s in self.sessions if s.user_id in envelope.user_ids and wants(s.intents, envelope.type)]
        if envelope.audience is Audience.NONE:
            return _NOBODY
        channel_id = envelope.channel_id if envelope.audience is Audience.CHANNEL else 0
        needed = needed_intent(envelope.type)
        key = (channel_id, needed, envelope.required_permissions)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = [
                session
                for session, attendance in self.sessions.items()
                if session.intents & needed
                and may_receive(
                    attendance.view, channel_id=channel_id, required_permissions=envelope.required_permissions
                )
            ]
        if envelope.type == "GUILD_MEMBER_UPDATE" and envelope.access is not None:
            # What concerns oneself comes without the members intent.
            concerned = envelope.access.user_ids
            return [*audience, *(s for s in self.sessions if s.user_id in concerned and not s.intents & needed)]
        return audience

    # changes of who sees what

    def _must_stop(self, envelope: Envelope) -> bool:
        access = envelope.access
        return access is not None and bool(affected(access, (session.user_id for session in self.sessions)))

    async def _apply(self, record: Record) -> None:
        try:
            envelope = record.envelope
            before = self._recipients(record) if envelope.type in TOLD_BEFORE else _NOBODY
            self._deliver(before, [self._tools.recent.of(record)])
            told = self._told_early(envelope)
            changes = await self._changes(envelope)
            await self._save_all(changes)
            for change in changes:
                self._tell(change, record.offset)
            self._audiences.clear()
            if envelope.type not in TOLD_BEFORE:
                recipients = [session for session in self._recipients(record) if session not in told]
                self._deliver(recipients, [self._tools.recent.of(record)])
        except Exception:
            # Nothing that asking again would mend. A lane that stood for ever would be a silent gap.
            logger.exception("gateway_lane_failed", extra={"server_id": self.server_id})
            self._keeper.lose(self)
        else:
            self._go_on()

    def _told_early(self, envelope: Envelope) -> Collection[Session]:
        """Who knows this new channel already: authz had it before its event came, when an earlier one was applied."""
        if envelope.type != "CHANNEL_CREATE":
            return _NOBODY
        return {s for s, attendance in self.sessions.items() if envelope.channel_id in attendance.view.channel_ids}

    async def _changes(self, envelope: Envelope) -> list[_Change]:
        access = envelope.access
        assert access is not None
        users = affected(access, {session.user_id for session in self.sessions})
        asked = users - set(access.left_user_ids)
        views: Mapping[int, View] = {}
        if asked and not access.server_deleted:
            views = await self._tools.views.compute(self.server_id, asked)
        concerned = [(s, a) for s, a in self.sessions.items() if s.user_id in users]
        new = {
            session: None if is_gone(access, session.user_id, views.keys()) else views[session.user_id]
            for session, _ in concerned
        }
        news = News(self.server_id, envelope, self._tools)
        for session, attendance in concerned:
            news.add(attendance, new[session])
        await news.publish()
        shown = {session: news.shown(view) for session, view in new.items()}
        return [
            _Change(session, shown[session], news.between(session, attendance, shown[session]))
            for session, attendance in concerned
            if shown[session] != attendance.view
        ]

    async def _save_all(self, changes: Collection[_Change]) -> None:
        saved: set[Session] = set()
        # A session that is stored for the first time meanwhile is stored with what it saw before.
        while unsaved := [c for c in changes if c.session.stored and c.session not in saved]:
            await self._save(unsaved)
            saved.update(change.session for change in unsaved)

    async def _save(self, changes: Collection[_Change]) -> None:
        shared: dict[object, StoredView] = {}
        stored: list[ViewChange] = []
        for change in changes:
            session = change.session
            attendance = self.sessions.get(session)
            if attendance is None:
                continue
            view = change.view or attendance.view
            told = tuple(dispatch.offset for dispatch in change.told)
            key = (id(view), attendance.version, attendance.since, told, change.view is None)
            row = shared.get(key)
            if row is None:
                row = Attendance(view, attendance.version, attendance.since).stored(told, gone=change.view is None)
                shared[key] = row
            stored.append(ViewChange(session.id, self.server_id, row))
        if stored:
            await until_answered(lambda: self._tools.store.save_views(stored), self._tools.clock)

    def _tell(self, change: _Change, offset: int) -> None:
        session = change.session
        attendance = self.sessions.get(session)
        if attendance is None:
            return
        for dispatch in change.told:
            if dispatch.offset not in session.seen:
                self._tools.hub.tell(session, dispatch)
        if change.view is None:
            del self.sessions[session]
            session.servers.discard(self.server_id)
        else:
            attendance.view = change.view
