"""What the gateway asks other services about a server: who sees what (authz), and its state (servers)."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import replace

from beep.authz.v1.authz_service_pb2 import ComputeAudienceRequest
from beep.servers.v1.channel_pb2 import Channel
from beep.servers.v1.member_pb2 import Member
from beep.servers.v1.server_pb2 import ServerSnapshot
from beep.servers.v1.servers_service_pb2 import GetSnapshotRequest
from services.common.bus import Envelope
from services.common.clock import Clock
from services.common.errors import BeepError, DeadlineExceeded, Internal, Unavailable
from services.common.permissions import NEEDED_TO_BE_TOLD
from services.gateway.domain.audience import View
from services.gateway.last_messages import CHANGES, LastMessages
from services.wire.channel import ChannelObject, channel_object
from services.wire.encoding import encode, optional_id, timestamp
from services.wire.member import MemberObject, member_object
from services.wire.presence import PresenceObject
from services.wire.server import GuildCreate, guild_create
from services.wire.thread import ThreadObject, thread_object

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub

T = TypeVar("T")

MEMBERS_SHOWN: Final = 1000
"""In GUILD_CREATE; a client asks for more of a larger server by op 8."""

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0


async def until_answered(ask: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Ask again, with growing pauses, for as long as the other side is down. Nothing is delivered meanwhile: a caller
    that cannot know who may see an event shows it to nobody.

    Raises:
        BeepError: an answer that asking again would not change.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return await ask()
        except (Unavailable, DeadlineExceeded, Internal, TimeoutError):
            await clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)


class Views:
    """Who may view which channels of a server, as authz decides it."""

    def __init__(self, authz: "AuthzServiceAsyncStub", clock: Clock) -> None:
        self._authz = authz
        self._clock = clock

    async def compute(self, server_id: int, user_ids: Collection[int]) -> dict[int, View]:
        """One call for all of them. Users that are not members are missing; those who see the same share a view."""
        request = ComputeAudienceRequest(server_id=server_id, user_ids=sorted(user_ids), wanted=NEEDED_TO_BE_TOLD)
        answer = await until_answered(lambda: self._authz.ComputeAudience(request), self._clock)
        views: dict[int, View] = {}
        for group in answer.groups:
            view = View(frozenset(group.channel_ids), group.permissions)
            views.update(dict.fromkeys(group.user_ids, view))
        return views


class Snapshot:
    """A server's state, and its GUILD_CREATE, rendered once for all who see the same channels."""

    def __init__(self, state: ServerSnapshot) -> None:
        self.state = state
        self.version: Final = state.server.version
        self.channels: Final[list[Channel]] = [*state.channels, *state.threads]
        """Threads that are not archived among them."""
        shown = ServerSnapshot(server=state.server, roles=state.roles, channels=state.channels, threads=state.threads)
        shown.members.extend(state.members[:MEMBERS_SHOWN])
        self._shown = shown
        self._members = {member.user.id: member for member in state.members}
        self._left_out = {member.user.id: member_object(member) for member in state.members[MEMBERS_SHOWN:]}
        self._channel_ids = frozenset(channel.id for channel in state.channels)
        self._rendered: dict[frozenset[int], GuildCreate] = {}
        self._last_messages: Mapping[int, int] = {}

    def shown(self, view: View) -> View:
        """Of the view, what is in this state. Authz may know of a channel already whose event is still to come."""
        if view.channel_ids <= self._channel_ids:
            return view
        return View(view.channel_ids & self._channel_ids, view.permissions)

    def member(self, user_id: int) -> Member | None:
        return self._members.get(user_id)

    def members_shown(self, user_id: int) -> set[int]:
        """The users whom the GUILD_CREATE of this one has among its members."""
        return {member.user.id for member in self._shown.members} | {user_id}

    def show_last_messages(self, last: Mapping[int, int]) -> None:
        """By channel; 0: it has none. The same object again changes nothing."""
        if last is self._last_messages:
            return
        self._last_messages = last
        for rendered in self._rendered.values():
            self._put_last_messages(rendered)

    def _put_last_messages(self, rendered: GuildCreate) -> None:
        channels: list[Any] = [*rendered.channels, *rendered.threads]
        for channel in channels:
            channel.last_message_id = optional_id(self._last_messages.get(int(channel.id), 0))

    def channel(self, channel: Channel) -> ChannelObject:
        rendered = channel_object(channel)
        rendered.last_message_id = optional_id(self._last_messages.get(channel.id, 0))
        return rendered

    def thread(self, thread: Channel) -> ThreadObject:
        rendered = thread_object(thread)
        rendered.last_message_id = optional_id(self._last_messages.get(thread.id, 0))
        return rendered

    def guild_create(self, view: View, user_id: int, presences: list[PresenceObject]) -> bytes:
        """The body of GUILD_CREATE for this member."""
        rendered = self._rendered.get(view.channel_ids)
        if rendered is None:
            rendered = guild_create(self._shown, user_id=user_id, channel_ids=view.channel_ids)
            self._put_last_messages(rendered)
            self._rendered[view.channel_ids] = rendered
        member = self._members.get(user_id)
        own: MemberObject | None = self._left_out.get(user_id)
        return encode(
            replace(
                rendered,
                joined_at=timestamp(member.joined_at_ms if member is not None else 0),
                members=rendered.members if own is None else [*rendered.members, own],
                presences=presences,
            )
        )


class Snapshots:
    """Servers' states, each read once for as long as nothing changes.

    A state that was read counts until an event says that there is a newer one. That is right only for a server whose
    shard is being followed since before the state was read: `forget` it when it no longer is.
    """

    def __init__(self, servers: "ServersServiceAsyncStub", last_messages: LastMessages, clock: Clock) -> None:
        self._servers = servers
        self._last_messages = last_messages
        self._clock = clock
        self._read: dict[int, Snapshot] = {}
        self._seen: dict[int, int] = {}
        self._reading: dict[int, asyncio.Lock] = {}

    def note(self, envelope: Envelope) -> None:
        """This event of a server has arrived."""
        server_id, version = envelope.server_id, envelope.state_version
        if version > self._seen.get(server_id, 0):
            self._seen[server_id] = version
        if envelope.type in CHANGES:
            self._last_messages.note(server_id, envelope.channel_id)

    def forget(self, server_id: int) -> None:
        self._read.pop(server_id, None)
        self._seen.pop(server_id, None)
        self._reading.pop(server_id, None)
        self._last_messages.forget(server_id)

    def clear(self) -> None:
        self._last_messages.clear()
        self._read.clear()
        self._seen.clear()

    async def get(self, server_id: int) -> Snapshot:
        """A state that has in it everything that the events so far have told.

        Raises:
            BeepError: NotFound UNKNOWN_SERVER.
        """
        wanted = self._seen.get(server_id, 0)
        # Five hundred sessions that identify together read it once.
        async with self._reading.setdefault(server_id, asyncio.Lock()):
            snapshot = self._read.get(server_id)
            request = GetSnapshotRequest(server_id=server_id)
            while snapshot is None or snapshot.version < wanted:
                answer = await until_answered(lambda: self._servers.GetSnapshot(request), self._clock)
                snapshot = self._read[server_id] = Snapshot(answer.snapshot)
                if snapshot.version < wanted:
                    await self._clock.sleep(_FIRST_PAUSE)
            snapshot.show_last_messages(await self._last_messages.of(server_id, snapshot.channels))
            return snapshot


def is_missing(error: BeepError) -> bool:
    """Whether the server is not there (any more), or not for us."""
    return error.reason == "UNKNOWN_SERVER"
