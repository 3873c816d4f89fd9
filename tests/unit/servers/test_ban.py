import pytest

from services.servers.domain import ban as rules
from services.servers.domain import member as member_rules
from services.servers.domain.change import BanAdded, BanRemoved, InvitationDeleted, MemberLeft
from services.servers.domain.errors import Banned, OutOfHierarchy, UnknownBan
from services.servers.domain.state import Ban, Member
from tests.unit.servers.builders import (
    ADMIN,
    ANN,
    BOB,
    HIGH,
    KEEPER,
    LOW,
    MIDDLE,
    NOW,
    OWNER,
    actor,
    applicant,
    invitation,
    member,
    server,
)

BAN = Ban(user_id=ANN, reason="spam", identity_keys=("key",))


def test_banned_member_is_out_and_banned_in_one_change() -> None:
    change = rules.add(
        server(), actor(KEEPER, MIDDLE), BAN, member=member(ANN, LOW), existing=None, invitations=(), threads=()
    )
    assert change is not None
    assert change.state is not None
    assert change.state.member_count == server().member_count - 1
    assert change.events == (MemberLeft(ANN), BanAdded(ANN))
    assert change.bans_put == (BAN,)


def test_somebody_outside_is_banned_and_not_invited_any_more() -> None:
    change = rules.add(
        server(), actor(KEEPER, MIDDLE), BAN, member=None, existing=None, invitations=[invitation(ANN)], threads=()
    )
    assert change is not None
    assert change.events == (BanAdded(ANN), InvitationDeleted(invitation(ANN)))
    assert change.invitations_removed == (invitation(ANN),)


@pytest.mark.parametrize("target", [member(BOB, MIDDLE), member(ADMIN, HIGH), member(OWNER), member(KEEPER, MIDDLE)])
def test_nobody_bans_whoever_is_not_below_them(target: Member) -> None:
    with pytest.raises(OutOfHierarchy):
        rules.add(
            server(),
            actor(KEEPER, MIDDLE),
            Ban(user_id=target.user_id),
            member=target,
            existing=None,
            invitations=(),
            threads=(),
        )


def test_banning_again_changes_nothing() -> None:
    again = Ban(user_id=ANN, reason="other")
    assert rules.add(server(), actor(OWNER), again, member=None, existing=BAN, invitations=(), threads=()) is None


def test_ban_that_is_lifted_was_there() -> None:
    change = rules.remove(server(), BAN)
    assert (change.events, change.bans_removed) == ((BanRemoved(ANN),), (BAN,))
    with pytest.raises(UnknownBan):
        rules.remove(server(), None)


def test_nobody_joins_against_a_ban() -> None:
    with pytest.raises(Banned):
        member_rules.join(server(), applicant(BOB, bans=(BAN,)), now_ms=NOW)
    with pytest.raises(Banned):
        member_rules.add_bot(
            server(), actor(OWNER), applicant(91, bans=(BAN,)), "b", permissions=0, role_id=1, now_ms=NOW
        )
