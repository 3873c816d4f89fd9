"""The store of servers, as a specification.

An adapter is right when `tests/contract/test_server_store.py` passes with it.

Atomicity
    `commit` stores the root, the members, the invitations, the bans, the audit entries, the result for the idempotency
    key and the outbox record together, or nothing. The root is ONE document and the outbox record belongs to it: a
    store without transactions over several documents embeds the record in the root, writes the rest idempotently
    behind it, and finishes it from the record after a crash.

Membership
    Who leaves a server leaves its threads in the same commit, without a word of the change that says so.

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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.common.outbox import OutboxRecord
from services.servers.domain.audit import AuditEntry
from services.servers.domain.change import Change
from services.servers.domain.state import Applicant, Ban, Invitation, Invite, Member, ServerState, Thread, ThreadMember


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
    # The thread with this id, and its member with that user id. 0: none.
    thread_id: int = 0
    thread_member_id: int = 0
    # The active threads that this user is a member of. 0: none.
    threads_of_member: int = 0
    # All threads of this channel. 0: none.
    threads_of: int = 0
    # All threads of the server; of these, only those that are not archived.
    all_threads: bool = False
    active_threads: bool = False
    # The bans that name one of these users, or have one of these identity keys.
    bans_on: frozenset[int] = frozenset()
    ban_keys: frozenset[str] = frozenset()
    # The invitations of these users.
    invitations_of: frozenset[int] = frozenset()
    all_invitations: bool = False


@dataclass(frozen=True, slots=True)
class Loaded:
    state: ServerState
    members: Mapping[int, Member] = field(default_factory=dict)
    """By user id; who is no member is left out."""
    invites: Sequence[Invite] = ()
    pending_record: int = 0
    """The outbox record of the newest change, as long as it is not known to be published, else 0."""
    bans: Sequence[Ban] = ()
    invitations: Sequence[Invitation] = ()
    threads: Mapping[int, Thread] = field(default_factory=dict)
    """By id."""
    thread_member: ThreadMember | None = None

    def applicant(self, user_id: int) -> Applicant:
        """Who wants to join, by the bans and invitations that were wanted for them alone."""
        return Applicant(user_id, tuple(self.bans), tuple(self.invitations))


NOTHING_ELSE: Final = Wanted()


def membership(thread_id: int, user_id: int) -> Wanted:
    """A thread, and whether the user is in it, and in the server."""
    return Wanted(thread_id=thread_id, thread_member_id=user_id, member_ids=frozenset({user_id}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    server_id: int
    # None: the server is new.
    before: ServerState | None
    change: Change
    record: OutboxRecord
    audit: Sequence[AuditEntry] = ()
    # With `result`: what a retry is answered.
    key: IdempotencyKey | None = None
    result: str = ""
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuery:
    """Entries of one server. 0: any actor, action or target; no bound. `before` and `after` exclude themselves."""

    server_id: int
    actor_id: int = 0
    action: int = 0
    target_id: int = 0
    before: int = 0
    after: int = 0
    limit: int


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
            VersionConflict: the stored version is not `before.version`, or a new invitation's code exists, or a new
                thread's id is that of another channel.
            AlreadyDone: the key was used within its lifetime (`limits.IDEMPOTENCY_LIFETIME` seconds).
        """
        ...

    async def first_result(self, key: IdempotencyKey, *, now_ms: int) -> FirstResult | None:
        """What was made under this key within its lifetime."""
        ...

    async def server_of_channel(self, channel_id: int) -> int | None:
        """Also of a thread."""
        ...

    async def server_of_invite(self, code: str) -> int | None:
        """Also of an invitation that is over, as long as it is stored."""
        ...

    async def archived_threads(self, channel_id: int, *, before_ms: int, limit: int) -> list[Thread]:
        """Those archived before that time, the last archived first."""
        ...

    async def thread_members(self, thread_id: int, *, after: int, limit: int) -> list[ThreadMember]:
        """Members with a user id above `after`, ascending."""
        ...

    async def thread_memberships(self, user_id: int, thread_ids: Collection[int]) -> list[ThreadMember]:
        """Those of the threads that the user is a member of."""
        ...

    async def idle_threads(self, *, until_ms: int, limit: int) -> list[tuple[int, int]]:
        """Server and id of active threads that nobody may have written in for as long as they say, by that time: the
        longest waiting first. Each change of a thread sets when that is, as if it had no message."""
        ...

    async def look_again(self, thread_id: int, *, at_ms: int) -> None:
        """Until then it is not among the `idle_threads`. No change of the server; nothing, if it is archived."""
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
        """Public servers whose name or description contains `query` (letter case aside), best first.

        Best is whose name is the query, then whose name begins with it, then whose name contains it; among these who
        has the most members, then who is older. `after` is the last server of the page before, as it stands now; 0, or
        one that is not public any more: from the begin.
        """
        ...

    async def bans_page(self, server_id: int, *, before: int, after: int, limit: int) -> list[Ban]:
        """By user id, ascending. The bounds (0: none) exclude themselves; with `before` alone the nearest below it."""
        ...

    async def extend_bans(self, user_id: int, keys: Collection[str]) -> None:
        """Adds these to the identity keys of all bans of the user. The servers' versions stay. May be repeated."""
        ...

    async def invitation(self, invitation_id: int) -> Invitation | None: ...

    async def invitations_of(self, user_id: int, *, but_by: Collection[int] = (), limit: int) -> list[Invitation]:
        """To the user, and not by one of `but_by`, the newest first."""
        ...

    async def invitations_naming(self, user_id: int, *, limit: int) -> list[Invitation]:
        """To the user or by them, in any order."""
        ...

    async def audit_page(self, query: AuditQuery) -> list[AuditEntry]:
        """The newest first; with `after` alone the oldest first, so that one can go on from there."""
        ...

    async def append_audit(self, entry: AuditEntry, record: OutboxRecord) -> bool:
        """Stores an entry of something that another service did, with its record, atomically. The version stays.

        False, and nothing is stored: the entry is there already, or the server is gone.
        """
        ...

    async def mutes(self, *, until_ms: int, limit: int) -> list[tuple[int, int]]:
        """Server and user id of the mutes that end at or before `until_ms`, the earliest first."""
        ...

    async def next_mute_end(self) -> int | None:
        """When the earliest running mute ends, in milliseconds since 1970."""
        ...
