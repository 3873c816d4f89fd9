"""Roles: what they grant, and their order.

One acts only on roles below one's own highest, adds only permissions that one has, and lifts no role to one's height.
https://docs.discord.com/developers/topics/permissions#permission-hierarchy
"""

from collections.abc import Iterable, Mapping, Sequence
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
from services.servers.domain.errors import MissingPermissions, OutOfHierarchy, TooManyRoles
from services.servers.domain.form import Form, invalid
from services.servers.domain.hierarchy import rank, require_above_role, require_held, role_rank
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
    """A role at the bottom, below which the others give way. Without permissions given, it has @everyone's."""
    _check_form(edit)
    if len(state.roles) >= ROLES_PER_SERVER:
        raise TooManyRoles
    if edit.permissions is None:
        # What everyone has is nobody's to withhold.
        edit = replace(edit, permissions=state.everyone.permissions)
    else:
        require_held(actor, edit.permissions & ALL_PERMISSIONS)
    return with_new_role(state, _edited(Role(id=role_id, name=DEFAULT_NAME), edit))


def with_new_role(state: ServerState, role: Role) -> Change:
    """The creation itself, of a role in the lowest position, also of a bot's own.

    No two roles share a position for it: discord.py and discord.js count positions to say where a role shall go.
    """
    raised: list[Role] = []
    taken = role.position
    for other in order(state.roles):
        if other.id == state.id:
            continue
        if other.position > taken:
            break
        taken += 1
        raised.append(replace(other, position=taken))
    events: tuple[Event, ...] = (RoleCreated(role), *(RoleUpdated(other) for other in raised))
    return Change(state.changed(roles=state.with_roles(role, *raised)), events)


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
    """Puts roles in the places of others, which give way. Afterwards the positions are 1, 2, 3 … without a gap.

    What keeps its position is not counted as moved and needs no rank. A whole table, which discord.js sends for any
    move, is an order of all roles: of those that are not below the actor's highest, it may ask for another number.
    Whatever is asked for, they keep their places.

    Raises:
        OutOfHierarchy: a role that is, or would be, not below the actor's highest.
    """
    targets = {move.role_id: move.position for move in moves}
    moved = [(state.role(role_id), position) for role_id, position in targets.items()]
    moved = [(role, position) for role, position in moved if role.position != position]
    form = Form()
    for role, position in moved:
        if role.id == state.id:
            raise invalid("id", "@everyone cannot be moved.")
        form.number("position", position, 1, ROLES_PER_SERVER)
    form.done()
    if not moved:
        return None
    reach = rank(state, actor.user_id, actor.role_ids)
    is_whole_table = all(role.id in targets for role in state.roles if role.id != state.id)
    if not is_whole_table and any(role_rank(role) >= reach for role, _ in moved):
        raise OutOfHierarchy
    placed = _placed(state, targets)
    out_of_reach = [role.id for role in order(state.roles) if role_rank(role) >= reach and role.id != state.id]
    if out_of_reach != [role.id for role in placed][len(placed) - len(out_of_reach) :]:
        raise OutOfHierarchy
    renumbered = [replace(role, position=number) for number, role in enumerate(placed, start=1)]
    changed = [role for role in renumbered if role.position != state.role(role.id).position]
    if not changed:
        return None
    events: tuple[Event, ...] = tuple(RoleUpdated(role) for role in changed)
    return Change(state.changed(roles=state.with_roles(*changed)), events)


def _placed(state: ServerState, targets: Mapping[int, int]) -> list[Role]:
    """All roles but @everyone, the lowest first, with each target in its place among the others."""
    roles = [role for role in order(state.roles) if role.id != state.id]
    placed = [role for role in roles if role.id not in targets]
    asked = sorted((replace(role, position=targets[role.id]) for role in roles if role.id in targets), key=role_rank)
    free = 0
    for target in asked:
        free = min(max(_place(target, roles), free), len(placed))
        placed.insert(free, target)
        free += 1
    return placed


def _place(target: Role, roles: Sequence[Role]) -> int:
    """How many of the `roles`, the lowest first, will be below one that is to have another position.

    A position is that of the role which is seen there, the highest of them if several are; deletions leave gaps.
    """
    [old] = [index for index, role in enumerate(roles) if role.id == target.id]
    if target.position == roles[old].position:
        return old
    up_to_there = sum(role.position <= target.position for role in roles)
    is_taken = any(role.position == target.position for role in roles)
    # Upwards the role itself is among them, downwards the one that gives way.
    return up_to_there - (target.position > roles[old].position or is_taken)


def order(roles: Iterable[Role]) -> list[Role]:
    """The lowest first, which is how clients get them."""
    return sorted(roles, key=role_rank)


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
