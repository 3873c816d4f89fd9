import pytest

from services.common.limits import INVITATIONS_PER_SERVER
from services.servers.domain import invitation as rules
from services.servers.domain import member as member_rules
from services.servers.domain.change import InvitationCreated, InvitationDeleted, MemberJoined
from services.servers.domain.errors import AlreadyMember, Banned, MissingPermissions, TooManyInvitations
from services.servers.domain.state import Ban
from tests.unit.servers.builders import ANN, BOB, NOW, OWNER, applicant, invitation, member, server


def test_user_is_invited_once() -> None:
    change = rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=[invitation(BOB)], blocked=())
    assert change is not None
    assert change.events == (InvitationCreated(invitation(ANN)),)
    assert change.invitations_put == (invitation(ANN),)
    assert (
        rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=[invitation(ANN, BOB)], blocked=())
        is None
    )


def test_invitation_by_whom_the_invitee_has_blocked_is_made_and_not_told() -> None:
    made = rules.create(server(), invitation(ANN, BOB), is_member=False, ban=None, existing=(), blocked={BOB})
    assert made is not None
    assert made.events == ()
    assert made.invitations_put == (invitation(ANN, BOB),)


def test_invitation_that_is_hidden_gives_way_to_one_that_is_not() -> None:
    hidden, shown, other = invitation(ANN, BOB), invitation(ANN, OWNER), invitation(OWNER, BOB)
    made = rules.create(server(), shown, is_member=False, ban=None, existing=[other, hidden], blocked={BOB})
    assert made is not None
    assert made.events == (InvitationCreated(shown),)
    assert (made.invitations_put, made.invitations_removed) == ((shown,), (hidden,))
    for new, existing in ((hidden, shown), (hidden, hidden), (shown, shown)):
        assert rules.create(server(), new, is_member=False, ban=None, existing=[existing], blocked={BOB}) is None


def test_who_is_not_invited() -> None:
    with pytest.raises(AlreadyMember):
        rules.create(server(), invitation(ANN), is_member=True, ban=None, existing=(), blocked=())
    with pytest.raises(Banned):
        rules.create(server(), invitation(ANN), is_member=False, ban=Ban(user_id=ANN), existing=(), blocked=())
    open_ones = [invitation(user_id) for user_id in range(1000, 1000 + INVITATIONS_PER_SERVER)]
    with pytest.raises(TooManyInvitations):
        rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=open_ones, blocked=())


def test_invitation_is_taken_back_by_its_author_or_by_who_may_any() -> None:
    with pytest.raises(MissingPermissions):
        rules.cancel(server(), invitation(ANN, BOB), actor_id=OWNER, may_cancel_any=False)
    for actor_id, may_cancel_any in ((BOB, False), (OWNER, True)):
        change = rules.cancel(server(), invitation(ANN, BOB), actor_id=actor_id, may_cancel_any=may_cancel_any)
        assert change.events == (InvitationDeleted(invitation(ANN, BOB)),)
        assert change.invitations_removed == (invitation(ANN, BOB),)


def test_whoever_joins_by_any_way_is_not_invited_any_more() -> None:
    change = member_rules.join(server(), applicant(ANN, invitations=(invitation(ANN),)), now_ms=NOW)
    assert change.events == (MemberJoined(member(ANN)), InvitationDeleted(invitation(ANN)))
    assert change.invitations_removed == (invitation(ANN),)
