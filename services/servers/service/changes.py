"""How every change is made: load, decide, commit what was decided, wait until authz and the bus have it.

The request has been authorised before it comes here. What is decided is decided on a state that nobody else has changed
by the time it is stored: else it is decided anew. The answer waits for the relay, so a right that was taken away is
gone for whatever is asked, or posted, after the answer (ARCHITECTURE.md, "The life of one change of permissions").
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from services.common.bus import server_shard
from services.common.clock import Clock
from services.common.errors import Aborted
from services.common.limits import IDEMPOTENCY_KEY
from services.common.outbox import Relay
from services.servers import events
from services.servers.directory import Directory
from services.servers.domain.audit import AuditEntry, Deed, lines_of
from services.servers.domain.change import Change
from services.servers.domain.errors import UnknownMember, UnknownServer
from services.servers.domain.form import Form
from services.servers.domain.state import Actor, Invitation, Invite, Member, ServerState
from services.servers.service.access import Grant
from services.servers.service.queues import ServerQueues
from services.servers.store.ports import (
    NOTHING_ELSE,
    AlreadyDone,
    Commit,
    FirstResult,
    IdempotencyKey,
    Loaded,
    ServerStore,
    VersionConflict,
    Wanted,
)

MAX_TRIES: Final = 5
"""A conflict means that another process won; the fifth in a row means that something else is wrong."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What a rule may look at: one version of the server, the caller in it, and the time."""

    state: ServerState
    actor: Actor
    now_ms: int
    loaded: Loaded

    @property
    def invitations(self) -> tuple[Invitation, ...]:
        return tuple(self.loaded.invitations)

    @property
    def invites(self) -> tuple[Invite, ...]:
        return tuple(self.loaded.invites)

    def member(self, user_id: int) -> Member:
        """One of those that were wanted. Raises UnknownMember."""
        member = self.loaded.members.get(user_id)
        if member is None:
            raise UnknownMember
        return member

    def holders_of(self, role_id: int) -> list[Member]:
        return [member for member in self.loaded.members.values() if role_id in member.role_ids]


@dataclass(frozen=True, slots=True)
class Made:
    """The state after the change, and the id or code of what was made, now or by the first request with the key."""

    state: ServerState
    result: str = ""


Decide = Callable[[Scene], Change | None]


class Changes:
    def __init__(
        self,
        store: ServerStore,
        relay: Relay,
        directory: Directory,
        queues: ServerQueues,
        clock: Clock,
        next_id: Callable[[], int],
    ) -> None:
        self._store = store
        self._relay = relay
        self._directory = directory
        self._queues = queues
        self._clock = clock
        self.next_id: Final = next_id

    def now_ms(self) -> int:
        return self._clock.now_ms()

    async def make(
        self,
        grant: Grant,
        decide: Decide,
        *,
        reason: str = "",
        wanted: Wanted = NOTHING_ELSE,
        key: IdempotencyKey | None = None,
        result: Callable[[Change], str] | None = None,
    ) -> Made:
        """Changes a server that the caller is a member of.

        Args:
            grant: what authz said.
            decide: the rule; None when there is nothing to change. It may be asked several times.
            reason: for the audit log.
            wanted: what it looks at besides the root and the caller.
            key: of a create; then `result` names what was made.

        Raises:
            UnknownServer: also when the caller has left it meanwhile.
            Aborted: others keep changing the server first.
            whatever the rule raises.
        """

        def as_member(loaded: Loaded, now_ms: int) -> Change | None:
            member = loaded.members.get(grant.user_id)
            if member is None:
                raise UnknownServer
            return decide(Scene(loaded.state, grant.actor(member), now_ms, loaded))

        return await self.make_unbidden(
            grant.server_id,
            as_member,
            deed=Deed(grant.user_id, reason),
            wanted=replace(wanted, member_ids=wanted.member_ids | {grant.user_id}),
            key=key,
            result=result,
        )

    async def make_unbidden(
        self,
        server_id: int,
        decide: Callable[[Loaded, int], Change | None],
        *,
        deed: Deed | None = None,
        wanted: Wanted = NOTHING_ELSE,
        key: IdempotencyKey | None = None,
        result: Callable[[Change], str] | None = None,
    ) -> Made:
        """Changes a server for somebody who is no member of it: one who joins, or the timer of a mute.

        Without a `deed` nobody did it, as far as the audit log is concerned.
        """
        first = await self.first_result(key)
        if first is not None:
            return await self._repeat(server_id, first)
        # Before anything is stored: it could not be told to anybody, and who asked would ask again.
        self._relay.require_flowing(server_shard(server_id))
        try:
            async with self._queues.turn(server_id):
                made, record_id = await self._decide(server_id, decide, deed, wanted, key, result)
        except AlreadyDone as done:
            return await self._repeat(server_id, done.first)
        # Behind the queue: the next change need not wait for this one to be published, only for it to be stored.
        if record_id:
            await self._relay.published(record_id)
        return made

    async def _decide(
        self,
        server_id: int,
        decide: Callable[[Loaded, int], Change | None],
        deed: Deed | None,
        wanted: Wanted,
        key: IdempotencyKey | None,
        result: Callable[[Change], str] | None,
    ) -> tuple[Made, int]:
        """What was made, and the record that must be published before anybody is told."""
        for _ in range(MAX_TRIES):
            loaded = await self._store.load(server_id, wanted)
            if loaded is None:
                raise UnknownServer
            now_ms = self._clock.now_ms()
            change = decide(loaded, now_ms)
            if change is None:
                # It is so already, maybe since a moment ago: then this answer waits like that change's own.
                return Made(loaded.state), loaded.pending_record
            name = result(change) if result else ""
            try:
                record_id = await self._commit(server_id, loaded.state, change, deed, now_ms, key, name)
            except VersionConflict:
                continue
            return Made(change.state or loaded.state, name), record_id
        raise Aborted("CONFLICT", "Others keep changing this server; try again.")

    async def found(self, change: Change, key: IdempotencyKey | None) -> Made:
        """Stores a new server. A repeat gets the first one with this key."""
        state = change.state
        assert state is not None
        first = await self.first_result(key)
        if first is None:
            self._relay.require_applying()  # as in `make_unbidden`: each try would be another server
            try:
                record_id = await self._commit(state.id, None, change, None, self._clock.now_ms(), key, str(state.id))
            except AlreadyDone as done:
                first = done.first
        if first is not None:
            return await self._repeat(int(first.result), first)
        await self._relay.published(record_id)
        return Made(state, str(state.id))

    async def first_result(self, key: IdempotencyKey | None) -> FirstResult | None:
        return None if key is None else await self._store.first_result(key, now_ms=self._clock.now_ms())

    async def _repeat(self, server_id: int, first: FirstResult) -> Made:
        if first.pending_record:
            await self._relay.published(first.pending_record)
        loaded = await self._store.load(server_id, NOTHING_ELSE)
        if loaded is None:
            raise UnknownServer
        return Made(loaded.state, first.result)

    async def _commit(
        self,
        server_id: int,
        before: ServerState | None,
        change: Change,
        deed: Deed | None,
        now_ms: int,
        key: IdempotencyKey | None,
        result: str,
    ) -> int:
        profiles = await self._directory.get(events.users_in(change))
        audit = self._audit(server_id, before, change, deed, now_ms)
        record = events.record_of(server_id, before, change, profiles, self.next_id, audit)
        await self._store.commit(
            Commit(
                server_id=server_id,
                before=before,
                change=change,
                record=record,
                audit=audit,
                key=key,
                result=result,
                now_ms=now_ms,
            )
        )
        return record.id

    def _audit(
        self, server_id: int, before: ServerState | None, change: Change, deed: Deed | None, now_ms: int
    ) -> list[AuditEntry]:
        if deed is None:
            return []
        lines = lines_of(before, change, deed.actor_id, now_ms=now_ms)
        return [AuditEntry(self.next_id(), server_id, deed, line) for line in lines]


def idempotency_key(user_id: int, operation: str, key: str) -> IdempotencyKey | None:
    """None when the client sent none. `operation` names what is made and where: one key in two places makes two things.

    Raises:
        InvalidForm: the key is too long.
    """
    form = Form()
    form.text("Idempotency-Key", key, 0, IDEMPOTENCY_KEY)
    form.done()
    return IdempotencyKey(user_id, operation, key) if key else None
