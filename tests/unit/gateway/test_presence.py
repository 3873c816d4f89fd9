import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.presence import (
    OFFLINE,
    PresenceUpdate,
    SessionPresence,
    best_of,
    platform_of,
    presence_of,
)

STATUSES = st.sampled_from(["online", "idle", "dnd", "invisible", "offline"])
PRESENCES = st.lists(st.builds(SessionPresence, STATUSES, st.just(()), st.sampled_from(["web", "mobile", "desktop"])))


@given(PRESENCES)
def test_what_others_see_names_platforms_that_are_visible_and_no_other(sessions: list[SessionPresence]) -> None:
    shown = best_of(sessions)
    visible = [session for session in sessions if session.status not in ("invisible", "offline")]
    assert dict(shown.platforms).keys() == {session.platform for session in visible}
    there = {session.status for session in visible}
    assert shown.status == next((status for status in ("online", "dnd", "idle") if status in there), "offline")
    assert shown.status in dict(shown.platforms).values() or shown == OFFLINE


@pytest.mark.parametrize(
    ("properties", "platform"),
    [
        (None, "web"),
        ("rubbish", "web"),
        ({"os": None, "browser": 7}, "web"),
        ({"os": "linux", "browser": "discord.py", "device": "discord.py"}, "web"),
        ({"os": "Android", "browser": "x"}, "mobile"),
        ({"os": "iOS", "browser": "Beep Mobile"}, "mobile"),
        ({"os": "windows", "browser": "Beep Desktop"}, "desktop"),
    ],
)
def test_platform_is_what_the_client_says_of_itself(properties: object, platform: str) -> None:
    assert platform_of(properties) == platform


def test_session_that_has_said_nothing_is_online() -> None:
    assert presence_of(None, "web", 7) == presence_of(PresenceUpdate(), "web", 7) == SessionPresence()
