"""What a change of rights tells sessions, beside its own event."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b

from beep.servers.v1.channel_pb2 import Channel
from services.common.bus import Audience, Bus, Envelope
from services.common.clock import Clock
from services.common.errors import BeepError
from services.gateway.domain.audience import View, gained, lost
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.intents import wants
from services.gateway.hub import Hub
from services.gateway.recent import RecentDispatches
from services.gateway.session import Session
from services.gateway.store.ports import SessionStore, StoredView
from services.gateway.tasks import Tasks
from services.gateway.views import Snapshot, Snapshots, Views, is_missing, until_answered
from services.wire.encoding import encode
from services.wire.server import UnavailableGuild
from services.wire.thread import ThreadListSync


@dataclass(frozen=True, slots=True)
class LaneTools:
    """What lanes share."""

    hub: Hub
    bus: Bus
    recent: RecentDispatches
    views: Views
    snapshots: Snapshots
    store: SessionStore
    tasks: Tasks
    clock: Clock


class Attendance:
    """What one session sees of one server."""

    __slots__ = ("since", "version", "view")

    def __init__(self, view: View, version: int, since: int) -> None:
        self.view = view
        self.version = version
        """Events of the server's state up to this version were in its GUILD_CREATE."""
        self.since = since
        """It follows the server behind this offset of the bus."""

    def stored(self, told: tuple[int, ...] = (), *, gone: bool = False) -> StoredView:
        return StoredView(tuple(self.view.channel_ids), self.view.permissions, self.version, self.since, told, gone)


class News:
    """What a change tells sessions of its own accord: channels that they gained or lost, a server that they left.

    The same for everybody whom it concerns, so each piece is published once, whatever the number of sessions. Its
    event id follows from its cause: published again after a crash, it is the same event.
    """

    def __init__(self, server_id: int, cause: Envelope, tools: LaneTools) -> None:
        self._server_id = server_id
        self._tools = tools
        self._cause = cause
        self._left = False
        self._gained: set[int] = set()
        self._lost: set[int] = set()
        self._dispatches: dict[tuple[str, int], Dispatch] = {}

    def add(self, attendance: Attendance, new: View | None) -> None:
        if new is None:
            self._left = True
        else:
            told_by_event = self._told_by_event(attendance)
            self._gained |= gained(attendance.view, new, told_by_event=told_by_event)
            self._lost |= lost(attendance.view, new, told_by_event=told_by_event)

    def _told_by_event(self, attendance: Attendance) -> int:
        """The channel of which the event itself tells this session."""
        if self._cause.type == "CHANNEL_DELETE":
            return self._cause.channel_id
        # An event that was in the GUILD_CREATE already is not delivered, though authz may have learned of it later.
        is_delivered = self._cause.state_version > attendance.version
        return self._cause.channel_id if self._cause.type == "CHANNEL_CREATE" and is_delivered else 0

    async def publish(self) -> None:
        bodies: dict[tuple[str, int], bytes] = {}
        if self._left and self._cause.type != "GUILD_DELETE":
            bodies["GUILD_DELETE", self._server_id] = encode(UnavailableGuild(id=str(self._server_id)))
        for channel_id in sorted(self._lost):
            # Discord sends the whole channel; to somebody who may no longer see it, its id has to do.
            bodies["CHANNEL_DELETE", channel_id] = b'{"id":"%d","guild_id":"%d","type":0}' % (
                channel_id,
                self._server_id,
            )
        if self._gained:
            bodies.update(await self._created())
        if not bodies:
            return
        envelopes = [self._envelope(name, channel_id, body) for (name, channel_id), body in bodies.items()]
        offsets = await until_answered(lambda: self._tools.bus.publish(envelopes), self._tools.clock)
        for (key, body), offset in zip(bodies.items(), offsets, strict=True):
            dispatch = self._tools.recent.recall(offset)
            if dispatch is None:
                dispatch = Dispatch(key[0], body, offset)
                self._tools.recent.remember(dispatch)
            self._dispatches[key] = dispatch

    def shown(self, new: View | None) -> View | None:
        """The view without channels that nobody can be told of yet: their own events are still to come."""
        if new is None or not self._gained & new.channel_ids:
            return new
        untold = {c for c in self._gained & new.channel_ids if ("CHANNEL_CREATE", c) not in self._dispatches}
        return View(new.channel_ids - untold, new.permissions) if untold else new

    def between(self, session: Session, attendance: Attendance, new: View | None) -> tuple[Dispatch, ...]:
        """What this session is to be told, in order."""
        keys: list[tuple[str, int]] = []
        if new is None:
            keys.append(("GUILD_DELETE", self._server_id))
        else:
            old, told = attendance.view, self._told_by_event(attendance)
            keys += [("CHANNEL_DELETE", channel_id) for channel_id in sorted(lost(old, new, told_by_event=told))]
            for channel_id in sorted(gained(old, new, told_by_event=told)):
                keys += [("CHANNEL_CREATE", channel_id), ("THREAD_LIST_SYNC", channel_id)]
        return tuple(
            self._dispatches[key] for key in keys if key in self._dispatches and wants(session.intents, key[0])
        )

    async def _created(self) -> dict[tuple[str, int], bytes]:
        try:
            snapshot = await self._tools.snapshots.get(self._server_id)
        except BeepError as error:
            if is_missing(error):
                return {}
            raise
        bodies: dict[tuple[str, int], bytes] = {}
        for channel in snapshot.state.channels:
            if channel.id in self._gained:
                bodies["CHANNEL_CREATE", channel.id] = encode(snapshot.channel(channel))
                threads = [thread for thread in snapshot.state.threads if thread.parent_id == channel.id]
                if threads:
                    bodies["THREAD_LIST_SYNC", channel.id] = encode(self._synced(channel.id, snapshot, threads))
        return bodies

    def _synced(self, channel_id: int, snapshot: Snapshot, threads: Iterable[Channel]) -> ThreadListSync:
        """What CHANNEL_CREATE does not say: which threads the channel has."""
        return ThreadListSync(
            guild_id=str(self._server_id),
            channel_ids=[str(channel_id)],
            threads=[snapshot.thread(thread) for thread in threads],
            # The same for everybody: who is in which thread is asked for.
            members=[],
        )

    def _envelope(self, name: str, object_id: int, body: bytes) -> Envelope:
        return Envelope(
            event_id=derived_id(self._cause.event_id, name, object_id),
            shard=f"gateway:{self._server_id}",
            type=name,
            body=body,
            audience=Audience.NONE,
            server_id=self._server_id,
        )


def derived_id(*cause: object) -> int:
    """An event id that the same cause always gives: 63 bits, so that a clash with another is out of the question."""
    return int.from_bytes(blake2b(repr(cause).encode(), digest_size=8).digest(), "big") >> 1
