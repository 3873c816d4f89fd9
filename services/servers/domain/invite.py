"""Invitations: a code that lets whoever has it join, for a time and a number of times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from services.common.limits import INVITE_MAX_AGE, INVITE_MAX_USES, INVITES_PER_SERVER
from services.servers.domain import member as member_rules
from services.servers.domain.change import Change, InviteCreated, InviteDeleted
from services.servers.domain.channel import require_messages
from services.servers.domain.errors import MissingPermissions, TooManyInvites, UnknownInvite
from services.servers.domain.form import Form
from services.servers.domain.state import Applicant, Invite, ServerState


@dataclass(frozen=True, slots=True, kw_only=True)
class InviteTerms:
    # Seconds; 0: for ever.
    max_age_seconds: int = 0
    # 0: as often as one likes.
    max_uses: int = 0
    temporary: bool = False


def same_terms(
    invites: Iterable[Invite], channel_id: int, inviter_id: int, terms: InviteTerms, *, now_ms: int
) -> Invite | None:
    """The newest live invitation to this channel, by this inviter, with these terms: to be given again."""
    fitting = (
        invite
        for invite in invites
        if (invite.channel_id, invite.inviter_id) == (channel_id, inviter_id)
        and (invite.max_age_seconds, invite.max_uses, invite.temporary)
        == (terms.max_age_seconds, terms.max_uses, terms.temporary)
        and invite.is_live(now_ms)
    )
    return max(fitting, key=lambda invite: invite.created_at_ms, default=None)


def create(
    state: ServerState,
    channel_id: int,
    inviter_id: int,
    terms: InviteTerms,
    *,
    code: str,
    existing: Sequence[Invite],
    now_ms: int,
) -> Change:
    """Makes an invitation, and clears away those of the server (`existing`) that are over.

    Args:
        code: unused until now.
        existing: all invitations of the server.
    """
    form = Form()
    form.number("max_age", terms.max_age_seconds, 0, INVITE_MAX_AGE)
    form.number("max_uses", terms.max_uses, 0, INVITE_MAX_USES)
    form.done()
    require_messages(state.channel(channel_id))
    over = [invite for invite in existing if not invite.is_live(now_ms)]
    if len(existing) - len(over) >= INVITES_PER_SERVER:
        raise TooManyInvites
    invite = Invite(
        code=code,
        server_id=state.id,
        channel_id=channel_id,
        inviter_id=inviter_id,
        created_at_ms=now_ms,
        max_age_seconds=terms.max_age_seconds,
        max_uses=terms.max_uses,
        temporary=terms.temporary,
    )
    return Change(
        state.changed(),
        (*(InviteDeleted(old.code, old.channel_id) for old in over if not old.is_used_up), InviteCreated(invite)),
        invites_put=(invite,),
        invites_removed=tuple(over),
    )


def delete(state: ServerState, invite: Invite, *, actor_id: int, may_delete_any: bool) -> Change:
    """One's own invitation, or anybody's."""
    if not may_delete_any and invite.inviter_id != actor_id:
        raise MissingPermissions("This is somebody else's invitation.", server_id=state.id)
    return Change(state.changed(), (InviteDeleted(invite.code, invite.channel_id),), invites_removed=(invite,))


def accept(state: ServerState, invite: Invite, applicant: Applicant, *, now_ms: int) -> Change:
    """One who is no member yet joins, which uses the invitation once.

    One that is used up stays stored until the next is made: whoever used it last may have missed the answer, and must
    be able to accept it again.

    Raises:
        UnknownInvite: it is over.
        Banned
    """
    if not invite.is_live(now_ms):
        raise UnknownInvite
    used = replace(invite, uses=invite.uses + 1)
    joined = member_rules.join(state, applicant, now_ms=now_ms)
    over = (InviteDeleted(invite.code, invite.channel_id),) if used.is_used_up else ()
    return replace(joined, events=(*joined.events, *over), invites_put=(used,))
