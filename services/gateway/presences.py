"""Who is told what of who is there.

Nothing is published as it happens. Once a second whatever has changed is settled: a user who lost their connection and
is back, or who changed their mind, has changed nothing, and nobody is told more than once a second of one user, however
often they flap. A session that went without a word counts as there until `grace` is over.

What others see is settled before it is published, and a new session reads it after it follows the shards in which that
is told. So whoever is between the two gets it twice rather than never.
"""

import logging
from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any, Final

from msgspec import UNSET, Struct, UnsetType, field

from beep.users.v1.relationships_service_pb2 import RELATIONSHIP_TYPE_FRIEND, ListRelationshipsRequest
from services.common.bus import Audience, Bus, Envelope, server_shard, user_shard
from services.common.clock import Clock
from services.common.errors import BeepError
from services.gateway.domain import presence as domain
from services.gateway.domain.presence import OFFLINE, SessionPresence, Shown
from services.gateway.hub import Hub
from services.gateway.session import Session
from services.gateway.store.ports import PresenceStore, SessionStore
from services.gateway.tasks import Tasks
from services.gateway.views import until_answered
from services.wire.encoding import encode
from services.wire.presence import ActivityObject, PresenceObject, PresenceUpdate, UserReference

if TYPE_CHECKING:
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub

logger = logging.getLogger(__name__)

SETTLED_EVERY: Final = 1.0
_AT_ONCE: Final = 500
"""Envelopes in one call of the bus."""


class _Told(Struct):
    """Where it has been told that a user is there."""

    servers: set[int] = field(default_factory=set)
    perhaps: set[int] = field(default_factory=set)
    """Servers that they joined since: nobody was told, but who began meanwhile has seen it."""
    friends: set[int] | None = field(default_factory=set)
    """None: all of them, whoever they are; an earlier process told them."""


class Presences:
    """The presence of this gateway's sessions."""

    def __init__(
        self,
        store: PresenceStore,
        sessions: SessionStore,
        hub: Hub,
        bus: Bus,
        relationships: "RelationshipsServiceAsyncStub",
        tasks: Tasks,
        clock: Clock,
        *,
        new_event_id: Callable[[], int],
        grace: float,
    ) -> None:
        """`grace`: seconds for which a session without a connection counts as there."""
        self._store = store
        self._sessions = sessions
        self._hub = hub
        self._bus = bus
        self._relationships = relationships
        self._tasks = tasks
        self._clock = clock
        self._new_event_id = new_event_id
        self._grace = grace
        self._counted: set[Session] = set()
        self._leaving: dict[Session, float] = {}
        self._changed: dict[Session, SessionPresence | None] = {}
        self._unsettled: set[int] = set()
        self._friends: dict[int, frozenset[int]] = {}
        """Of users who are there: as long as their shard is followed, and until something comes in it."""
        self._told: dict[int, _Told] = {}

    # what happens to sessions; none of these waits

    def arrived(self, session: Session) -> None:
        """A connection carries it (again), and its client has all that it was promised."""
        if session.forgotten:
            return
        self._leaving.pop(session, None)
        if session not in self._counted:
            self._counted.add(session)
            self._change(session, session.presence)
        if session.connection is None:
            self.lost(session)

    def lost(self, session: Session) -> None:
        """Its connection went without a word."""
        if session in self._counted:
            self._leaving[session] = self._clock.monotonic() + self._grace

    def gone(self, session: Session) -> None:
        """It is over, or its time is."""
        if not self._hub.of_user(session.user_id):
            self._friends.pop(session.user_id, None)
        if (told := self._told.get(session.user_id)) is not None:
            told.perhaps |= session.servers
        self._leaving.pop(session, None)
        if session in self._counted:
            self._counted.discard(session)
            self._change(session, None)

    def show(self, session: Session, update: domain.PresenceUpdate) -> None:
        """Its client says what it shows from now on."""
        session.presence = domain.presence_of(update, session.presence.platform, self._clock.now_ms())
        if session.stored:
            self._tasks.spawn(self._sessions.update(session.as_stored()))
        if session in self._counted:
            self._change(session, session.presence)

    def joined(self, session: Session, server_id: int) -> None:
        """Its user is a member there now, perhaps not for the first time."""
        told = self._told.get(session.user_id)
        if told is not None:
            told.servers.discard(server_id)
            told.perhaps.add(server_id)
        self._unsettled.add(session.user_id)

    def befriended(self, user_id: int) -> None:
        """Something has changed between this user and another one."""
        self._friends.pop(user_id, None)
        self._unsettled.add(user_id)

    def _change(self, session: Session, presence: SessionPresence | None) -> None:
        self._changed[session] = presence
        self._unsettled.add(session.user_id)

    # what others see

    async def shown(self, user_ids: Collection[int]) -> list[PresenceObject]:
        """Of those who are there."""
        return [presence_object(user_id, shown) for user_id, shown in (await self._store.shown(user_ids)).items()]

    async def restore(self, sessions: Iterable[Session]) -> None:
        """Sessions of an earlier process: others have been told of them, and they have their grace to come back."""
        for session in sessions:
            self._counted.add(session)
            self.lost(session)
            await self._store.put(session.user_id, session.id, session.presence)
        for user_id in {session.user_id for session in self._counted}:
            if await self._store.settle(user_id) is not None:
                self._told[user_id] = _Told(self._servers_of(user_id), friends=None)
                self._unsettled.add(user_id)

    async def keep_settling(self) -> None:
        """Runs until cancelled."""
        while True:
            await self._clock.sleep(SETTLED_EVERY)
            try:
                await self.settle()
            except Exception:
                # A defect of ours; who is there is still told of everybody else, a second later.
                logger.exception("gateway_presence_failed")

    async def settle(self) -> None:
        """Tell what has changed."""
        now = self._clock.monotonic()
        for session in [session for session, until in self._leaving.items() if until <= now]:
            self.gone(session)
        if not self._unsettled:
            return
        changed, self._changed = self._changed, {}
        for session, presence in changed.items():
            if presence is None:
                await self._store.drop(session.user_id, session.id)
            else:
                await self._store.put(session.user_id, session.id, presence)
        users, self._unsettled = self._unsettled, set()
        try:
            await self._tell_of(users)
        except Exception:
            # Nobody has been told of some of them: the next round tells of all again.
            self._unsettled |= users
            raise

    async def _tell_of(self, users: set[int]) -> None:
        envelopes: list[Envelope] = []
        users_answers = True
        for user_id in users:
            if self._lacks_friends(user_id):
                users_answers = users_answers and await self._ask_friends(user_id)
                if not users_answers:
                    self._unsettled.add(user_id)
                    continue
            envelopes += await self._news_of(user_id)
        for start in range(0, len(envelopes), _AT_ONCE):
            await self._publish(envelopes[start : start + _AT_ONCE])

    async def _publish(self, envelopes: list[Envelope]) -> None:
        await until_answered(lambda: self._bus.publish(envelopes), self._clock)

    def _lacks_friends(self, user_id: int) -> bool:
        """Whether it must be asked first who the friends are. Bots have none; who is gone has been told of."""
        return user_id not in self._friends and any(not session.bot for session in self._hub.of_user(user_id))

    async def _ask_friends(self, user_id: int) -> bool:
        """False: users does not answer."""
        # Known from here on unless something comes in meanwhile: then it is asked again.
        self._friends[user_id] = frozenset()
        try:
            answer = await self._relationships.ListRelationships(ListRelationshipsRequest(user_id=user_id))
        except (BeepError, TimeoutError) as error:
            logger.warning("gateway_presence_waits", extra={"error": error})
            self._friends.pop(user_id, None)
            return False
        if user_id in self._friends:
            self._friends[user_id] = frozenset(
                relationship.user.id
                for relationship in answer.relationships
                if relationship.type == RELATIONSHIP_TYPE_FRIEND
            )
        return True

    async def _news_of(self, user_id: int) -> list[Envelope]:
        changed = await self._store.settle(user_id)
        shown = changed or (await self._store.shown([user_id])).get(user_id, OFFLINE)
        told = self._told.get(user_id, _Told())
        if shown == OFFLINE:
            self._told.pop(user_id, None)
            if changed is None:
                return []
            friends = self._friends.get(user_id, frozenset()) if told.friends is None else told.friends
            everywhere = told.servers | told.perhaps | self._servers_of(user_id)
            return self._envelopes(user_id, shown, everywhere, friends)
        servers, friends = self._servers_of(user_id), set(self._friends.get(user_id, ()))
        self._told[user_id] = _Told(servers, friends=friends)
        if changed is None:
            untold = set() if told.friends is None else friends - told.friends
            return self._envelopes(user_id, shown, servers - told.servers, untold)
        return self._envelopes(user_id, shown, servers, friends)

    def _servers_of(self, user_id: int) -> set[int]:
        return {server_id for session in self._hub.of_user(user_id) for server_id in session.servers}

    def _envelopes(self, user_id: int, shown: Shown, servers: Iterable[int], friends: Iterable[int]) -> list[Envelope]:
        told = [
            Envelope(
                self._new_event_id(),
                server_shard(server_id),
                "PRESENCE_UPDATE",
                encode(_update(user_id, shown, str(server_id))),
                Audience.SERVER,
                server_id,
            )
            for server_id in sorted(servers)
        ]
        body = encode(_update(user_id, shown))
        return told + [
            Envelope(
                self._new_event_id(), user_shard(friend), "PRESENCE_UPDATE", body, Audience.USERS, user_ids=(friend,)
            )
            for friend in sorted(friends)
        ]


def presence_object(user_id: int, shown: Shown) -> PresenceObject:
    return PresenceObject(**_fields(user_id, shown))


def _update(user_id: int, shown: Shown, server_id: str | UnsetType = UNSET) -> PresenceUpdate:
    return PresenceUpdate(guild_id=server_id, **_fields(user_id, shown))


def _fields(user_id: int, shown: Shown) -> dict[str, Any]:
    return {
        "user": UserReference(id=str(user_id)),
        "status": shown.status,
        "activities": [
            ActivityObject(
                name=activity.name,
                type=activity.type,
                created_at=activity.created_at_ms,
                url=activity.url or UNSET,
                state=activity.state or UNSET,
                details=activity.details or UNSET,
            )
            for activity in shown.activities
        ],
        "client_status": dict(shown.platforms),
    }
