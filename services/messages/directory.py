"""Who wrote a message: profiles, memberships and roles of other services, remembered until an event changes them.

A warm look-up costs no call. An entry is dropped by the event of its change, all of them when the bus lost its history.
Nothing here decides what anybody may do: roles come from the decision of authz, and a profile that is a moment old
only shows an older name.
"""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from beep.servers.v1 import members_service_pb2, servers_service_pb2
from beep.servers.v1.member_pb2 import Member
from beep.users.v1 import users_service_pb2
from beep.users.v1.user_pb2 import User
from services.common.bus import Bus, Envelope, HistoryLost, Subscription, server_shard, user_shard
from services.common.errors import NotFound
from services.common.limits import USERS_PAGE
from services.messages.events import MEMBER_EVENTS, ROLE_EVENTS, USER_EVENTS

if TYPE_CHECKING:
    from beep.servers.v1.members_service_pb2_grpc import MembersServiceAsyncStub
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

K = TypeVar("K")
V = TypeVar("V")

MAX_USERS: Final = 20_000
MAX_MEMBERS: Final = 20_000
MAX_SERVERS: Final = 2_000

logger = logging.getLogger(__name__)


class _Subject(msgspec.Struct):
    id: str = "0"


class _Change(_Subject):
    """What the body of a followed event says about whom it changes."""

    user: _Subject | None = None


_decode_change: Final = msgspec.json.Decoder(_Change).decode


class _Cache(Generic[K, V]):
    """The entries used last. `drops` counts the invalidations: a value that was asked for before one is not kept."""

    def __init__(self, capacity: int, shard_of: Callable[[K], str], shards: "_Shards") -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._capacity = capacity
        self._shard_of = shard_of
        self._shards = shards
        self.drops = 0

    def get(self, key: K) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def keep(self, key: K, value: V, *, asked_at: int) -> None:
        if asked_at != self.drops:
            return
        if key not in self._entries:
            self._shards.hold(self._shard_of(key))
        self._entries[key] = value
        if len(self._entries) > self._capacity:
            oldest, _ = self._entries.popitem(last=False)
            self._shards.release(self._shard_of(oldest))

    def drop(self, key: K) -> None:
        self.drops += 1
        if self._entries.pop(key, None) is not None:
            self._shards.release(self._shard_of(key))

    def clear(self) -> None:
        for key in list(self._entries):
            self.drop(key)
        self.drops += 1


class _Shards:
    """The shards that are followed, each for as long as somebody holds it."""

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._holders: Counter[str] = Counter()

    def hold(self, shard: str) -> None:
        self._holders[shard] += 1
        if self._holders[shard] == 1:
            self.subscription.add(shard)

    def release(self, shard: str) -> None:
        self._holders[shard] -= 1
        if not self._holders[shard]:
            del self._holders[shard]
            self.subscription.discard(shard)

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(self._holders)


class Directory:
    """The people and roles that messages show. `follow` must run while it is used."""

    def __init__(
        self,
        users: "UsersServiceAsyncStub",
        members: "MembersServiceAsyncStub",
        servers: "ServersServiceAsyncStub",
        bus: Bus,
    ) -> None:
        self._users_service = users
        self._members_service = members
        self._servers_service = servers
        self._bus = bus
        self._shards = _Shards(bus.subscribe(()))
        self._users: _Cache[int, User] = _Cache(MAX_USERS, user_shard, self._shards)
        self._members: _Cache[tuple[int, int], Member] = _Cache(
            MAX_MEMBERS, lambda key: server_shard(key[0]), self._shards
        )
        self._roles: _Cache[int, Mapping[int, bool]] = _Cache(MAX_SERVERS, server_shard, self._shards)

    async def users(self, user_ids: Collection[int]) -> dict[int, User]:
        """The profiles of those users that exist, by id."""
        found: dict[int, User] = {}
        missing: list[int] = []
        for user_id in user_ids:
            user = self._users.get(user_id)
            if user is not None:
                found[user_id] = user
            else:
                missing.append(user_id)
        for start in range(0, len(missing), USERS_PAGE):
            found.update(await self._fetch_users(missing[start : start + USERS_PAGE]))
        return found

    async def member(self, server_id: int, user_id: int) -> Member | None:
        """The membership; None if the user is not (or no longer) in the server."""
        key = (server_id, user_id)
        member = self._members.get(key)
        if member is None:
            with self._following(server_shard(server_id)):
                asked_at = self._members.drops
                try:
                    answer = await self._members_service.GetMember(
                        members_service_pb2.GetMemberRequest(server_id=server_id, user_id=user_id)
                    )
                except NotFound:
                    return None
                member = answer.member
                self._members.keep(key, member, asked_at=asked_at)
        return member

    async def roles(self, server_id: int) -> Mapping[int, bool]:
        """The ids of the server's roles but @everyone, and whether anybody may mention each."""
        roles = self._roles.get(server_id)
        if roles is None:
            with self._following(server_shard(server_id)):
                asked_at = self._roles.drops
                answer = await self._servers_service.GetSnapshot(
                    servers_service_pb2.GetSnapshotRequest(server_id=server_id, without_members=True)
                )
                roles = {role.id: role.mentionable for role in answer.snapshot.roles if role.id != server_id}
                self._roles.keep(server_id, roles, asked_at=asked_at)
        return roles

    async def follow(self) -> None:
        """Drop what events change, until `close`."""
        while True:
            try:
                async for batch in self._shards.subscription:
                    for record in batch:
                        self._apply(record.envelope)
                return
            except HistoryLost:
                logger.warning("directory_cleared", extra={"reason": "history_lost"})
                self._shards.subscription = self._bus.subscribe(self._shards.held)
                for cache in (self._users, self._members, self._roles):
                    cache.clear()

    def close(self) -> None:
        self._shards.subscription.close()

    async def _fetch_users(self, user_ids: Sequence[int]) -> dict[int, User]:
        with self._following(*map(user_shard, user_ids)):
            asked_at = self._users.drops
            answer = await self._users_service.GetUsers(users_service_pb2.GetUsersRequest(ids=user_ids))
            for user in answer.users:
                self._users.keep(user.id, user, asked_at=asked_at)
            return {user.id: user for user in answer.users}

    @contextmanager
    def _following(self, *shards: str) -> Iterator[None]:
        """Followed before the state is read: a change in between is seen and not overwritten by what it replaced."""
        for shard in shards:
            self._shards.hold(shard)
        try:
            yield
        finally:
            for shard in shards:
                self._shards.release(shard)

    def _apply(self, envelope: Envelope) -> None:
        if envelope.type in ROLE_EVENTS:
            self._roles.drop(envelope.server_id)
        elif envelope.type in MEMBER_EVENTS or envelope.type in USER_EVENTS:
            change = _decode_change(envelope.body)
            user_id = int(change.user.id if change.user is not None else change.id)
            if envelope.type in USER_EVENTS:
                self._users.drop(user_id)
            if envelope.type in MEMBER_EVENTS:
                self._members.drop((envelope.server_id, user_id))
