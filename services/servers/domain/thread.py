"""Threads: side conversations of a text channel, read by whoever may view that channel.

A thread is a row of its own, as an invitation is: there may be very many, and most of them are archived. What may be
done in it is decided by its channel.
https://docs.discord.com/developers/topics/threads
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from services.common.limits import (
    ACTIVE_THREADS_PER_SERVER,
    CHANNEL_NAME,
    CHANNEL_RATE_LIMIT,
    THREAD_MEMBERS,
)
from services.common.permissions import Permission
from services.servers.domain.change import (
    Change,
    ThreadChange,
    ThreadCreated,
    ThreadDeleted,
    ThreadJoined,
    ThreadLeft,
    ThreadUpdated,
)
from services.servers.domain.errors import (
    MissingPermissions,
    ThreadArchived,
    ThreadExists,
    TooManyActiveThreads,
    TooManyThreadMembers,
    WrongChannelType,
)
from services.servers.domain.form import Form
from services.servers.domain.state import Actor, ChannelType, ServerState, Thread, ThreadMember

AUTO_ARCHIVE_MINUTES: Final = (60, 1440, 4320, 10080)
"""Of inactivity: an hour, a day, three days, a week."""

_DEFAULT_AUTO_ARCHIVE: Final = 1440
_HAVE_THREADS: Final = frozenset({ChannelType.TEXT, ChannelType.ANNOUNCEMENT})

EDITS: Final = int(Permission.MANAGE_THREADS | Permission.SEND_MESSAGES_IN_THREADS)
"""The permissions that decide on an edit of a thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadEdit:
    """What to change; None: leave it."""

    name: str | None = None
    archived: bool | None = None
    locked: bool | None = None
    auto_archive_minutes: int | None = None
    rate_limit_per_user: int | None = None

    @property
    def only_opens(self) -> bool:
        """Whether all that it does is to un-archive the thread."""
        return self == ThreadEdit(archived=False)


def create(
    state: ServerState,
    channel_id: int,
    owner_id: int,
    form: ThreadEdit,
    *,
    thread_id: int,
    threads: Iterable[Thread],
    now_ms: int,
) -> Change:
    """A thread that its owner is the first member of.

    Args:
        thread_id: that of the message that it begins with, or a new one.
        threads: the active ones of the server, and the one with this id if there is one.

    Raises:
        ThreadExists: the message has one already.
        WrongChannelType: a category holds no messages.
        TooManyActiveThreads, InvalidForm.
    """
    if state.channel(channel_id).type not in _HAVE_THREADS:
        raise WrongChannelType
    _check_form(form, name_required=True)
    threads = tuple(threads)
    if any(thread.id == thread_id for thread in threads) or any(each.id == thread_id for each in state.channels):
        raise ThreadExists
    _require_room(threads)
    thread = Thread(
        id=thread_id,
        server_id=state.id,
        channel_id=channel_id,
        owner_id=owner_id,
        name=_plain(form.name or ""),
        auto_archive_minutes=form.auto_archive_minutes or _DEFAULT_AUTO_ARCHIVE,
        rate_limit_per_user=form.rate_limit_per_user or 0,
        archive_changed_at_ms=now_ms,
        created_at_ms=now_ms,
        member_count=1,
    )
    owner = ThreadMember(thread_id=thread.id, user_id=owner_id, joined_at_ms=now_ms)
    return Change(
        state.changed(),
        (ThreadCreated(thread), ThreadJoined(thread, owner)),
        threads=(ThreadChange(None, thread),),
        thread_members_put=(owner,),
    )


def update(
    state: ServerState, actor: Actor, thread: Thread, edit: ThreadEdit, *, threads: Iterable[Thread], now_ms: int
) -> Change | None:
    """Changes a thread, all of it or nothing.

    Who manages threads may change everything; its owner all but the lock and the slow mode, until it is locked; and
    whoever may write in it un-archives it, as writing in it does.

    Args:
        actor: with which they hold of the permissions that `EDITS` names.
        threads: the active ones of the server.

    Raises:
        MissingPermissions, TooManyActiveThreads, InvalidForm.
        ThreadArchived: it is, and stays so: then nothing else of it is changed.
    """
    _check_form(edit)
    _require_allowed(actor, thread, edit)
    return _updated(state, thread, edit, threads, now_ms)


def reopen(state: ServerState, thread: Thread, *, threads: Iterable[Thread], now_ms: int) -> Change | None:
    """What a message in an archived thread does. A locked one stays as it is."""
    return None if thread.locked else _updated(state, thread, ThreadEdit(archived=False), threads, now_ms)


def idle_at_ms(thread: Thread, last_message_ms: int = 0) -> int:
    """When the thread is archived unless somebody writes in it before. `last_message_ms`: 0: there is none."""
    return max(thread.archive_changed_at_ms, last_message_ms) + thread.auto_archive_minutes * 60_000


def archive_idle(state: ServerState, thread: Thread, *, last_message_ms: int, now_ms: int) -> Change | None:
    """What the timer does: None if the thread is archived, or somebody has written in it."""
    if thread.archived or idle_at_ms(thread, last_message_ms) > now_ms:
        return None
    return _updated(state, thread, ThreadEdit(archived=True), (), now_ms)


def delete(state: ServerState, thread: Thread) -> Change:
    return Change(state.changed(), (ThreadDeleted(thread),), threads=(ThreadChange(thread, None),))


def join(
    state: ServerState, thread: Thread, user_id: int, *, member: ThreadMember | None, now_ms: int
) -> Change | None:
    """Makes a user a member of the thread; None if they are (`member`).

    Raises:
        ThreadArchived, TooManyThreadMembers.
    """
    if member is not None:
        return None
    if thread.archived:
        raise ThreadArchived
    if thread.member_count >= THREAD_MEMBERS:
        raise TooManyThreadMembers
    joined = ThreadMember(thread_id=thread.id, user_id=user_id, joined_at_ms=now_ms)
    counted = replace(thread, member_count=thread.member_count + 1)
    return Change(state.changed(), (ThreadJoined(counted, joined),), thread_members_put=(joined,))


def join_by_writing(
    state: ServerState, thread: Thread, user_id: int, *, member: ThreadMember | None, now_ms: int
) -> Change | None:
    """Makes a member of the thread of whoever has written in it; None where there is no room, or it is over since."""
    if thread.archived or thread.member_count >= THREAD_MEMBERS:
        return None
    return join(state, thread, user_id, member=member, now_ms=now_ms)


def leave(
    state: ServerState, actor: Actor, thread: Thread, user_id: int, *, member: ThreadMember | None
) -> Change | None:
    """Takes a user out of the thread; None if they are not in it. Another one: its owner does, or who manages threads.

    Raises:
        ThreadArchived, MissingPermissions.
    """
    if actor.user_id not in (user_id, thread.owner_id) and not actor.holds_any(Permission.MANAGE_THREADS):
        raise MissingPermissions(missing=int(Permission.MANAGE_THREADS))
    if member is None:
        return None
    if thread.archived:
        raise ThreadArchived
    counted = replace(thread, member_count=thread.member_count - 1)
    return Change(state.changed(), (ThreadLeft(counted, user_id),), thread_members_removed=(member,))


def _require_allowed(actor: Actor, thread: Thread, edit: ThreadEdit) -> None:
    if actor.holds_any(Permission.MANAGE_THREADS):
        return
    for_managers = edit.locked is not None or edit.rate_limit_per_user is not None
    if actor.user_id == thread.owner_id and not thread.locked and not for_managers:
        return
    if edit.only_opens and not thread.locked and actor.holds_any(Permission.SEND_MESSAGES_IN_THREADS):
        return
    raise MissingPermissions(missing=int(Permission.MANAGE_THREADS))


def _updated(
    state: ServerState, thread: Thread, edit: ThreadEdit, threads: Iterable[Thread], now_ms: int
) -> Change | None:
    edited = replace(
        thread,
        name=thread.name if edit.name is None else _plain(edit.name),
        archived=thread.archived if edit.archived is None else edit.archived,
        locked=thread.locked if edit.locked is None else edit.locked,
        auto_archive_minutes=edit.auto_archive_minutes or thread.auto_archive_minutes,
        rate_limit_per_user=(
            thread.rate_limit_per_user if edit.rate_limit_per_user is None else edit.rate_limit_per_user
        ),
    )
    if edited == thread:
        return None
    if thread.archived and edited.archived and edited != replace(thread, locked=edited.locked):
        raise ThreadArchived
    if edited.archived != thread.archived:
        edited = replace(edited, archive_changed_at_ms=now_ms)
        if thread.archived:
            _require_room(tuple(threads))
    return Change(state.changed(), (ThreadUpdated(edited),), threads=(ThreadChange(thread, edited),))


def _require_room(threads: tuple[Thread, ...]) -> None:
    if sum(not thread.archived for thread in threads) >= ACTIVE_THREADS_PER_SERVER:
        raise TooManyActiveThreads


def _plain(name: str) -> str:
    return " ".join(name.split())


def _check_form(edit: ThreadEdit, *, name_required: bool = False) -> None:
    form = Form()
    name = edit.name if edit.name is not None or not name_required else ""
    form.text("name", None if name is None else _plain(name), 1, CHANNEL_NAME)
    form.number("rate_limit_per_user", edit.rate_limit_per_user, 0, CHANNEL_RATE_LIMIT)
    if edit.auto_archive_minutes and edit.auto_archive_minutes not in AUTO_ARCHIVE_MINUTES:
        choices = ", ".join(map(str, AUTO_ARCHIVE_MINUTES))
        form.wrong("auto_archive_duration", "BASE_TYPE_CHOICES", f"Value must be one of {{{choices}}}.")
    form.done()
