"""Members: joining, leaving, roles, nicknames, mutes.

Roles may be given to and taken from anybody, only the role must be below the actor's highest; a kick, another's
nickname and a mute need the member to be below.
https://docs.discord.com/developers/topics/permissions#permission-hierarchy
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import Final

from services.common.limits import NICKNAME, ROLES_PER_SERVER
from services.common.permissions import Permission
from services.servers.domain import role as role_rules
from services.servers.domain.change import (
    Change,
    InvitationDeleted,
    MemberChange,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    ThreadLeft,
)
from services.servers.domain.errors import Banned, MissingPermissions, OwnerCannotLeave, TooManyRoles
from services.servers.domain.form import Form, invalid
from services.servers.domain.hierarchy import require_above_member, require_above_role, require_held
from services.servers.domain.state import ALL_PERMISSIONS, Actor, Applicant, Member, Role, ServerState, Thread

MUTE_MAX_MS: Final = 28 * 24 * 3600 * 1000
"""Discord's longest time-out, 28 days."""

GIVES_ROLES: Final = int(Permission.MANAGE_ROLES | Permission.ASSIGN_ROLES)
"""Whoever holds one of these may give and take roles."""

EDITS: Final = GIVES_ROLES | int(Permission.CHANGE_NICKNAME | Permission.MANAGE_NICKNAMES | Permission.MODERATE_MEMBERS)
"""The permissions that decide on an edit of a member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEdit:
    """What to change; None: leave it. An empty nickname takes it away; a mute of 0 ends it."""

    nick: str | None = None
    role_ids: Collection[int] | None = None
    muted_until_ms: int | None = None


def join(state: ServerState, applicant: Applicant, *, now_ms: int) -> Change:
    """For one who is no member yet, by whichever way: every way in leads through here.

    Raises:
        Banned
    """
    if applicant.bans:
        raise Banned(state.id)
    member = Member(user_id=applicant.user_id, joined_at_ms=now_ms)
    return Change(
        state.changed(member_count=state.member_count + 1),
        (MemberJoined(member), *(InvitationDeleted(answered) for answered in applicant.invitations)),
        members=(MemberChange(None, member),),
        invitations_removed=applicant.invitations,
    )


def add_bot(
    state: ServerState, actor: Actor, bot: Applicant, bot_name: str, *, permissions: int, role_id: int, now_ms: int
) -> Change:
    """A bot joins, with a role of its own when it gets permissions: the actor's own at most.

    Raises:
        Banned, MissingPermissions, TooManyRoles
    """
    permissions &= ALL_PERMISSIONS
    require_held(actor, permissions)
    joined = join(state, bot, now_ms=now_ms)
    if not permissions:
        return joined
    if len(state.roles) >= ROLES_PER_SERVER:
        raise TooManyRoles
    role = Role(id=role_id, name=bot_name, permissions=permissions, managed=True, bot_id=bot.user_id)
    member = Member(user_id=bot.user_id, joined_at_ms=now_ms, role_ids=(role.id,))
    added = role_rules.with_new_role(state, role)
    assert added.state is not None
    return Change(
        replace(added.state, member_count=state.member_count + 1),
        (*added.events, MemberJoined(member)),
        members=(MemberChange(None, member),),
    )


def leave(state: ServerState, member: Member, threads: Iterable[Thread]) -> Change:
    """`threads`: as `removed` takes them."""
    if member.user_id == state.owner_id:
        raise OwnerCannotLeave
    return removed(state, member, threads)


def kick(state: ServerState, actor: Actor, member: Member, threads: Iterable[Thread]) -> Change:
    """`threads`: as `removed` takes them."""
    require_above_member(state, actor, member)
    return removed(state, member, threads)


def give_role(state: ServerState, actor: Actor, member: Member, role_id: int) -> Change | None:
    return update(state, actor, member, MemberEdit(role_ids={*member.role_ids, role_id}), now_ms=0)


def take_role(state: ServerState, actor: Actor, member: Member, role_id: int) -> Change | None:
    state.role(role_id)
    return update(state, actor, member, MemberEdit(role_ids={*member.role_ids} - {role_id}), now_ms=0)


def update(state: ServerState, actor: Actor, member: Member, edit: MemberEdit, *, now_ms: int) -> Change | None:
    """Changes a membership, all of it or nothing.

    Args:
        actor: with which they hold of the permissions that `EDITS` names.
        now_ms: only a mute reads it.

    Returns:
        None when it is so already.
    """
    form = Form()
    form.text("nick", edit.nick, 0, NICKNAME)
    form.done()
    edited = member
    if edit.nick is not None:
        edited = replace(edited, nick=_nick(state, actor, member, edit.nick))
    if edit.role_ids is not None:
        edited = replace(edited, role_ids=_roles(state, actor, member, edit.role_ids))
    if edit.muted_until_ms is not None:
        edited = replace(edited, muted_until_ms=_mute(state, actor, member, edit.muted_until_ms, now_ms))
    return _updated(state, member, edited)


def end_mute(state: ServerState, member: Member, *, now_ms: int) -> Change | None:
    """What the timer does: None if the mute was ended or prolonged since the timer was set."""
    if not member.is_muted or member.muted_until_ms > now_ms:
        return None
    return _updated(state, member, replace(member, muted_until_ms=0))


def is_administrator(state: ServerState, member: Member) -> bool:
    held = {*member.role_ids, state.id}
    return any(role.id in held and role.permissions & Permission.ADMINISTRATOR for role in state.roles)


def _updated(state: ServerState, before: Member, after: Member) -> Change | None:
    if after == before:
        return None
    change = MemberChange(before, after)
    return Change(state.changed(), (MemberUpdated(after, views_changed=change.changes_seat),), members=(change,))


def removed(state: ServerState, member: Member, threads: Iterable[Thread]) -> Change:
    """The removal itself, whoever wants it. A bot's role goes with it.

    Args:
        threads: the active ones that the member is in. Of archived ones clients keep nothing that could become wrong.
    """
    own_role = next((role for role in state.roles if role.managed and role.bot_id == member.user_id), None)
    cleared = role_rules.without_role(state, own_role, holders=()) if own_role else Change(state.changed(), ())
    assert cleared.state is not None
    return Change(
        replace(cleared.state, member_count=state.member_count - 1),
        (MemberLeft(member.user_id), *cleared.events, *(_out_of(thread, member) for thread in threads)),
        members=(MemberChange(member, None),),
    )


def _out_of(thread: Thread, member: Member) -> ThreadLeft:
    return ThreadLeft(replace(thread, member_count=thread.member_count - 1), member.user_id)


def _nick(state: ServerState, actor: Actor, member: Member, nick: str) -> str:
    nick = " ".join(nick.split())
    if nick == member.nick:
        return nick
    if member.user_id == actor.user_id:
        require_held(actor, Permission.CHANGE_NICKNAME)
    else:
        require_held(actor, Permission.MANAGE_NICKNAMES)
        require_above_member(state, actor, member)
    return nick


def _roles(state: ServerState, actor: Actor, member: Member, wanted: Collection[int]) -> tuple[int, ...]:
    # Clients may count @everyone among a member's roles; everyone has it.
    target = set(wanted) - {state.id}
    changed = target ^ set(member.role_ids)
    if changed and not actor.holds_any(GIVES_ROLES):
        raise MissingPermissions(missing=int(Permission.ASSIGN_ROLES))
    for role_id in changed:
        role = state.role(role_id)
        if role.managed:
            raise MissingPermissions("A bot's own role cannot be given or taken.")
        require_above_role(state, actor, role)
    return tuple(sorted(target))


def _mute(state: ServerState, actor: Actor, member: Member, until_ms: int, now_ms: int) -> int:
    if until_ms <= now_ms:
        until_ms = 0
    elif until_ms > now_ms + MUTE_MAX_MS:
        raise invalid("communication_disabled_until", "At most 28 days from now.")
    if until_ms == member.muted_until_ms:
        return until_ms
    require_held(actor, Permission.MODERATE_MEMBERS)
    require_above_member(state, actor, member)
    if until_ms and is_administrator(state, member):
        raise MissingPermissions("An administrator cannot be muted.")
    return until_ms
