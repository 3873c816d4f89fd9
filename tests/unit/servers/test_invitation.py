import pytest

from services.common.limits import INVITATIONS_PER_SERVER
from services.servers.domain import invitation as rules
from services.servers.domain import member as member_rules
from services.servers.domain.change import InvitationCreated, InvitationDeleted, MemberJoined
from services.servers.domain.errors import AlreadyMember, Banned, MissingPermissions, TooManyInvitations
from services.servers.domain.state import Ban
from tests.unit.servers.builders import ANN, BOB, NOW, OWNER, applicant, invitation, member, server


def test_user_is_invited_once() -> None:
    change = rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=[invitation(BOB)])
    assert change is not None
    assert change.events == (InvitationCreated(invitation(ANN)),)
    assert change.invitations_put == (invitation(ANN),)
    assert rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=[invitation(ANN, BOB)]) is None


def test_who_is_not_invited() -> None:
    with pytest.raises(AlreadyMember):
        rules.create(server(), invitation(ANN), is_member=True, ban=None, existing=())
    with pytest.raises(Banned):
        rules.create(server(), invitation(ANN), is_member=False, ban=Ban(user_id=ANN), existing=())
    open_ones = [invitation(user_id) for user_id in range(1000, 1000 + INVITATIONS_PER_SERVER)]
    with pytest.raises(TooManyInvitations):
        rules.create(server(), invitation(ANN), is_member=False, ban=None, existing=open_ones)


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
