"""What was on its way when somebody left a private channel, or blocked: it comes by, and is not told."""

from services.common.bus import AccessChange, Audience, Envelope
from services.gateway.domain.private_gates import PrivateGates

USER, OTHER, CHANNEL = 1, 2, 7


def event(type_: str, channel_id: int = CHANNEL, access: AccessChange | None = None) -> Envelope:
    return Envelope(1, f"user:{USER}", type_, b"{}", Audience.USERS, channel_id=channel_id, access=access)


LEFT = event("CHANNEL_DELETE", access=AccessChange(channel_ids=(CHANNEL,), left_user_ids=(USER,)))
JOINED = event("CHANNEL_CREATE", access=AccessChange(channel_ids=(CHANNEL,), joined_user_ids=(USER,)))
BLOCKED = event("RELATIONSHIP_ADD", access=AccessChange(channel_ids=(CHANNEL,), silenced_user_ids=(USER,)))
UNBLOCKED = event("RELATIONSHIP_REMOVE", access=AccessChange(channel_ids=(CHANNEL,), joined_user_ids=(USER,)))


def passing(*events: Envelope) -> list[str]:
    gates = PrivateGates()
    return [each.type for each in events if gates.lets_pass(USER, each)]


def test_who_left_is_told_nothing_more_until_they_are_back() -> None:
    news = [event("MESSAGE_CREATE"), event("MESSAGE_DELETE"), event("CHANNEL_UPDATE")]
    assert passing(*news, LEFT, *news, JOINED, *news) == [
        *(each.type for each in news),
        "CHANNEL_DELETE",
        "CHANNEL_CREATE",
        *(each.type for each in news),
    ]


def test_who_has_blocked_is_told_what_is_taken_back_and_nothing_that_is_said() -> None:
    said = [event("MESSAGE_CREATE"), event("MESSAGE_UPDATE"), event("TYPING_START")]
    assert passing(BLOCKED, *said, event("MESSAGE_DELETE"), UNBLOCKED, event("MESSAGE_CREATE")) == [
        "RELATIONSHIP_ADD",
        "MESSAGE_DELETE",
        "RELATIONSHIP_REMOVE",
        "MESSAGE_CREATE",
    ]


def test_other_channels_other_users_and_what_is_of_no_channel_pass() -> None:
    gates = PrivateGates()
    assert gates.lets_pass(USER, LEFT)
    assert gates.lets_pass(USER, event("MESSAGE_CREATE", channel_id=8))
    assert gates.lets_pass(USER, event("USER_UPDATE", channel_id=0))
    assert gates.lets_pass(OTHER, event("MESSAGE_CREATE"))
    assert not gates.lets_pass(USER, event("MESSAGE_CREATE"))


def test_nothing_is_kept_of_who_is_not_followed() -> None:
    gates = PrivateGates()
    gates.lets_pass(USER, LEFT)
    gates.forget(USER)
    assert gates.lets_pass(USER, event("MESSAGE_CREATE"))
    gates.lets_pass(USER, LEFT)
    gates.forget_all()
    assert gates.lets_pass(USER, event("MESSAGE_CREATE"))
