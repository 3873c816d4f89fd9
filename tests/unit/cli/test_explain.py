"""What `beep explain` makes of the words of a person."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rich.console import Console

from services.cli.client import BeepClient
from services.cli.errors import UserError
from services.cli.explain import Asked, explain, laid_out

TOWN, GARDEN, GENERAL, SHED, OTHER_GENERAL, BEN = "100", "101", "110", "111", "112", "120"
ANSWER: dict[str, Any] = {
    "permission": "SEND_MESSAGES",
    "allowed": False,
    "message": "Denied: the overwrite of role [quiet] in #general denies SEND_MESSAGES.",
    "user_id": BEN,
    "guild_id": TOWN,
    "steps": [
        {"step": "member", "result": "passes", "permission": "SEND_MESSAGES", "roles": [], "message": "a member"},
        {"step": "roles_deny", "result": "denies", "permission": "SEND_MESSAGES", "roles": [], "message": "of [quiet]"},
    ],
    "changes": [{"change": "take_role", "message": "take role [quiet] away"}],
    "full": True,
}
PAGES: dict[str, Any] = {
    "/api/v10/users/@me/guilds": [{"id": TOWN, "name": "Town"}, {"id": GARDEN, "name": "Garden"}],
    f"/api/v10/guilds/{TOWN}/channels": [{"id": GENERAL, "name": "general"}],
    f"/api/v10/guilds/{GARDEN}/channels": [{"id": SHED, "name": "shed"}, {"id": OTHER_GENERAL, "name": "general"}],
    f"/api/v10/channels/{GENERAL}": {"id": GENERAL, "guild_id": TOWN},
    f"/api/v10/guilds/{TOWN}/members/search": [{"user": {"id": BEN, "username": "ben"}}],
    f"/api/v10/guilds/{GARDEN}/members/search": [{"user": {"id": "121", "username": "benjamin"}}],
}


@pytest.fixture
def asked_for() -> list[str]:
    return []


@pytest.fixture
def ask(asked_for: list[str]) -> Callable[..., dict[str, Any]]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/explain"):
            asked_for.append(str(request.url.raw_path.decode()))
            return httpx.Response(200, json=ANSWER)
        page = PAGES.get(request.url.path)
        return httpx.Response(404, json={"message": "not here"}) if page is None else httpx.Response(200, json=page)

    def ask(user: str, permission: str = "SEND_MESSAGES", channel: str = "", server: str = "") -> dict[str, Any]:
        with BeepClient("http://beep", httpx.MockTransport(answer)) as client:
            return explain(client, "token", Asked(user, permission, channel, server))

    return ask


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (("ben", "SEND_MESSAGES", "#general", "Town"), f"channels/{GENERAL}/permissions/{BEN}"),
        (("Ben", "send-messages", "general", TOWN), f"channels/{GENERAL}/permissions/{BEN}"),
        (("@ben", "send_messages", GENERAL, ""), f"channels/{GENERAL}/permissions/{BEN}"),
        (("@me", "SEND_MESSAGES", "shed", ""), f"channels/{SHED}/permissions/@me"),
        # Hidden from who asks, who may ask about themselves all the same.
        (("@me", "SEND_MESSAGES", "999", ""), "channels/999/permissions/@me"),
        (("130", "SEND_MESSAGES", "", "garden"), f"servers/{GARDEN}/permissions/130"),
    ],
)
def test_names_and_ids_are_understood(
    ask: Callable[..., dict[str, Any]], asked_for: list[str], words: tuple[str, ...], path: str
) -> None:
    assert ask(*words) == ANSWER
    assert asked_for == [f"/api/beep/v1/{path}/explain?permission=SEND_MESSAGES"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("ben", "SEND_MESAGES", "general", TOWN), "Did you mean SEND_MESSAGES"),
        (("ben", "SEND_MESSAGES", "general", ""), f"{GENERAL} of Town, {OTHER_GENERAL} of Garden"),
        (("ben", "SEND_MESSAGES", "kitchen", ""), "You see no channel kitchen"),
        (("ben", "SEND_MESSAGES", "", "Village"), "You see no server Village"),
        (("ben", "SEND_MESSAGES", "shed", ""), "You see no member ben"),
        (("ben", "SEND_MESSAGES", "999", ""), "Who is ben?"),
        (("ben", "SEND_MESSAGES", "", ""), "Name a channel"),
    ],
)
def test_person_is_told_what_to_type_instead(
    ask: Callable[..., dict[str, Any]], asked_for: list[str], words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(UserError) as error:
        ask(*words)
    assert said in str(error.value)
    assert asked_for == []


def shown(answer: dict[str, Any]) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(laid_out(answer))
    return captured.get()


def test_steps_verdict_and_change_are_laid_out() -> None:
    lines = [line.rstrip() for line in shown(ANSWER).splitlines()]
    assert lines[0].split() == ["step", "about", "says", "because"]
    assert lines[2].split() == ["roles", "deny", "SEND_MESSAGES", "denies", "of", "[quiet]"]
    assert lines[-2:] == [ANSWER["message"], "To allow it: take role [quiet] away."]


def test_several_changes_are_a_list_and_none_may_be_for_others_to_know() -> None:
    changes = [{"change": "unmute", "message": "end the mute"}, {"change": "give_role", "message": "give role a"}]
    several = shown(json.loads(json.dumps(ANSWER)) | {"changes": changes, "allowed": True})
    assert "To deny it, all of this:\n  - end the mute\n  - give role a\n" in several
    assert "Whoever manages the server" in shown(ANSWER | {"changes": [], "full": False})
    assert "Whoever manages the server" not in shown(ANSWER | {"changes": []})
    private = {key: value for key, value in ANSWER.items() if key != "guild_id"} | {"changes": [], "full": False}
    assert "Whoever manages the server" not in shown(private)
