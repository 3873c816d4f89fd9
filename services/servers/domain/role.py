"""Roles: what they grant, and their order.

One acts only on roles below one's own highest, adds only permissions that one has, and lifts no role to one's height.
https://docs.discord.com/developers/topics/permissions#permission-hierarchy
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.common.limits import ROLE_NAME, ROLES_PER_SERVER
from services.servers.domain.change import (
    Change,
    ChannelUpdated,
    Event,
    MemberChange,
    RoleCreated,
    RoleDeleted,
    RoleUpdated,
)
from services.servers.domain.errors import MissingPermissions, TooManyRoles
from services.servers.domain.form import Form, invalid
from services.servers.domain.hierarchy import require_above_role, require_held
from services.servers.domain.state import ALL_PERMISSIONS, Actor, Channel, Member, Role, ServerState

DEFAULT_NAME: Final = "new role"
MAX_COLOR: Final = 0xFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEdit:
    """What to change; None: leave it."""

    name: str | None = None
    permissions: int | None = None
    color: int | None = None
    hoist: bool | None = None
    mentionable: bool | None = None


@dataclass(frozen=True, slots=True)
class RoleMove:
    role_id: int
    position: int


def create(state: ServerState, actor: Actor, edit: RoleEdit, *, role_id: int) -> Change:
    """A role at the bottom: it is the newest in the lowest position. Without permissions given, it has @everyone's."""
    _check_form(edit)
    if len(state.roles) >= ROLES_PER_SERVER:
        raise TooManyRoles
    if edit.permissions is None:
        # What everyone has is nobody's to withhold.
        edit = replace(edit, permissions=state.everyone.permissions)
    else:
        require_held(actor, edit.permissions & ALL_PERMISSIONS)
    role = _edited(Role(id=role_id, name=DEFAULT_NAME), edit)
    return Change(state.changed(roles=state.with_roles(role)), (RoleCreated(role),))


def update(state: ServerState, actor: Actor, role_id: int, edit: RoleEdit) -> Change | None:
    _check_form(edit)
    role = state.role(role_id)
    require_above_role(state, actor, role)
    if edit.permissions is not None:
        require_held(actor, edit.permissions & ALL_PERMISSIONS & ~role.permissions)
    edited = _edited(role, edit)
    if role.id == state.id and replace(edited, permissions=role.permissions) != role:
        raise invalid("name", "Only the permissions of @everyone can be changed.")
    if edited == role:
        return None
    return Change(
        state.changed(roles=state.with_roles(edited)),
        (RoleUpdated(edited, permissions_changed=edited.permissions != role.permissions),),
    )


def delete(state: ServerState, actor: Actor, role_id: int, *, holders: Iterable[Member]) -> Change:
    """Takes the role from the `holders` (all of them must be given), and drops the overwrites that name it."""
    role = state.role(role_id)
    require_above_role(state, actor, role)
    if role.id == state.id or role.managed:
        raise MissingPermissions("Neither @everyone nor a bot's own role can be deleted.")
    return without_role(state, role, holders=holders)


def without_role(state: ServerState, role: Role, *, holders: Iterable[Member]) -> Change:
    """The deletion itself, whoever wants it: also what happens to a bot's role when the bot leaves."""
    touched = [_without_overwrite(channel, role.id) for channel in state.channels if channel.overwrite(role.id)]
    members = (
        MemberChange(holder, replace(holder, role_ids=tuple(held for held in holder.role_ids if held != role.id)))
        for holder in holders
    )
    return Change(
        state.changed(
            roles=tuple(other for other in state.roles if other.id != role.id), channels=state.with_channels(*touched)
        ),
        (RoleDeleted(role.id), *(ChannelUpdated(channel, views_changed=True) for channel in touched)),
        members=tuple(members),
    )


def move(state: ServerState, actor: Actor, moves: Sequence[RoleMove]) -> Change | None:
    """Sets the positions of several roles at once.

    Clients send the whole table back, so what keeps its position is not counted as moved and needs no rank.

    Raises:
        OutOfHierarchy: a role that is, or would be, not below the actor's highest.
    """
    targets = {move.role_id: move.position for move in moves}
    moved = [(state.role(role_id), position) for role_id, position in targets.items()]
    moved = [(role, position) for role, position in moved if role.position != position]
    form = Form()
    for role, position in moved:
        require_above_role(state, actor, role)
        if role.id == state.id:
            raise invalid("id", "@everyone cannot be moved.")
        form.number("position", position, 1, ROLES_PER_SERVER)
    form.done()
    if not moved:
        return None
    roles = [replace(role, position=position) for role, position in moved]
    for role in roles:
        require_above_role(state, actor, role)
    events: tuple[Event, ...] = tuple(RoleUpdated(role) for role in roles)
    return Change(state.changed(roles=state.with_roles(*roles)), events)


def order(roles: Iterable[Role]) -> list[Role]:
    """The lowest first, which is how clients get them."""
    return sorted(roles, key=lambda role: (role.position, -role.id))


def _without_overwrite(channel: Channel, target_id: int) -> Channel:
    kept = tuple(overwrite for overwrite in channel.overwrites if overwrite.target_id != target_id)
    return replace(channel, overwrites=kept)


def _check_form(edit: RoleEdit) -> None:
    form = Form()
    form.text("name", edit.name, 0, ROLE_NAME)
    form.number("color", edit.color, 0, MAX_COLOR)
    form.done()


def _edited(role: Role, edit: RoleEdit) -> Role:
    return replace(
        role,
        name=role.name if edit.name is None else edit.name.strip() or DEFAULT_NAME,
        permissions=role.permissions if edit.permissions is None else edit.permissions & ALL_PERMISSIONS,
        color=role.color if edit.color is None else edit.color,
        hoist=role.hoist if edit.hoist is None else edit.hoist,
        mentionable=role.mentionable if edit.mentionable is None else edit.mentionable,
    )
