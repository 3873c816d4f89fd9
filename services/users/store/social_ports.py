"""Where what is between users is kept: pairs (relationships and direct messages), and groups.

Both are read, decided on and committed; a commit is refused when somebody else's came first. A commit is durable when
it returns, and stored together with its record, if it has one: both or neither. The record has been handed to the relay
by then. A read sees every commit that has returned.

All methods raise `services.common.errors.Unavailable` when the store does not answer; then a commit may or may not have
been made.
"""

from dataclasses import dataclass
from typing import Protocol

from services.common.outbox import OutboxRecord
from services.users.domain.private_channel import Group
from services.users.domain.relationship import Counts, Pair


def group_shard(group_id: int) -> str:
    """The shard of the outbox that all records of a group are in."""
    return f"channel:{group_id}"


class Conflict(Exception):
    """What was decided on is no longer so: read and decide anew."""


@dataclass(frozen=True, slots=True)
class LoadedPair:
    """`pending_record`: the outbox record of the newest change, as long as it is not known to be published, else 0."""

    pair: Pair
    pending_record: int = 0


@dataclass(frozen=True, slots=True)
class LoadedGroup:
    """`pending_record`: as in `LoadedPair`."""

    group: Group
    pending_record: int = 0


class PairStore(Protocol):
    """At most one pair is stored for two users, and at most one for a direct message."""

    async def pair(self, one_id: int, other_id: int) -> LoadedPair:
        """What is between two different users, in whatever order they are named; of version 0 if nothing ever was."""
        ...

    async def pair_of_channel(self, channel_id: int) -> LoadedPair | None:
        """The two whose direct message this is."""
        ...

    async def pairs_of(self, user_id: int) -> list[Pair]:
        """Everything between this user and others, in no particular order."""
        ...

    async def counts(self, user_id: int) -> Counts:
        """How many relationships of each type this user has."""
        ...

    async def commit_pair(self, after: Pair, record: OutboxRecord | None) -> None:
        """Store what becomes of version `after.version - 1`.

        Raises:
            Conflict: that is not the version in the store.
        """
        ...


class GroupStore(Protocol):
    """A group without participants is forgotten."""

    async def group(self, group_id: int) -> LoadedGroup | None: ...

    async def groups_of(self, user_id: int) -> list[Group]:
        """The groups that this user takes part in, oldest first."""
        ...

    async def group_founded_by(self, creator_id: int, idempotency_key: str) -> LoadedGroup | None:
        """What the creator's first request with this key has made, as it is now. An empty key is no key."""
        ...

    async def commit_group(self, after: Group, record: OutboxRecord, *, idempotency_key: str = "") -> None:
        """Store what becomes of version `after.version - 1`; of version 0, a new group. The key belongs to the owner
        of a new group.

        Raises:
            Conflict: that is not the version in the store, or the owner has used the key before.
        """
        ...
