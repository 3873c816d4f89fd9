"""Profiles of users, for events and member lists: remembered until an event says that one changed."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from beep.users.v1 import users_service_pb2
from beep.users.v1.user_pb2 import User
from services.common.bus import Bus, Envelope, shard_id, user_shard
from services.common.bus.remembered import Cache, Shards
from services.common.limits import USERS_PAGE
from services.servers.events import USER_UPDATE

if TYPE_CHECKING:
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

NOBODY: Final = "deleted_user"
"""The name of one whose account is gone while a membership or an invitation of theirs is still there."""


class Directory:
    """A bounded cache in front of the users service. `follow` must run while it is used.

    It reads the shards of those users only whom it remembers, so what it costs follows what it holds.
    """

    def __init__(self, users: "UsersServiceAsyncStub", bus: Bus, capacity: int) -> None:
        self._users = users
        self._shards = Shards(bus)
        self._kept: Cache[int, User] = Cache(capacity, user_shard, self._shards)

    async def get(self, user_ids: Collection[int]) -> dict[int, User]:
        """The profiles of all of these, by id; a nameless one for whoever does not exist any more."""
        found: dict[int, User] = {}
        missing: list[int] = []
        for user_id in set(user_ids):
            user = self._kept.get(user_id)
            if user is None:
                missing.append(user_id)
            else:
                found[user_id] = user
        for start in range(0, len(missing), USERS_PAGE):
            found.update(await self._fetch(missing[start : start + USERS_PAGE]))
        return found

    def forget(self, user_id: int) -> None:
        """Ask anew for this user from now on: for who knows of a change before the event of it comes."""
        self._kept.drop(user_id)

    async def follow(self) -> None:
        """Forget whoever changes, until `close`."""
        await self._shards.follow(self._apply, self._kept.clear)

    def close(self) -> None:
        self._shards.close()

    async def _fetch(self, user_ids: Sequence[int]) -> dict[int, User]:
        with self._shards.held(map(user_shard, user_ids)):
            asked_at = self._kept.drops
            answer = await self._users.GetUsers(users_service_pb2.GetUsersRequest(ids=user_ids))
            for user in answer.users:
                self._kept.keep(user.id, user, asked_at=asked_at)
        nobody = {user_id: User(id=user_id, username=NOBODY) for user_id in user_ids}
        return nobody | {user.id: user for user in answer.users}

    def _apply(self, envelope: Envelope) -> None:
        if envelope.type == USER_UPDATE:
            self.forget(shard_id(envelope.shard))
