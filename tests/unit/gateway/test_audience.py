from hypothesis import given
from hypothesis import strategies as st

from services.common.bus import AccessChange
from services.gateway.domain.audience import View, affected, gained, is_gone, lost, may_receive
from services.gateway.domain.intents import ALL_INTENTS, Intent, are_valid, needed_intent, wants, wants_in_private

IDS = st.frozensets(st.integers(1, 8))


@given(IDS, st.integers(0, 8), st.integers(0, 7), st.integers(0, 7))
def test_event_is_received_only_by_who_sees_the_channel_and_has_the_bits(
    channels: frozenset[int], channel_id: int, held: int, required: int
) -> None:
    allowed = may_receive(View(channels, held), channel_id=channel_id, required_permissions=required)
    assert allowed == ((channel_id == 0 or channel_id in channels) and held | required == held)


@given(IDS, IDS, st.integers(0, 8))
def test_gained_and_lost_lead_from_the_old_view_to_the_new(old: frozenset[int], new: frozenset[int], told: int) -> None:
    before, after = View(old, 0), View(new, 0)
    known = (old - lost(before, after, told_by_event=told)) | gained(before, after, told_by_event=told)
    assert known - {told} == new - {told}
    assert told not in gained(before, after, told_by_event=told) | lost(before, after, told_by_event=told)


@given(IDS, IDS, IDS, st.booleans(), st.booleans())
def test_everybody_whom_a_change_may_touch_is_looked_at_again(
    present: frozenset[int], members: frozenset[int], left: frozenset[int], whole: bool, channels: bool
) -> None:
    access = AccessChange(
        whole_server=whole, channel_ids=(1,) if channels else (), user_ids=tuple(members), left_user_ids=tuple(left)
    )
    expected = present if whole or channels else present & (members | left)
    assert affected(access, present) == expected


def test_join_touches_nobody_who_is_there() -> None:
    assert affected(AccessChange(joined_user_ids=(1,)), {1, 2}) == set()


def test_member_is_gone_when_the_change_says_so_though_authz_has_them_back() -> None:
    assert is_gone(AccessChange(left_user_ids=(1,)), 1, {1})
    assert is_gone(AccessChange(server_deleted=True), 1, {1})
    assert is_gone(AccessChange(), 1, {2})
    assert not is_gone(AccessChange(), 1, {1})


def test_intents_decide_by_the_event() -> None:
    assert needed_intent("MESSAGE_CREATE") == Intent.GUILD_MESSAGES
    assert not wants(Intent.GUILDS, "MESSAGE_CREATE")
    assert wants(ALL_INTENTS, "GUILD_MEMBER_ADD")
    assert wants_in_private(0, "USER_UPDATE")
    assert wants_in_private(Intent.DIRECT_MESSAGES, "MESSAGE_CREATE")
    assert not wants_in_private(ALL_INTENTS & ~Intent.DIRECT_MESSAGES, "MESSAGE_CREATE")
    assert are_valid(ALL_INTENTS)
    assert not are_valid(ALL_INTENTS + 1)


def test_event_reaches_nobody_when_nobody_thought_of_it() -> None:
    assert not wants(ALL_INTENTS, "UNHEARD_OF")
    assert not wants_in_private(ALL_INTENTS, "UNHEARD_OF")
