"""From the bus to the lanes: which events this gateway follows, and how far it has got.

One subscription, of the shards that its sessions need: `server:<id>` of every server that one of them sees, `user:<id>`
of every user. What a crash interrupts is dispatched again from the watermark on, and each session's ring tells what it
had already got.
"""

import logging
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol

import msgspec

from services.common.bus import (
    ACCOUNT_REVOKED,
    SERVER_JOINED,
    SESSION_REVOKED,
    Bus,
    HistoryLost,
    Record,
    Subscription,
    server_shard,
    shard_id,
    user_shard,
)
from services.gateway.domain.close_codes import CloseCode
from services.gateway.domain.intents import wants_in_private
from services.gateway.domain.private_gates import PrivateGates
from services.gateway.lane import Lane
from services.gateway.news import LaneTools
from services.gateway.session import Session
from services.gateway.store.replay_file import ReplayFile

logger = logging.getLogger(__name__)

HELD: Final = 1024
"""Events of a user that may wait for a session of theirs to be told its READY."""
_OF_FRIENDS: Final = frozenset({"RELATIONSHIP_ADD", "RELATIONSHIP_REMOVE"})


class _Revocation(msgspec.Struct):
    """The body of SESSION_REVOKED."""

    auth_session_id: str


class _AccountRevocation(msgspec.Struct):
    """The body of ACCOUNT_REVOKED."""

    but: str = ""


class Joiner(Protocol):
    """Whoever can load a server for a session that is live."""

    def join(self, session: Session, server_id: int, cause: Record) -> Coroutine[Any, Any, None]: ...


class FriendWatcher(Protocol):
    """Whoever must know when two people become friends, or no longer are."""

    def befriended(self, user_id: int) -> None: ...


class Dispatcher:
    """Implements `services.gateway.lane.Keeper`."""

    def __init__(
        self, bus: Bus, tools: LaneTools, replay: ReplayFile, joiner: Joiner, friend_watcher: FriendWatcher
    ) -> None:
        self._bus = bus
        self._tools = tools
        self._hub = tools.hub
        self._replay = replay
        self._joiner = joiner
        self._friend_watcher = friend_watcher
        self._lanes: dict[int, list[Lane]] = {}
        self._held: dict[Lane, int] = {}
        self._starting: Counter[int] = Counter()
        """Users of whom a session is about to begin, and how many."""
        self._subscription: Subscription
        self._gates = PrivateGates()
        self._closing = False
        self.received = 0
        """The offset of the newest event that has come in."""
        self.recovered_to = 0

    def begin(self, watermark: int | None) -> None:
        """Follow what the sessions that are there need, from the watermark on; None: from now on."""
        shards = [user_shard(user_id) for user_id in self._hub.by_user.keys() | self._starting.keys()]
        shards += [server_shard(server_id) for server_id in self._lanes]
        self.recovered_to = self._bus.head()
        self.received = self.recovered_to if watermark is None else watermark
        self._subscription = self._bus.subscribe(shards, after=watermark)
        self._save_watermark()

    async def run(self) -> None:
        """Runs until `close`."""
        while not self._closing:
            try:
                async for batch in self._subscription:
                    self.dispatch(batch)
            except HistoryLost:
                logger.warning("gateway_history_lost")
                self._begin_anew()
            except Exception:
                # A defect of ours, or an event that cannot be read: stopping here would be a gap for everybody.
                logger.exception("gateway_dispatch_failed")
                self._begin_anew()

    def _begin_anew(self) -> None:
        """A gap must never be silent: all sessions end, and their clients identify again."""
        for session in list(self._hub.sessions.values()):
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
        self._subscription.close()
        self._gates.forget_all()
        # What was read of servers counts only as long as nothing is missed.
        self._tools.snapshots.clear()
        self.begin(None)

    def close(self) -> None:
        self._closing = True
        self._subscription.close()

    # following

    @contextmanager
    def following(self, user_id: int) -> Iterator[None]:
        """Follow the user for as long as this is open, and then for as long as there is a session of theirs."""
        self._starting[user_id] += 1
        self._subscription.add(user_shard(user_id))
        try:
            yield
        finally:
            self._starting[user_id] -= 1
            if not self._starting[user_id]:
                del self._starting[user_id]
            self._unfollow_unless_needed(user_id)

    def _unfollow_unless_needed(self, user_id: int) -> None:
        if user_id not in self._hub.by_user and user_id not in self._starting:
            self._subscription.discard(user_shard(user_id))
            self._gates.forget(user_id)

    def open_lane(self, server_id: int) -> tuple[Lane, int]:
        """A lane that keeps what comes in from now on, until it is begun; and the offset behind which that is."""
        lane = Lane(server_id, self, self._tools, stopped=True)
        lanes = self._lanes.get(server_id)
        if lanes is not None:
            lanes.append(lane)
            return lane, self.received
        self._lanes[server_id] = [lane]
        self._subscription.add(server_shard(server_id))
        return lane, self._bus.head()

    def restored_lane(self, server_id: int) -> Lane:
        """The lane of sessions of an earlier process. Only before `begin`."""
        lanes = self._lanes.setdefault(server_id, [])
        if not lanes:
            lanes.append(Lane(server_id, self, self._tools))
        return lanes[0]

    def drop_lane(self, lane: Lane) -> None:
        """Nobody needs it. A join that waits in it is still to come."""
        self._held.pop(lane, None)
        lanes = self._lanes.get(lane.server_id, [])
        if lane in lanes:
            lanes.remove(lane)
            if not lanes:
                del self._lanes[lane.server_id]
                self._subscription.discard(server_shard(lane.server_id))
                self._tools.snapshots.forget(lane.server_id)
        for record in lane.abandon():
            self.rejoin(record)
        self._save_watermark()

    def lane_of(self, session: Session, server_id: int) -> Lane | None:
        """The lane in which the session sees this server; None: it does not, or not yet."""
        return next((lane for lane in self._lanes.get(server_id, ()) if session in lane.sessions), None)

    def remove(self, session: Session) -> None:
        """The session is over."""
        for server_id in session.servers:
            for lane in list(self._lanes.get(server_id, ())):
                if session in lane.sessions:
                    lane.remove(session)
                    self._drop_if_empty(lane)
        session.servers.clear()
        self._unfollow_unless_needed(session.user_id)

    # dispatching

    def dispatch(self, batch: list[Record]) -> None:
        """Hand out what came in. Does not wait."""
        fed: dict[Lane, list[Record]] = {}
        for record in batch:
            if record.offset <= self.received:
                continue
            self.received = record.offset
            kind, _, name = record.envelope.shard.partition(":")
            if kind == "server":
                server_id = int(name)
                self._tools.snapshots.note(record.envelope)
                for lane in self._lanes.get(server_id, ()):
                    fed.setdefault(lane, []).append(record)
            elif kind == "user":
                self._dispatch_to_user(int(name), record, fed)
        for lane, records in fed.items():
            lane.feed(records)
        for server_id in {lane.server_id for lane in fed}:
            self._merge(server_id)
        self._save_watermark()

    def _dispatch_to_user(self, user_id: int, record: Record, fed: dict[Lane, list[Record]]) -> None:
        envelope = record.envelope
        if envelope.type == SERVER_JOINED:
            # Behind what is still on its way in that server, in whichever lane: the user may have been thrown out
            # just before.
            lanes = self._lanes.get(envelope.server_id, ())
            for lane in lanes:
                fed.setdefault(lane, []).append(record)
            if not lanes:
                self.rejoin(record)
        elif envelope.type == SESSION_REVOKED:
            revoked = msgspec.json.decode(envelope.body, type=_Revocation).auth_session_id
            for session in self._hub.of_user(user_id):
                if session.auth_session_id == revoked:
                    self._hub.end(session, CloseCode.AUTHENTICATION_FAILED)
        elif envelope.type == ACCOUNT_REVOKED:
            spared = msgspec.json.decode(envelope.body, type=_AccountRevocation).but
            for session in self._hub.of_user(user_id):
                if not spared or session.auth_session_id != spared:
                    self._hub.end(session, CloseCode.AUTHENTICATION_FAILED)
        elif envelope.audience and self._gates.lets_pass(user_id, envelope):
            if envelope.type in _OF_FRIENDS:
                self._friend_watcher.befriended(user_id)
            sessions = [session for session in self._unheld(user_id, record) if self._gets(session, record)]
            self._hub.fan_out(sessions, [self._tools.recent.of(record)])

    def _gets(self, session: Session, record: Record) -> bool:
        return wants_in_private(session.intents, record.envelope.type) and not (
            record.offset <= self.recovered_to and record.offset in session.seen
        )

    def _unheld(self, user_id: int, record: Record) -> list[Session]:
        """The user's sessions; those that have not been told their READY keep the record until then."""
        ready: list[Session] = []
        for session in self._hub.of_user(user_id):
            if session.held is None:
                ready.append(session)
            elif len(session.held) < HELD:
                session.held.append(record)
            else:
                self._hub.end(session, CloseCode.UNKNOWN_ERROR)
        return ready

    def release_held(self, session: Session) -> None:
        """READY was told: what came meanwhile comes behind it."""
        held, session.held = session.held or [], None
        for record in held:
            if record.envelope.type == SERVER_JOINED:
                self._rejoin(session, record)
            elif self._gets(session, record):
                self._hub.tell(session, self._tools.recent.of(record))

    def rejoin(self, record: Record) -> None:
        for session in self._unheld(shard_id(record.envelope.shard), record):
            self._rejoin(session, record)

    def _rejoin(self, session: Session, record: Record) -> None:
        server_id = record.envelope.server_id
        if not session.forgotten and server_id not in session.servers and session.sees(server_id):
            self._tools.tasks.spawn(self._joiner.join(session, server_id, record))

    # how far

    def hold(self, lane: Lane, offset: int) -> None:
        self._held[lane] = offset

    def release(self, lane: Lane) -> None:
        self._held.pop(lane, None)
        self._drop_if_empty(lane)
        self._merge(lane.server_id)
        self._save_watermark()

    def lose(self, lane: Lane) -> None:
        for session in list(lane.sessions):
            self._hub.end(session, CloseCode.UNKNOWN_ERROR)
        self.drop_lane(lane)

    def _merge(self, server_id: int) -> None:
        """Idle lanes of one server have all dispatched everything: they become one."""
        lanes = self._lanes.get(server_id, [])
        if len(lanes) > 1:
            idle = [lane for lane in lanes if lane.idle]
            for lane in idle[1:]:
                idle[0].absorb(lane)
                lanes.remove(lane)

    def _drop_if_empty(self, lane: Lane) -> None:
        if not lane.sessions and lane.idle:
            self.drop_lane(lane)

    def _save_watermark(self) -> None:
        self._replay.watermark = min(self._held.values()) - 1 if self._held else self.received
