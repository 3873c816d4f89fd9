"""Who wrote a message, and where: profiles, memberships, roles and channels of other services, remembered until an
event changes them.

A warm look-up costs no call. An entry is dropped by the event of its change, all of them when the bus lost its history.
Nothing here decides what anybody may do: roles come from the decision of authz, and what is a moment old only shows an
older name, or a slow mode that was just changed.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from beep.servers.v1 import channels_service_pb2, members_service_pb2, servers_service_pb2
from beep.servers.v1.channel_pb2 import Channel
from beep.servers.v1.member_pb2 import Member
from beep.users.v1 import users_service_pb2
from beep.users.v1.user_pb2 import User
from services.common.bus import Bus, Envelope, server_shard, user_shard
from services.common.bus.remembered import Cache, Shards
from services.common.errors import NotFound
from services.common.limits import USERS_PAGE
from services.messages.events import CHANNEL_EVENTS, MEMBER_EVENTS, ROLE_EVENTS, USER_EVENTS

if TYPE_CHECKING:
    from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub
    from beep.servers.v1.members_service_pb2_grpc import MembersServiceAsyncStub
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

MAX_USERS: Final = 20_000
MAX_MEMBERS: Final = 20_000
MAX_SERVERS: Final = 2_000
MAX_CHANNELS: Final = 20_000


class _Subject(msgspec.Struct):
    id: str = "0"


class _Change(_Subject):
    """What the body of a followed event says about whom it changes."""

    user: _Subject | None = None


_decode_change: Final = msgspec.json.Decoder(_Change).decode


class Directory:
    """The people and roles that messages show. `follow` must run while it is used."""

    def __init__(
        self,
        users: "UsersServiceAsyncStub",
        members: "MembersServiceAsyncStub",
        servers: "ServersServiceAsyncStub",
        channels: "ChannelsServiceAsyncStub",
        bus: Bus,
    ) -> None:
        self._users_service = users
        self._members_service = members
        self._servers_service = servers
        self._channels_service = channels
        self._shards = Shards(bus)
        self._users: Cache[int, User] = Cache(MAX_USERS, user_shard, self._shards)
        self._members: Cache[tuple[int, int], Member] = Cache(
            MAX_MEMBERS, lambda key: server_shard(key[0]), self._shards
        )
        self._roles: Cache[int, Mapping[int, bool]] = Cache(MAX_SERVERS, server_shard, self._shards)
        self._channels: Cache[tuple[int, int], Channel] = Cache(
            MAX_CHANNELS, lambda key: server_shard(key[0]), self._shards
        )

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
            with self._shards.held([server_shard(server_id)]):
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
            with self._shards.held([server_shard(server_id)]):
                asked_at = self._roles.drops
                answer = await self._servers_service.GetSnapshot(
                    servers_service_pb2.GetSnapshotRequest(server_id=server_id, without_members=True)
                )
                roles = {role.id: role.mentionable for role in answer.snapshot.roles if role.id != server_id}
                self._roles.keep(server_id, roles, asked_at=asked_at)
        return roles

    async def channel(self, server_id: int, channel_id: int) -> Channel:
        """The channel, or thread, of this server. Raises NotFound UNKNOWN_CHANNEL if it is just being deleted."""
        key = (server_id, channel_id)
        channel = self._channels.get(key)
        if channel is None:
            with self._shards.held([server_shard(server_id)]):
                asked_at = self._channels.drops
                answer = await self._channels_service.GetChannel(
                    channels_service_pb2.GetChannelRequest(channel_id=channel_id)
                )
                channel = answer.channel
                self._channels.keep(key, channel, asked_at=asked_at)
        return channel

    async def follow(self) -> None:
        """Drop what events change, until `close`."""
        await self._shards.follow(self._apply, self._clear)

    def close(self) -> None:
        self._shards.close()

    async def _fetch_users(self, user_ids: Sequence[int]) -> dict[int, User]:
        with self._shards.held(map(user_shard, user_ids)):
            asked_at = self._users.drops
            answer = await self._users_service.GetUsers(users_service_pb2.GetUsersRequest(ids=user_ids))
            for user in answer.users:
                self._users.keep(user.id, user, asked_at=asked_at)
            return {user.id: user for user in answer.users}

    def _clear(self) -> None:
        for cache in (self._users, self._members, self._roles, self._channels):
            cache.clear()

    def _apply(self, envelope: Envelope) -> None:
        if envelope.type in ROLE_EVENTS:
            self._roles.drop(envelope.server_id)
        elif envelope.type in CHANNEL_EVENTS:
            self._channels.drop((envelope.server_id, int(_decode_change(envelope.body).id)))
        elif envelope.type in MEMBER_EVENTS or envelope.type in USER_EVENTS:
            change = _decode_change(envelope.body)
            user_id = int(change.user.id if change.user is not None else change.id)
            if envelope.type in USER_EVENTS:
                self._users.drop(user_id)
            if envelope.type in MEMBER_EVENTS:
                self._members.drop((envelope.server_id, user_id))
