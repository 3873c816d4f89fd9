import pytest

from services.common.limits import INVITES_PER_SERVER
from services.servers.domain import invite as rules
from services.servers.domain.change import InviteCreated, InviteDeleted
from services.servers.domain.errors import (
    InvalidForm,
    MissingPermissions,
    TooManyInvites,
    UnknownInvite,
    WrongChannelType,
)
from services.servers.domain.invite import InviteTerms
from services.servers.domain.state import Channel, ChannelType, Invite
from tests.unit.servers.builders import ANN, BOB, GENERAL, NOW, OWNER, SERVER, applicant, server


def invite(**fields: object) -> Invite:
    given = {"code": "abc", "server_id": SERVER, "channel_id": GENERAL, "inviter_id": ANN, "created_at_ms": NOW}
    return Invite(**{**given, **fields})  # type: ignore[arg-type]


LIVE = [
    (invite(), 10**15, True),
    (invite(max_age_seconds=10), NOW + 9_999, True),
    (invite(max_age_seconds=10), NOW + 10_000, False),
    (invite(max_uses=2, uses=1), NOW, True),
    (invite(max_uses=2, uses=2), NOW, False),
]


@pytest.mark.parametrize(("given", "now_ms", "live"), LIVE)
def test_invitation_is_over_by_time_and_by_use(given: Invite, now_ms: int, live: bool) -> None:
    assert given.is_live(now_ms) is live
    if live:
        assert rules.accept(server(), given, applicant(BOB), now_ms=now_ms).invites_put == (
            invite(max_age_seconds=given.max_age_seconds, max_uses=given.max_uses, uses=given.uses + 1),
        )
    else:
        with pytest.raises(UnknownInvite):
            rules.accept(server(), given, applicant(BOB), now_ms=now_ms)


def test_last_use_is_told_and_the_code_stays_for_whoever_missed_the_answer() -> None:
    change = rules.accept(server(), invite(max_uses=1), applicant(BOB), now_ms=NOW)
    assert change.events[-1] == InviteDeleted("abc", GENERAL)
    assert change.invites_put == (invite(max_uses=1, uses=1),)
    assert change.invites_removed == ()


def create(terms: InviteTerms, *existing: Invite) -> object:
    return rules.create(server(), GENERAL, ANN, terms, code="new", existing=existing, now_ms=NOW)


def test_new_invitation_clears_away_what_is_over_and_tells_of_what_was_not_told_yet() -> None:
    expired = invite(code="expired", max_age_seconds=1, created_at_ms=NOW - 1000)
    used_up = invite(code="used-up", max_uses=1, uses=1)
    change = rules.create(
        server(), GENERAL, ANN, InviteTerms(), code="new", existing=[expired, used_up, invite()], now_ms=NOW
    )
    assert [gone.code for gone in change.invites_removed] == ["expired", "used-up"]
    assert change.events == (InviteDeleted("expired", GENERAL), InviteCreated(invite(code="new")))


def test_number_of_live_invitations_is_bounded() -> None:
    many = [invite(code=str(number)) for number in range(INVITES_PER_SERVER)]
    with pytest.raises(TooManyInvites):
        create(InviteTerms(), *many)
    create(InviteTerms(), *many[1:], invite(max_uses=1, uses=1))


@pytest.mark.parametrize(
    "terms", [InviteTerms(max_age_seconds=-1), InviteTerms(max_age_seconds=604_801), InviteTerms(max_uses=101)]
)
def test_terms_are_checked(terms: InviteTerms) -> None:
    with pytest.raises(InvalidForm):
        create(terms)


def test_nobody_is_invited_to_a_category() -> None:
    state = server(channels=(Channel(id=GENERAL, type=ChannelType.CATEGORY, name="c"),))
    with pytest.raises(WrongChannelType):
        rules.create(state, GENERAL, ANN, InviteTerms(), code="new", existing=(), now_ms=NOW)


SAME = [
    ({}, True),
    ({"inviter_id": BOB}, False),
    ({"channel_id": 7}, False),
    ({"max_uses": 5}, False),
    ({"max_age_seconds": 60}, False),
    ({"temporary": True}, False),
]


@pytest.mark.parametrize(("differs", "found"), SAME)
def test_only_ones_own_invitation_to_the_channel_on_the_same_terms_is_given_again(
    differs: dict[str, object], found: bool
) -> None:
    given = invite(**differs)
    again = rules.same_terms([given], GENERAL, ANN, InviteTerms(), now_ms=NOW)
    assert again == (given if found else None)


def test_invitation_is_revoked_by_its_maker_and_by_those_who_manage() -> None:
    assert rules.delete(server(), invite(), actor_id=ANN, may_delete_any=False).invites_removed == (invite(),)
    assert rules.delete(server(), invite(), actor_id=OWNER, may_delete_any=True).invites_removed == (invite(),)
    with pytest.raises(MissingPermissions):
        rules.delete(server(), invite(), actor_id=BOB, may_delete_any=False)
