"""Profiles of users, for events and member lists: remembered until an event says that one changed."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from beep.users.v1 import users_service_pb2
from beep.users.v1.user_pb2 import User
from services.common.bus import Bus, Envelope, HistoryLost, shard_id, user_shard
from services.common.limits import USERS_PAGE
from services.servers.events import USER_UPDATE

if TYPE_CHECKING:
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

NOBODY: Final = "deleted_user"
"""The name of one whose account is gone while a membership or an invitation of theirs is still there."""

logger = logging.getLogger(__name__)


class Directory:
    """A bounded cache in front of the users service. `follow` must run while it is used.

    It reads the shards of those users only whom it remembers, so what it costs follows what it holds.
    """

    def __init__(self, users: "UsersServiceAsyncStub", bus: Bus, capacity: int) -> None:
        self._users = users
        self._bus = bus
        self._capacity = capacity
        self._kept: OrderedDict[int, User] = OrderedDict()
        self._subscription = bus.subscribe(())
        self._fetching: Counter[int] = Counter()
        # A profile that was asked for before an invalidation may be the old one, and is not kept.
        self._drops = 0

    async def get(self, user_ids: Collection[int]) -> dict[int, User]:
        """The profiles of all of these, by id; a nameless one for whoever does not exist any more."""
        found: dict[int, User] = {}
        missing: list[int] = []
        for user_id in set(user_ids):
            user = self._kept.get(user_id)
            if user is None:
                missing.append(user_id)
            else:
                self._kept.move_to_end(user_id)
                found[user_id] = user
        for start in range(0, len(missing), USERS_PAGE):
            found.update(await self._fetch(missing[start : start + USERS_PAGE]))
        return found

    def forget(self, user_id: int) -> None:
        """Ask anew for this user from now on: for who knows of a change before the event of it comes."""
        self._drops += 1
        if self._kept.pop(user_id, None) is not None:
            self._unfollow(user_id)

    async def follow(self) -> None:
        """Forget whoever changes, until `close`."""
        while True:
            try:
                async for batch in self._subscription:
                    for record in batch:
                        self._apply(record.envelope)
                return
            except HistoryLost:
                logger.warning("directory_cleared", extra={"reason": "history_lost"})
                self._drops += 1
                self._kept.clear()
                self._subscription = self._bus.subscribe([user_shard(user_id) for user_id in self._fetching])

    def close(self) -> None:
        self._subscription.close()

    async def _fetch(self, user_ids: Sequence[int]) -> dict[int, User]:
        # Followed before they are asked for: a change in between is seen.
        self._fetching.update(user_ids)
        for user_id in user_ids:
            self._subscription.add(user_shard(user_id))
        asked_at = self._drops
        try:
            answer = await self._users.GetUsers(users_service_pb2.GetUsersRequest(ids=user_ids))
            if asked_at == self._drops:
                self._keep(answer.users)
        finally:
            self._fetching.subtract(user_ids)
            for user_id in user_ids:
                self._unfollow(user_id)
        nobody = {user_id: User(id=user_id, username=NOBODY) for user_id in user_ids}
        return nobody | {user.id: user for user in answer.users}

    def _keep(self, users: Iterable[User]) -> None:
        for user in users:
            self._kept[user.id] = user
            if len(self._kept) > self._capacity:
                oldest, _ = self._kept.popitem(last=False)
                self._unfollow(oldest)

    def _unfollow(self, user_id: int) -> None:
        """Unless the user is remembered, or somebody is just asking for them."""
        if self._fetching[user_id] <= 0:
            del self._fetching[user_id]
            if user_id not in self._kept:
                self._subscription.discard(user_shard(user_id))

    def _apply(self, envelope: Envelope) -> None:
        if envelope.type == USER_UPDATE:
            self.forget(shard_id(envelope.shard))
