"""Invitations of one user, by name. An invitation by link is an invite (`domain.invite`)."""

from collections.abc import Collection

from services.common.limits import INVITATIONS_PER_SERVER
from services.servers.domain.change import Change, InvitationCreated, InvitationDeleted
from services.servers.domain.errors import AlreadyMember, Banned, MissingPermissions, TooManyInvitations
from services.servers.domain.state import Ban, Invitation, ServerState


def create(
    state: ServerState,
    invitation: Invitation,
    *,
    is_member: bool,
    ban: Ban | None,
    existing: Collection[Invitation],
    blocked: Collection[int],
) -> Change | None:
    """Invites a user.

    Args:
        is_member: whether the invitee is one already.
        ban: one that names the invitee. Whether it holds against them as another account shows when they join, and
            not before: it is nothing for whoever invites to know.
        existing: all invitations of the server.
        blocked: whom the invitee has blocked. Their invitations are made, so that they see no difference, but the
            invitee is not told of them, and they do not stand in the way of anybody else's.

    Returns:
        None when the user is invited already.
    """
    if is_member:
        raise AlreadyMember
    if ban is not None:
        raise Banned(state.id)
    hidden = invitation.inviter_id in blocked
    earlier = [other for other in existing if other.invitee_id == invitation.invitee_id]
    if earlier and (hidden or any(other.inviter_id not in blocked for other in earlier)):
        return None
    if not earlier and len(existing) >= INVITATIONS_PER_SERVER:
        raise TooManyInvitations
    return Change(
        state.changed(),
        () if hidden else (InvitationCreated(invitation),),
        invitations_put=(invitation,),
        invitations_removed=tuple(earlier),
    )


def cancel(state: ServerState, invitation: Invitation, *, actor_id: int, may_cancel_any: bool) -> Change:
    """One's own, or anybody's."""
    if not may_cancel_any and invitation.inviter_id != actor_id:
        raise MissingPermissions("This is somebody else's invitation.")
    return remove(state, [invitation])


def remove(state: ServerState, invitations: Collection[Invitation]) -> Change:
    """Declined, cancelled, or of somebody whose account goes."""
    return Change(
        state.changed(),
        tuple(InvitationDeleted(invitation) for invitation in invitations),
        invitations_removed=tuple(invitations),
    )
