"""The audit log: which lines a change is worth, and what each says.

The lines are computed from the difference of two states and not written down by each rule, so no rule can forget one.
What only follows from another line is no line of its own: the overwrites of a role that is deleted, the channels that
keep in step with their category, the roles that make room for a new one.

Actions, keys and options are Discord's: https://docs.discord.com/developers/resources/audit-log
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final, TypeAlias, TypeVar

from services.servers.domain.change import Change
from services.servers.domain.state import (
    Channel,
    ChannelType,
    Invitation,
    Invite,
    Member,
    Overwrite,
    OverwriteTarget,
    Role,
    ServerState,
    Thread,
)


class Action(IntEnum):
    SERVER_UPDATE = 1
    CHANNEL_CREATE = 10
    CHANNEL_UPDATE = 11
    CHANNEL_DELETE = 12
    OVERWRITE_CREATE = 13
    OVERWRITE_UPDATE = 14
    OVERWRITE_DELETE = 15
    MEMBER_KICK = 20
    BAN_ADD = 22
    BAN_REMOVE = 23
    MEMBER_UPDATE = 24
    MEMBER_ROLE_UPDATE = 25
    BOT_ADD = 28
    ROLE_CREATE = 30
    ROLE_UPDATE = 31
    ROLE_DELETE = 32
    INVITE_CREATE = 40
    INVITE_DELETE = 42
    THREAD_CREATE = 110
    THREAD_UPDATE = 111
    THREAD_DELETE = 112


Value: TypeAlias = str | int | bool | list[dict[str, str | int]] | None


@dataclass(frozen=True, slots=True)
class AuditChange:
    """One field. None: it was, or is, not there."""

    key: str
    old: Value = None
    new: Value = None


@dataclass(frozen=True, slots=True)
class AuditLine:
    """What was done. `target_id` 0: it has no id."""

    action: int
    target_id: int
    changes: tuple[AuditChange, ...] = ()
    options: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Deed:
    """Who does it, and why as they say; an empty reason: they do not."""

    actor_id: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    id: int
    server_id: int
    deed: Deed
    line: AuditLine


T = TypeVar("T")
_Fields: TypeAlias = Mapping[str, Callable[[T], Value]]

_TYPE_NUMBERS: Final = {ChannelType.TEXT: 0, ChannelType.CATEGORY: 4, ChannelType.ANNOUNCEMENT: 5}
_TARGET_NUMBERS: Final = {OverwriteTarget.ROLE: 0, OverwriteTarget.MEMBER: 1}

_SERVER: Final[_Fields[ServerState]] = {
    "name": lambda state: state.name,
    "description": lambda state: state.description or None,
    "icon_hash": lambda state: state.icon or None,
    "owner_id": lambda state: str(state.owner_id),
    "system_channel_id": lambda state: _id(state.system_channel_id),
    "discoverable": lambda state: state.is_public,
}
_ROLE: Final[_Fields[Role]] = {
    "name": lambda role: role.name,
    "permissions": lambda role: str(role.permissions),
    "color": lambda role: role.color,
    "hoist": lambda role: role.hoist,
    "mentionable": lambda role: role.mentionable,
    "position": lambda role: role.position,
}
_CHANNEL: Final[_Fields[Channel]] = {
    "name": lambda channel: channel.name,
    "topic": lambda channel: channel.topic or None,
    "position": lambda channel: channel.position,
    "parent_id": lambda channel: _id(channel.parent_id),
    "nsfw": lambda channel: channel.nsfw,
    "rate_limit_per_user": lambda channel: channel.rate_limit_per_user,
}
_WHOLE_CHANNEL: Final[_Fields[Channel]] = {
    **_CHANNEL,
    "type": lambda channel: _TYPE_NUMBERS[channel.type],
    "permission_overwrites": lambda channel: [
        {
            "id": str(each.target_id),
            "type": _TARGET_NUMBERS[each.target],
            "allow": str(each.allow),
            "deny": str(each.deny),
        }
        for each in channel.overwrites
    ],
}
_OVERWRITE: Final[_Fields[Overwrite]] = {
    "allow": lambda overwrite: str(overwrite.allow),
    "deny": lambda overwrite: str(overwrite.deny),
}
_MEMBER: Final[_Fields[Member]] = {
    "nick": lambda member: member.nick or None,
    "communication_disabled_until": lambda member: _moment(member.muted_until_ms),
}
_INVITE: Final[_Fields[Invite]] = {
    "code": lambda invite: invite.code,
    "channel_id": lambda invite: str(invite.channel_id),
    "inviter_id": lambda invite: str(invite.inviter_id),
    "max_age": lambda invite: invite.max_age_seconds,
    "max_uses": lambda invite: invite.max_uses,
    "uses": lambda invite: invite.uses,
    "temporary": lambda invite: invite.temporary,
}

_THREAD: Final[_Fields[Thread]] = {
    "name": lambda thread: thread.name,
    "archived": lambda thread: thread.archived,
    "locked": lambda thread: thread.locked,
    "auto_archive_duration": lambda thread: thread.auto_archive_minutes,
    "rate_limit_per_user": lambda thread: thread.rate_limit_per_user,
}

_INVITATION: Final[_Fields[Invitation]] = {
    "code": lambda invitation: "",
    "channel_id": lambda invitation: None,
    "inviter_id": lambda invitation: str(invitation.inviter_id),
    "max_age": lambda invitation: 0,
    "max_uses": lambda invitation: 1,
    "uses": lambda invitation: 0,
    "temporary": lambda invitation: False,
}


def lines_of(before: ServerState | None, change: Change, actor_id: int, *, now_ms: int) -> tuple[AuditLine, ...]:
    """What the log says of a change that this user made. A server that begins or ends has no log to say it in."""
    after = change.state
    if before is None or after is None:
        return ()
    return (
        *_server(before, after),
        *_roles(before, after),
        *_channels(before, after),
        *_members(before, after, change, actor_id),
        *_bans(change),
        *_invites(after, change, now_ms),
        *_invitations(change),
        *_threads(after, change),
    )


def _server(before: ServerState, after: ServerState) -> Iterator[AuditLine]:
    # A system channel that is deleted goes with its own line.
    gone = _ids(before.channels) - _ids(after.channels)
    ignored = {"system_channel_id"} if before.system_channel_id in gone else ()
    if changes := _differences(_SERVER, before, after, ignored):
        yield AuditLine(Action.SERVER_UPDATE, after.id, changes)


def _roles(before: ServerState, after: ServerState) -> Iterator[AuditLine]:
    old, new = {role.id: role for role in before.roles}, {role.id: role for role in after.roles}
    created = [role for role in after.roles if role.id not in old]
    for role in created:
        yield AuditLine(Action.ROLE_CREATE, role.id, _differences(_ROLE, None, role))
    for role in before.roles:
        if role.id not in new:
            yield AuditLine(Action.ROLE_DELETE, role.id, _differences(_ROLE, role, None))
        elif changes := _differences(_ROLE, role, new[role.id], {"position"} if created else ()):
            yield AuditLine(Action.ROLE_UPDATE, role.id, changes)


def _channels(before: ServerState, after: ServerState) -> Iterator[AuditLine]:
    old = {channel.id: channel for channel in before.channels}
    new = {channel.id: channel for channel in after.channels}
    for channel in after.channels:
        if channel.id not in old:
            yield AuditLine(Action.CHANNEL_CREATE, channel.id, _differences(_WHOLE_CHANNEL, None, channel))
    for channel in before.channels:
        if channel.id not in new:
            yield AuditLine(Action.CHANNEL_DELETE, channel.id, _differences(_WHOLE_CHANNEL, channel, None))
            continue
        ignored = {"parent_id"} if channel.parent_id not in new else ()
        if changes := _differences(_CHANNEL, channel, new[channel.id], ignored):
            yield AuditLine(Action.CHANNEL_UPDATE, channel.id, changes)
        if not _is_in_step(channel, new[channel.id], old, new):
            yield from _overwrites(channel, new[channel.id], before, after)


def _is_in_step(before: Channel, after: Channel, old: Mapping[int, Channel], new: Mapping[int, Channel]) -> bool:
    """Whether the channel only follows the overwrites of the category that it was in step with before."""
    was, now = old.get(before.parent_id), new.get(before.parent_id)
    if was is None or now is None or was.overwrites == now.overwrites:
        return False
    return before.overwrites == was.overwrites and after.overwrites == now.overwrites


def _overwrites(old: Channel, new: Channel, before: ServerState, after: ServerState) -> Iterator[AuditLine]:
    names = {role.id: role.name for role in before.roles}
    gone = _ids(before.roles) - _ids(after.roles)
    targets = {each.target_id: each.target for each in (*old.overwrites, *new.overwrites)}
    for target_id, target in targets.items():
        was, now = old.overwrite(target_id), new.overwrite(target_id)
        if was == now or target_id in gone:
            continue
        options = {"id": str(target_id), "type": str(_TARGET_NUMBERS[target])}
        if target is OverwriteTarget.ROLE:
            options["role_name"] = names.get(target_id, "")
        if was is None:
            action = Action.OVERWRITE_CREATE
        elif now is None:
            action = Action.OVERWRITE_DELETE
        else:
            action = Action.OVERWRITE_UPDATE
        yield AuditLine(action, new.id, _differences(_OVERWRITE, was, now), options)


def _members(before: ServerState, after: ServerState, change: Change, actor_id: int) -> Iterator[AuditLine]:
    gone = _ids(before.roles) - _ids(after.roles)
    names = {role.id: role.name for role in (*before.roles, *after.roles)}
    banned = {ban.user_id for ban in change.bans_put}
    for member in change.members:
        if member.before is not None and member.after is not None:
            yield from _edits(member.before, member.after, gone, names)
        elif member.user_id not in {actor_id} | banned:
            # Who joins or leaves by themselves does nothing to anybody; people are not added by others.
            yield AuditLine(Action.BOT_ADD if member.before is None else Action.MEMBER_KICK, member.user_id)


def _edits(before: Member, after: Member, gone: Collection[int], names: Mapping[int, str]) -> Iterator[AuditLine]:
    if changes := _differences(_MEMBER, before, after):
        yield AuditLine(Action.MEMBER_UPDATE, after.user_id, changes)
    given = [role_id for role_id in after.role_ids if role_id not in before.role_ids]
    taken = [role_id for role_id in before.role_ids if role_id not in after.role_ids and role_id not in gone]
    roles = tuple(
        AuditChange(key, new=[{"id": str(role_id), "name": names.get(role_id, "")} for role_id in role_ids])
        for key, role_ids in (("$add", given), ("$remove", taken))
        if role_ids
    )
    if roles:
        yield AuditLine(Action.MEMBER_ROLE_UPDATE, after.user_id, roles)


def _bans(change: Change) -> Iterator[AuditLine]:
    for ban in change.bans_put:
        yield AuditLine(Action.BAN_ADD, ban.user_id)
    for ban in change.bans_removed:
        yield AuditLine(Action.BAN_REMOVE, ban.user_id)


def _invites(after: ServerState, change: Change, now_ms: int) -> Iterator[AuditLine]:
    for invite in change.invites_put:
        if invite.uses == 0:
            yield AuditLine(Action.INVITE_CREATE, 0, _differences(_INVITE, None, invite))
    channels = _ids(after.channels)
    for invite in change.invites_removed:
        # One that is over is only swept up, and one of a deleted channel goes with it.
        if invite.is_live(now_ms) and invite.channel_id in channels:
            yield AuditLine(Action.INVITE_DELETE, 0, _differences(_INVITE, invite, None))


def _invitations(change: Change) -> Iterator[AuditLine]:
    """As the creation and the deletion of an invitation for one use, by no code, with a target: whom it is for."""
    for invitation in change.invitations_put:
        yield AuditLine(Action.INVITE_CREATE, invitation.invitee_id, _differences(_INVITATION, None, invitation))
    banned = {ban.user_id for ban in change.bans_put}
    for invitation in change.invitations_removed:
        if invitation.invitee_id not in banned:
            yield AuditLine(Action.INVITE_DELETE, invitation.invitee_id, _differences(_INVITATION, invitation, None))


def _threads(after: ServerState, change: Change) -> Iterator[AuditLine]:
    channels = _ids(after.channels)
    for each in change.threads:
        if each.before is None:
            yield AuditLine(Action.THREAD_CREATE, each.thread_id, _differences(_THREAD, None, each.after))
        elif each.after is not None:
            yield AuditLine(Action.THREAD_UPDATE, each.thread_id, _differences(_THREAD, each.before, each.after))
        elif each.before.channel_id in channels:
            # One of a deleted channel goes with it.
            yield AuditLine(Action.THREAD_DELETE, each.thread_id, _differences(_THREAD, each.before, None))


def _differences(
    fields: _Fields[T], before: T | None, after: T | None, ignored: Collection[str] = ()
) -> tuple[AuditChange, ...]:
    found = []
    for key, read in fields.items():
        old = None if before is None else read(before)
        new = None if after is None else read(after)
        if old != new and key not in ignored:
            found.append(AuditChange(key, old, new))
    return tuple(found)


def _ids(things: Collection[Role] | Collection[Channel]) -> set[int]:
    return {thing.id for thing in things}


def _id(value: int) -> str | None:
    return str(value) if value else None


def _moment(milliseconds: int) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="microseconds")
