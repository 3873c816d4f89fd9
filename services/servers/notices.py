"""What other services tell servers to do: note what was done, show a changed profile, know who is banned by a new
address too, let in who writes in a thread.

Each may come twice; the second time it changes nothing that somebody would notice.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from services.common.bus import (
    AUDIT_ENTRY,
    IDENTITY_CHANGED,
    PROFILE_CHANGED,
    THREAD_MESSAGE,
    Envelope,
    server_shard,
)
from services.common.errors import Aborted, InvalidArgument, ResourceExhausted, Unavailable
from services.common.outbox import OutboxRecord
from services.servers import events
from services.servers.directory import Directory
from services.servers.domain import thread as thread_rules
from services.servers.domain.audit import AuditChange, AuditEntry, AuditLine, Deed
from services.servers.domain.change import Change, MemberUpdated
from services.servers.domain.errors import UnknownServer
from services.servers.service.changes import Changes
from services.servers.service.entrance import Entrance
from services.servers.store.memberships import every_server_of
from services.servers.store.ports import Loaded, ServerStore, Wanted, membership

T = TypeVar("T")

logger = logging.getLogger(__name__)


class AuditNotice(msgspec.Struct):
    """The body of an AUDIT_ENTRY."""

    id: int
    server_id: int
    actor_id: int
    action: int
    target_id: int = 0
    reason: str | None = None
    options: dict[str, str] | None = None
    changes: tuple[AuditChange, ...] = ()


class ProfileNotice(msgspec.Struct):
    """The body of a PROFILE_CHANGED."""

    user_id: int


class IdentityNotice(msgspec.Struct):
    """The body of an IDENTITY_CHANGED."""

    user_id: int


class ThreadNotice(msgspec.Struct):
    """The body of a THREAD_MESSAGE."""

    user_id: int


class UnreadableNotice(InvalidArgument):
    def __init__(self, type: str) -> None:
        super().__init__("UNREADABLE_NOTICE", f"This {type} has not the form of one.")


class Notices:
    """`handle` is for the service's inbox."""

    def __init__(self, store: ServerStore, changes: Changes, directory: Directory, entrance: Entrance) -> None:
        self._store = store
        self._changes = changes
        self._directory = directory
        self._entrance = entrance

    async def handle(self, envelope: Envelope) -> None:
        if envelope.type == AUDIT_ENTRY:
            await self._write(_read(envelope, AuditNotice))
        elif envelope.type == PROFILE_CHANGED:
            await self._show(_read(envelope, ProfileNotice).user_id)
        elif envelope.type == IDENTITY_CHANGED:
            await self._recognise(_read(envelope, IdentityNotice).user_id)
        elif envelope.type == THREAD_MESSAGE:
            await self._join(envelope.channel_id, _read(envelope, ThreadNotice).user_id)
        else:
            logger.warning("unknown_notice", extra={"type": envelope.type})

    async def _write(self, notice: AuditNotice) -> None:
        line = AuditLine(notice.action, notice.target_id, notice.changes, options=notice.options)
        entry = AuditEntry(notice.id, notice.server_id, Deed(notice.actor_id, notice.reason or ""), line)
        envelope = events.audit_envelope(entry, self._changes.next_id)
        record = OutboxRecord(self._changes.next_id(), server_shard(entry.server_id), (envelope,))
        await self._store.append_audit(entry, record)

    async def _show(self, user_id: int) -> None:
        """Tells each server of the user. Their membership stays as it is, but the event is in its order."""
        self._directory.forget(user_id)
        async for state in every_server_of(self._store, user_id):
            with suppress(UnknownServer):
                await self._show_in(state.id, user_id)

    async def _show_in(self, server_id: int, user_id: int) -> None:
        def show(loaded: Loaded, now_ms: int) -> Change | None:
            member = loaded.members.get(user_id)
            return None if member is None else Change(loaded.state.changed(), (MemberUpdated(member),))

        await self._change(server_id, show, Wanted(member_ids=frozenset({user_id})))

    async def _recognise(self, user_id: int) -> None:
        """Who is banned stays out by what they are known by since, too."""
        await self._store.extend_bans(user_id, await self._entrance.identity_keys(user_id))

    async def _join(self, thread_id: int, user_id: int) -> None:
        """Who writes in a thread is a member of it."""
        if await self._store.thread_memberships(user_id, [thread_id]):
            return
        server_id = await self._store.server_of_channel(thread_id)
        if server_id is None:
            return

        def join(loaded: Loaded, now_ms: int) -> Change | None:
            thread = loaded.threads.get(thread_id)
            if thread is None or user_id not in loaded.members:
                return None
            member = loaded.thread_member
            return thread_rules.join_by_writing(loaded.state, thread, user_id, member=member, now_ms=now_ms)

        with suppress(UnknownServer):
            await self._change(server_id, join, membership(thread_id, user_id))

    async def _change(self, server_id: int, decide: Callable[[Loaded, int], Change | None], wanted: Wanted) -> None:
        try:
            await self._changes.make_unbidden(server_id, decide, wanted=wanted)
        except (Aborted, ResourceExhausted) as error:
            raise Unavailable("SERVER_BUSY", "The server is being changed by others; tried again.") from error


def _read(envelope: Envelope, form: type[T]) -> T:
    try:
        return msgspec.json.decode(envelope.body, type=form, strict=False)
    except msgspec.DecodeError as error:
        raise UnreadableNotice(envelope.type) from error
