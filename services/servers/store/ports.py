"""The store of servers, as a specification.

An adapter is right when `tests/contract/test_server_store.py` passes with it.

Atomicity
    `commit` stores the root, the members, the invitations, the result for the idempotency key and the outbox record
    together, or nothing. The root is ONE document and the outbox record belongs to it: a store without transactions
    over several documents embeds the record in the root, writes members and invitations idempotently behind it, and
    finishes them from the record after a crash.

Order
    `version` is compared and set: of two commits that began from the same version one gets `VersionConflict` and has
    stored nothing. So the versions of a server are its history, and the outbox records of a server are handed to the
    relay in their order.

Reading
    `load` sees one version: the members and invitations it gives are those of the state it gives. A read that begins
    after a commit has answered sees that commit.

Durability
    When `commit` answers, the change survives the death of every process and of the machine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.common.outbox import OutboxRecord
from services.servers.domain.change import Change
from services.servers.domain.state import Invite, Member, ServerState


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a client names a create by, so that its retry makes nothing new. Keys are per user and operation."""

    user_id: int
    operation: str
    key: str


@dataclass(frozen=True, slots=True)
class FirstResult:
    """What the first request with a key made: its id or code.

    `pending_record` is its outbox record as long as that is not known to be published, else 0: a retry is not answered
    before it either.
    """

    result: str
    pending_record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What `load` is to give besides the root."""

    member_ids: frozenset[int] = frozenset()
    all_members: bool = False
    # The members with this role; 0: none.
    holders_of: int = 0
    invites: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    state: ServerState
    members: Mapping[int, Member] = field(default_factory=dict)
    """By user id; who is no member is left out."""
    invites: Sequence[Invite] = ()
    pending_record: int = 0
    """The outbox record of the newest change, as long as it is not known to be published, else 0."""


NOTHING_ELSE: Final = Wanted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    server_id: int
    # None: the server is new.
    before: ServerState | None
    change: Change
    record: OutboxRecord
    # With `result`: what a retry is answered.
    key: IdempotencyKey | None = None
    result: str = ""
    now_ms: int


class VersionConflict(Exception):
    """Somebody else changed the server since it was loaded, or the new invitation's code is taken. Decide anew."""


class AlreadyDone(Exception):
    """A request with the same key was first. Nothing was stored."""

    def __init__(self, first: FirstResult) -> None:
        super().__init__(first.result)
        self.first = first


class ServerStore(Protocol):
    async def load(self, server_id: int, wanted: Wanted) -> Loaded | None:
        """The server and what is `wanted` of it, as of one version; None if there is no such server."""
        ...

    async def commit(self, commit: Commit) -> None:
        """Stores one change, whole, and hands its outbox record to the relay.

        Raises:
            VersionConflict: the stored version is not `before.version`, or a new invitation's code exists.
            AlreadyDone: the key was used within its lifetime (`limits.IDEMPOTENCY_LIFETIME` seconds).
        """
        ...

    async def first_result(self, key: IdempotencyKey, *, now_ms: int) -> FirstResult | None:
        """What was made under this key within its lifetime."""
        ...

    async def server_of_channel(self, channel_id: int) -> int | None: ...

    async def server_of_invite(self, code: str) -> int | None:
        """Also of an invitation that is over, as long as it is stored."""
        ...

    async def members_page(self, server_id: int, *, after: int, limit: int) -> list[Member]:
        """Members with a user id above `after`, ascending."""
        ...

    async def servers_of(self, user_id: int, *, after: int, before: int, limit: int) -> list[ServerState]:
        """The servers that the user is a member of, by id, ascending.

        `after` and `before` (0: no bound) exclude themselves; with `before` alone the nearest below it are given.
        """
        ...

    async def count_servers_of(self, user_id: int) -> int: ...

    async def public_servers(self, query: str, *, after: int, limit: int) -> list[ServerState]:
        """Public servers whose name or description contains `query` (letter case aside), with an id above `after`."""
        ...

    async def mutes(self, *, until_ms: int, limit: int) -> list[tuple[int, int]]:
        """Server and user id of the mutes that end at or before `until_ms`, the earliest first."""
        ...

    async def next_mute_end(self) -> int | None:
        """When the earliest running mute ends, in milliseconds since 1970."""
        ...
