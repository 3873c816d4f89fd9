"""Bans: who may not come in again, by any way, under any account."""

from collections.abc import Collection, Iterable
from dataclasses import replace

from services.servers.domain import member as member_rules
from services.servers.domain.change import BanAdded, BanRemoved, Change, InvitationDeleted
from services.servers.domain.errors import UnknownBan
from services.servers.domain.hierarchy import require_above_member
from services.servers.domain.state import Actor, Ban, Invitation, Member, ServerState, Thread


def add(
    state: ServerState,
    actor: Actor,
    ban: Ban,
    *,
    member: Member | None,
    existing: Ban | None,
    invitations: Collection[Invitation],
    threads: Iterable[Thread],
) -> Change | None:
    """Bans a member, who is out with it, or somebody who is none.

    Args:
        member: the membership of whom is banned.
        existing: the ban that there is already.
        invitations: those of the server to whom is banned, all of them.
        threads: the active ones that the member is in.

    Returns:
        None when the ban is there already: it stays as it is.

    Raises:
        OutOfHierarchy: not below the actor, as the actor themselves.
    """
    if existing is not None:
        return None
    gone = Change(state.changed(), ())
    if member is not None:
        require_above_member(state, actor, member)
        gone = member_rules.removed(state, member, threads)
    return replace(
        gone,
        events=(*gone.events, BanAdded(ban.user_id), *(InvitationDeleted(each) for each in invitations)),
        bans_put=(ban,),
        invitations_removed=tuple(invitations),
    )


def remove(state: ServerState, existing: Ban | None) -> Change:
    """Raises UnknownBan."""
    if existing is None:
        raise UnknownBan
    return Change(state.changed(), (BanRemoved(existing.user_id),), bans_removed=(existing,))
