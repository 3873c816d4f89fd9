"""Who may act on whom.

A member's highest role decides: one acts only on what is strictly below it. The owner is above everything, and nobody
is above the owner; ADMINISTRATOR grants every permission and no rank.
https://docs.discord.com/developers/topics/permissions#permission-hierarchy
"""

from collections.abc import Iterable
from typing import Final, TypeAlias

from services.servers.domain.errors import MissingPermissions, OutOfHierarchy
from services.servers.domain.state import Actor, Member, Role, ServerState

# Of two roles in one position the older one, whose id is smaller, is the higher.
Rank: TypeAlias = tuple[int, int]

_OWNER: Final[Rank] = (1 << 62, 0)


def role_rank(role: Role) -> Rank:
    return (role.position, -role.id)


def rank(state: ServerState, user_id: int, role_ids: Iterable[int]) -> Rank:
    """The rank of a user with these roles."""
    if user_id == state.owner_id:
        return _OWNER
    held = set(role_ids)
    return max((role_rank(role) for role in state.roles if role.id in held), default=role_rank(state.everyone))


def require_above_role(state: ServerState, actor: Actor, role: Role) -> None:
    """Raises OutOfHierarchy."""
    if rank(state, actor.user_id, actor.role_ids) <= role_rank(role):
        raise OutOfHierarchy


def require_above_member(state: ServerState, actor: Actor, member: Member) -> None:
    """Raises OutOfHierarchy; nobody is above themselves."""
    if rank(state, actor.user_id, actor.role_ids) <= rank(state, member.user_id, member.role_ids):
        raise OutOfHierarchy


def require_held(actor: Actor, bits: int) -> None:
    """Nobody passes on what they do not have. Raises MissingPermissions with the bits that are missing."""
    if missing := bits & ~actor.permissions:
        raise MissingPermissions(missing=missing)
