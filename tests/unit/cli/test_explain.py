"""What `beep explain` makes of the words of a person."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rich.console import Console, RenderableType

from services.cli.client import BeepClient
from services.cli.errors import UserError
from services.cli.explain import Asked, decision, explain, is_decision, laid_out, laid_out_decision

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
REFUSED = {
    f"/api/beep/v1/channels/{GENERAL}/permissions/777/explain": 403,
    "/api/beep/v1/channels/99999/permissions/@me/explain": 404,
    "/api/beep/v1/servers/98/permissions/@me/explain": 404,
}
DECISION_ID = "0123456789abcdef0123"
DECISION: dict[str, Any] = {
    "id": DECISION_ID,
    "timestamp": "2026-01-02T03:04:05+00:00",
    "reason": "MISSING_ACCESS",
    "message": "Denied.",
    "missing_permissions": ["VIEW_CHANNEL", "SEND_MESSAGES"],
    "explanations": [ANSWER, ANSWER],
    "full": True,
}


@pytest.fixture
def asked_for() -> list[str]:
    return []


@pytest.fixture
def ask(asked_for: list[str]) -> Callable[..., dict[str, Any]]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/explain"):
            if (status := REFUSED.get(request.url.path)) is not None:
                return httpx.Response(status, json={"message": "Missing Permissions"})
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
        (("@me", "2048", "shed", ""), f"channels/{SHED}/permissions/@me"),
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
        (("@me", "66560", "general", TOWN), "66560 is VIEW_CHANNEL and READ_MESSAGE_HISTORY. Ask about one of them."),
        (("@me", str(1 << 62), "general", TOWN), "There is no permission"),
        (("@me", "0", "general", TOWN), "There is no permission"),
        (("@me", "", "", ""), "Name a permission"),
        (("777", "SEND_MESSAGES", GENERAL, ""), "about yourself: beep explain @me SEND_MESSAGES 110"),
        (("@me", "SEND_MESSAGES", "99999", ""), "You see no channel 99999."),
        (("@me", "SEND_MESSAGES", "", "98"), "You see no server 98."),
        (("ben", "SEND_MESSAGES", "", "Village"), "You see no server Village. You see Town, Garden."),
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


@pytest.mark.parametrize(
    ("asked", "is_one"),
    [
        (Asked(DECISION_ID, "", "", ""), True),
        (Asked("ben", "", "", ""), False),
        (Asked("12345678901234567890", "SEND_MESSAGES", "general", ""), False),
    ],
)
def test_decision_is_meant_when_nothing_else_is_typed(asked: Asked, is_one: bool) -> None:
    assert is_decision(asked) is is_one


def test_decision_is_looked_up_and_laid_out_like_an_explanation() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        known = request.url.path == f"/api/beep/v1/decisions/{DECISION_ID}"
        return httpx.Response(200, json=DECISION) if known else httpx.Response(404, json={"message": "Unknown"})

    with BeepClient("http://beep", httpx.MockTransport(answer)) as client:
        found = decision(client, "token", DECISION_ID)
        with pytest.raises(UserError, match="You see no decision 00000000000000000000"):
            decision(client, "token", "0" * 20)
    said = printed(laid_out_decision(found))
    head = "Refused at 2026-01-02T03:04:05+00:00: MISSING_ACCESS (VIEW_CHANNEL, SEND_MESSAGES)"
    assert said.splitlines()[0].rstrip() == head
    assert said.count(ANSWER["message"]) == 2
    of_rank = DECISION | {"reason": "MISSING_PERMISSIONS", "missing_permissions": [], "explanations": []}
    assert printed(laid_out_decision(of_rank)).split("\n")[0].rstrip().endswith(": MISSING_PERMISSIONS")
    assert "Denied." in printed(laid_out_decision(of_rank))


def test_token_that_is_not_valid_is_told_with_how_to_get_one() -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(401, json={"message": "401: Unauthorized"}))
    with (
        BeepClient("http://beep", transport) as client,
        pytest.raises(UserError, match=r"not valid \(any more\). Get one: beep token EMAIL"),
    ):
        explain(client, "token", Asked("@me", "SEND_MESSAGES", GENERAL, ""))


def test_url_with_a_path_is_refused_with_the_one_without() -> None:
    with pytest.raises(UserError, match="without a path: http://beep:8080, not http://beep:8080/api/v10"):
        BeepClient("http://beep:8080/api/v10")
    BeepClient("http://beep:8080/").__exit__(None, None, None)


def printed(part: RenderableType) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as captured:
        console.print(part)
    return captured.get()


def shown(answer: dict[str, Any]) -> str:
    return printed(laid_out(answer))


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
