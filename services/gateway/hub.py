"""Who is connected, and the loop that delivers.

A dispatch reaches a session in two steps. It is *recorded*: the session's next sequence number is given to it and
written to its replay ring, whether or not anybody is connected. Then it is *written*, if the session has a `write`: one
call, which never waits. A session without one (no connection, a client that is slow, one that resumes, one that
compresses) is simply behind: its ring knows from where, and `catch_up` sends what is missing when that is possible.
So there is no queue per session that could grow; what a slow client costs is its ring and the transport's buffer.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.common.clock import Clock
from services.common.errors import BeepError
from services.gateway.config import Settings
from services.gateway.connection import Connection
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.replay import EVENTS, MASK, NOT_REPLAYABLE
from services.gateway.recent import RESUMED_DISPATCH, RecentDispatches
from services.gateway.session import Session
from services.gateway.tasks import Tasks

logger = logging.getLogger(__name__)

_CATCH_UP: Final = 64
"""Dispatches in one write to a session that is behind."""


class Hub:
    """The sessions and connections of this process."""

    def __init__(self, recent: RecentDispatches, tasks: Tasks, clock: Clock, settings: Settings) -> None:
        self._recent = recent
        self._tasks = tasks
        self._clock = clock
        self._settings = settings
        self._connections: set[Connection] = set()
        self._detached: set[Session] = set()
        self.sessions: dict[str, Session] = {}
        self.by_user: dict[int, set[Session]] = {}
        self.on_forgotten: Callable[[Session], None] = lambda _: None
        """Called for each session that is over, to take it out of lanes, ring and store. Must not wait."""
        self.on_lost: Callable[[Session], None] = lambda _: None
        """Called for each session that lost its connection without a word, and may come back. Must not wait."""

    # delivering

    def fan_out(self, recipients: Sequence[Session], dispatches: Sequence[Dispatch]) -> None:
        """Give these dispatches to each of the sessions, in this order. Everything that Beep does ends here."""
        if len(dispatches) > 1:
            self._fan_out_many(recipients, dispatches)
            return
        dispatch = dispatches[0]
        offset, prefixes, tail = dispatch.offset, dispatch.prefixes, dispatch.tail
        join = b"".join
        for session in recipients:
            # `replay.record`, without the call.
            session.seq = seq = session.seq + 1
            ring = session.ring
            ring[1 + (seq & MASK)] = offset
            ring[0] = seq
            write = session.write
            if write is not None:
                digits = b"%d" % seq
                write(join((prefixes[len(digits)], digits, tail)))
            elif session.connection is not None:
                self.catch_up(session)

    def _fan_out_many(self, recipients: Sequence[Session], dispatches: Sequence[Dispatch]) -> None:
        """The same with one write for all of them: several times cheaper than one each (docs/adr/0010)."""
        parts = [(dispatch.offset, dispatch.prefixes, dispatch.tail) for dispatch in dispatches]
        join = b"".join
        for session in recipients:
            ring, seq, write = session.ring, session.seq, session.write
            frames: list[bytes] = []
            for offset, prefixes, tail in parts:
                seq += 1
                ring[1 + (seq & MASK)] = offset
                ring[0] = seq
                if write is not None:
                    digits = b"%d" % seq
                    frames += (prefixes[len(digits)], digits, tail)
            session.seq = seq
            if write is not None:
                write(join(frames))
            elif session.connection is not None:
                self.catch_up(session)

    def tell(self, session: Session, dispatch: Dispatch) -> None:
        """Give one dispatch to one session."""
        if session.forgotten:
            return
        if dispatch.offset == NOT_REPLAYABLE and session.connection is not None and session.write is None:
            session.connection.unlogged[session.seq + 1] = dispatch
        self.fan_out((session,), (dispatch,))

    def catch_up(self, session: Session, fetched: Mapping[int, Dispatch] | None = None) -> None:
        """Send what the connection lacks, as far as it takes it and it is at hand; fetch the rest."""
        connection = session.connection
        if connection is None or connection.fetching:
            return
        while connection.writable and connection.sent < session.seq:
            first = connection.sent + 1
            if session.seq - connection.sent > EVENTS:
                self._give_up(session)
                return
            ready: list[Dispatch] = []
            lacking: list[int] = []
            for sequence in range(first, min(session.seq, connection.sent + _CATCH_UP) + 1):
                offset = session.ring[1 + (sequence & MASK)]
                dispatch = connection.unlogged.pop(sequence, None) or self._recent.recall(offset)
                if dispatch is None and fetched is not None:
                    dispatch = fetched.get(offset)
                if dispatch is None:
                    lacking.append(offset)
                elif not lacking:
                    ready.append(dispatch)
                elif offset == NOT_REPLAYABLE:
                    connection.unlogged[sequence] = dispatch
            if ready:
                connection.send_dispatches(first, ready)
            if lacking and connection.writable:
                connection.fetching = True
                self._tasks.spawn(self._fetch(session, connection, lacking))
                return
        if connection.sent == session.seq and connection.writable:
            connection.live = True
            if not connection.compresses:
                session.write = connection.write
        elif connection.live and session.seq - connection.sent > self._settings.backlog_events:
            # It may come back and have the rest; until then it costs nobody anything.
            connection.hang_up(CloseCode.UNKNOWN_ERROR)

    def writable_again(self, session: Session) -> None:
        self.catch_up(session)

    async def _fetch(self, session: Session, connection: Connection, offsets: list[int]) -> None:
        try:
            fetched = await self._recent.fetch([offset for offset in offsets if offset != NOT_REPLAYABLE])
        except (BeepError, TimeoutError):
            connection.hang_up(CloseCode.UNKNOWN_ERROR)
            return
        finally:
            connection.fetching = False
        if session.connection is not connection:
            return
        if len(fetched) < len(set(offsets)):
            self._give_up(session)
        else:
            self.catch_up(session, fetched)

    def _give_up(self, session: Session) -> None:
        """What the client lacks is gone: it is told so, and begins anew."""
        connection = session.connection
        self.forget(session)
        if connection is not None:
            connection.refuse_session()

    # sessions

    def add(self, session: Session) -> None:
        self.sessions[session.id] = session
        self.by_user.setdefault(session.user_id, set()).add(session)

    def attach(self, session: Session, connection: Connection, received: int) -> None:
        """From now on this connection carries the session, whose client has everything up to `received`."""
        previous = session.connection
        if previous is not None:
            self._detach(session)
            previous.session = None
            previous.hang_up(CloseCode.UNKNOWN_ERROR)
        self._detached.discard(session)
        session.connection = connection
        connection.session = session
        connection.sent = received
        self.catch_up(session)

    def resume(self, session: Session, connection: Connection, received: int) -> None:
        """As `attach`, and tell the client when it has everything that it missed."""
        self.attach(session, connection, received)
        self.tell(session, RESUMED_DISPATCH)

    def add_detached(self, session: Session) -> None:
        """A session of an earlier process."""
        self.add(session)
        session.detached_seq = session.seq
        self._await_return(session)

    def forget(self, session: Session) -> None:
        """The session is over; its connection, if it has one, is nobody's."""
        if session.forgotten:
            return
        session.forgotten = True
        session.write = None
        if session.connection is not None:
            session.connection.session = None
            session.connection = None
        self._detached.discard(session)
        self.sessions.pop(session.id, None)
        others = self.by_user.get(session.user_id)
        if others is not None:
            others.discard(session)
            if not others:
                del self.by_user[session.user_id]
        self.on_forgotten(session)

    def end(self, session: Session, code: CloseCode) -> None:
        """Forget the session and close its connection."""
        connection = session.connection
        self.forget(session)
        if connection is not None:
            connection.hang_up(code)

    # connections

    def connected(self, connection: Connection) -> None:
        self._connections.add(connection)

    def disconnected(self, connection: Connection, *, for_good: bool) -> None:
        self._connections.discard(connection)
        session = connection.session
        if session is None:
            return
        connection.session = None
        # Before it is stored there is nothing to come back to.
        if for_good or not session.stored:
            self.forget(session)
        else:
            session.detached_seq = connection.sent
            self._detach(session)
            self._await_return(session)
            self.on_lost(session)

    def _detach(self, session: Session) -> None:
        session.write = None
        session.connection = None

    def _await_return(self, session: Session) -> None:
        session.expires = self._clock.monotonic() + self._settings.resume_window
        self._detached.add(session)

    # time

    async def keep_time(self) -> None:
        """Runs until cancelled: once a second, whatever is due on any connection or session."""
        while True:
            await self._clock.sleep(1.0)
            self.sweep()

    def sweep(self) -> None:
        now = self._clock.monotonic()
        for connection in [connection for connection in self._connections if connection.deadline <= now]:
            self._expire(connection, now)
        # A client that does not read and is told nothing would not be noticed by its own deadline.
        stalled = now - self._settings.stalled_after
        for connection in [c for c in self._connections if not c.writable and 0 < c.stalled_since <= stalled]:
            if not connection.closed:
                self._expire(connection, now)
        for session in [session for session in self._detached if _is_over(session, now)]:
            self.forget(session)

    def _expire(self, connection: Connection, now: float) -> None:
        try:
            connection.expire(now)
        except Exception:
            # Time goes on for the others.
            logger.exception("gateway_expire_failed")
            self._connections.discard(connection)
            connection.abort()

    def close(self) -> None:
        """Tell every client that the gateway goes away, with a code on which all of them resume. Their sessions stay
        in the store."""
        for connection in list(self._connections):
            session = connection.session
            if session is not None and session.stored:
                connection.session = None
                session.detached_seq = session.seq
                self._detach(session)
            connection.hang_up(CloseCode.UNKNOWN_ERROR)

    def abort(self) -> None:
        for connection in list(self._connections):
            connection.abort()

    def of_user(self, user_id: int) -> list[Session]:
        return list(self.by_user.get(user_id, ()))


def _is_over(session: Session, now: float) -> bool:
    return now >= session.expires or session.seq - session.detached_seq > EVENTS
