"""ADM-09: why a permission is granted or denied, asked over REST by whoever may know it."""

import asyncio
from typing import Any

import pytest

from services.common.permissions import Permission as P
from tests.support.api import Api
from tests.support.refusals import (
    INVALID_FORM,
    MISSING_ACCESS,
    UNKNOWN_CHANNEL,
    UNKNOWN_DECISION,
    UNKNOWN_SERVER,
)
from tests.support.world import NOBODYS_ID, World, assert_hidden

EXPLAIN = "/api/beep/v1"


def in_channel(channel_id: str, user: Api | str, permission: P) -> str:
    user_id = user if isinstance(user, str) else user.user_id
    return f"{EXPLAIN}/channels/{channel_id}/permissions/{user_id}/explain?permission={permission.name}"


def on_server(server_id: str, user: Api | str, permission: P) -> str:
    user_id = user if isinstance(user, str) else user.user_id
    return f"{EXPLAIN}/servers/{server_id}/permissions/{user_id}/explain?permission={permission.name}"


async def silence(world: World) -> str:
    """`able` may send by their role, and must not in the first channel, by another. The id of that other."""
    await world.everyone(P.VIEW_CHANNEL | P.READ_MESSAGE_HISTORY)
    await world.role("talkers", P.SEND_MESSAGES, world.able)
    muted = await world.role("muted-ones", P(0), world.able)
    overwrite = {"type": 0, "deny": str(int(P.SEND_MESSAGES))}
    await world.owner.ok("PUT", f"{world.channel_path}/permissions/{muted}", overwrite)
    return muted


async def refusal(person: Api, method: str, path: str, body: Any = None) -> dict[str, Any]:
    answer = await person.call(method, path, body)
    assert answer.status_code == 403, answer.text
    return dict(answer.json())


@pytest.mark.story("ADM-09")
async def test_refused_person_asks_why_and_the_change_that_is_named_helps(world: World) -> None:
    muted = await silence(world)
    told = await refusal(world.able, "POST", f"{world.channel_path}/messages", {"content": "hello"})
    decision = await world.able.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
    assert decision["message"] == "Denied: the overwrite of role muted-ones in #general denies SEND_MESSAGES."
    assert (decision["reason"], decision["missing_permissions"]) == ("MISSING_PERMISSIONS", ["SEND_MESSAGES"])
    assert (decision["user_id"], decision["guild_id"]) == (world.able.user_id, world.server_id)
    [explanation] = decision["explanations"]
    *_, deciding = explanation["steps"]
    assert (deciding["step"], deciding["result"]) == ("roles_deny", "denies")
    assert deciding["roles"] == [{"id": muted, "name": "muted-ones"}]
    [change] = explanation["changes"]
    assert change["message"] == "remove the deny of SEND_MESSAGES from the overwrite of role muted-ones in #general"

    await world.owner.ok("DELETE", f"{world.channel_path}/permissions/{muted}")
    await world.able.send(world.channel_id, "now I may")
    now = await world.able.ok("GET", in_channel(world.channel_id, "@me", P.SEND_MESSAGES))
    assert now["allowed"] is True
    assert now["message"] == (
        "Allowed: role talkers grants SEND_MESSAGES on the server, and no overwrite in #general says otherwise."
    )
    # As of the refusal, not as of now.
    assert await world.able.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}") == decision


@pytest.mark.story("ADM-09")
async def test_manager_looks_up_the_refusal_of_another_and_a_member_does_not(world: World) -> None:
    await silence(world)
    told = await refusal(world.able, "POST", f"{world.channel_path}/messages", {"content": "hello"})
    path = f"{EXPLAIN}/decisions/{told['decision_id']}"
    for manager in (world.owner, await managing(world)):
        decision = await manager.ok("GET", path)
        assert decision["full"] is True
        assert decision["user_id"] == world.able.user_id
    assert (await world.able.ok("GET", path))["full"] is False
    for other in (world.member, world.stranger):
        assert await other.refused("GET", path) == UNKNOWN_DECISION
        assert (await other.call("GET", path)).json() == (
            await other.call("GET", f"{EXPLAIN}/decisions/{'0' * 20}")
        ).json()


async def managing(world: World) -> Api:
    await world.role("managers", P.MANAGE_GUILD, world.unable)
    return world.unable


@pytest.mark.story("ADM-09")
async def test_manager_asks_about_others_and_members_only_about_themselves(world: World) -> None:
    await silence(world)
    manager = await managing(world)
    for path in (
        in_channel(world.channel_id, world.able, P.SEND_MESSAGES),
        on_server(world.server_id, world.able, P.SEND_MESSAGES),
    ):
        assert (await manager.ok("GET", path))["full"] is True
        told = await refusal(world.member, "GET", path)
        assert told["missing_permissions"] == str(int(P.MANAGE_GUILD))
        assert (await world.able.ok("GET", path))["full"] is False
        await assert_hidden(world.stranger, "GET", path)
    about_nobody = await manager.ok("GET", on_server(world.server_id, NOBODYS_ID, P.SEND_MESSAGES))
    assert about_nobody["message"] == "Denied: not a member of the server."


@pytest.mark.story("ADM-09")
async def test_hidden_channel_stays_hidden_also_from_who_asks_why(world: World) -> None:
    await world.everyone(P.VIEW_CHANNEL | P.SEND_MESSAGES)
    insiders = await world.role("insiders", P(0))
    overwrites = [
        {"id": world.server_id, "type": 0, "deny": str(int(P.VIEW_CHANNEL))},
        {"id": insiders, "type": 0, "allow": str(int(P.VIEW_CHANNEL))},
    ]
    hidden = await world.channel("the-secret-plan", permission_overwrites=overwrites)
    manager = await managing(world)

    why = await world.member.call("GET", in_channel(hidden, "@me", P.SEND_MESSAGES))
    assert why.status_code == 200
    assert why.json()["message"] == (
        "Denied: the overwrite of @everyone in this channel denies VIEW_CHANNEL, "
        "and without VIEW_CHANNEL there is no SEND_MESSAGES."
    )
    assert why.json()["changes"] == []
    told = await refusal(world.member, "POST", f"/channels/{hidden}/messages", {"content": "hello"})
    decision = await world.member.call("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
    for answer in (why, decision):
        assert "secret" not in answer.text
        assert "insiders" not in answer.text
        assert insiders not in answer.text
    # One manages the server, and still does not view this channel.
    assert await manager.refused("GET", in_channel(hidden, world.member, P.VIEW_CHANNEL)) == MISSING_ACCESS
    assert await manager.refused("GET", f"{EXPLAIN}/decisions/{told['decision_id']}") == UNKNOWN_DECISION
    full = await world.owner.ok("GET", in_channel(hidden, world.member, P.SEND_MESSAGES))
    assert full["message"] == (
        "Denied: the overwrite of @everyone in #the-secret-plan denies VIEW_CHANNEL, "
        "and without VIEW_CHANNEL there is no SEND_MESSAGES."
    )
    assert full["changes"]


@pytest.mark.story("ADM-09")
async def test_allowance_is_explained_by_the_role_that_gives_it(world: World) -> None:
    await world.everyone(P.VIEW_CHANNEL)
    role = await world.role("helpers", P.ADMINISTRATOR, world.able)
    why = await world.able.ok("GET", on_server(world.server_id, "@me", P.BAN_MEMBERS))
    assert (why["allowed"], why["message"]) == (
        True,
        "Allowed: role helpers grants ADMINISTRATOR, which allows everything.",
    )
    assert why["changes"] == [
        {"change": "take_role", "role": {"id": role, "name": "helpers"}, "message": "take role helpers away"}
    ]
    owner = await world.owner.ok("GET", in_channel(world.channel_id, "@me", P.BAN_MEMBERS))
    assert owner["message"] == "Allowed: the owner of the server may do everything."


@pytest.mark.story("ADM-09")
async def test_refusal_by_rank_is_looked_up_like_any_other(world: World) -> None:
    await world.everyone(P.VIEW_CHANNEL)
    await world.role("high", P(0), world.member)
    await world.role("kickers", P.KICK_MEMBERS, world.able)
    told = await refusal(world.able, "DELETE", f"{world.path}/members/{world.member.user_id}")
    for person in (world.able, world.owner):
        decision = await person.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
        assert decision["message"] == "Denied: This is not below your highest role."
        assert decision["explanations"] == []
    written = await world.owner.send(world.channel_id, "mine")
    await world.everyone(P.VIEW_CHANNEL | P.SEND_MESSAGES)
    told = await refusal(world.able, "PATCH", f"{world.channel_path}/messages/{written['id']}", {"content": "not"})
    decision = await world.owner.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
    assert (decision["reason"], decision["channel_id"]) == ("NOT_AUTHOR", world.channel_id)


@pytest.mark.story("ADM-09")
async def test_thread_and_private_channel_are_explained(world: World) -> None:
    await world.everyone(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY)
    thread = await world.owner.ok("POST", f"{world.channel_path}/threads", {"name": "talk", "type": 11})
    why = await world.able.ok("GET", in_channel(thread["id"], "@me", P.SEND_MESSAGES))
    assert why["message"] == (
        "Denied: no role held grants SEND_MESSAGES_IN_THREADS on the server, and no overwrite in #general allows it, "
        "and without SEND_MESSAGES_IN_THREADS there is no SEND_MESSAGES."
    )
    private = await world.able.ok("POST", "/users/@me/channels", {"recipient_id": world.member.user_id})
    mine = await world.able.ok("GET", in_channel(private["id"], "@me", P.SEND_MESSAGES))
    assert mine["message"] == "Allowed: whoever takes part in a private channel has SEND_MESSAGES."
    about_the_other = in_channel(private["id"], world.member, P.SEND_MESSAGES)
    assert await world.able.refused("GET", about_the_other) == MISSING_ACCESS
    told = await refusal(world.able, "GET", about_the_other)
    assert "missing_permissions" not in told
    decision = await world.able.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
    assert decision["message"] == "Denied: In a private channel nobody is told about others."
    await assert_hidden(world.owner, "GET", in_channel(private["id"], "@me", P.SEND_MESSAGES))


@pytest.mark.story("ADM-09")
async def test_nonsense_is_told_what_is_wrong_with_it(world: World) -> None:
    base = f"{EXPLAIN}/channels/{world.channel_id}/permissions/@me/explain"
    answer = await world.owner.call("GET", f"{base}?permission=SEND_MESAGES")
    assert (answer.status_code, answer.json()["code"]) == INVALID_FORM
    [problem] = answer.json()["errors"]["permission"]["_errors"]
    assert "SEND_MESSAGES" in problem["message"]
    assert await world.owner.refused("GET", base) == INVALID_FORM
    assert await world.owner.refused("GET", base.replace("@me", "somebody") + "?permission=SPEAK") == INVALID_FORM
    assert await world.owner.refused("GET", base.replace("@me", "9" * 19) + "?permission=SPEAK") == INVALID_FORM
    assert await world.owner.refused("GET", in_channel(NOBODYS_ID, "@me", P.SPEAK)) == UNKNOWN_CHANNEL
    assert await world.owner.refused("GET", on_server(NOBODYS_ID, "@me", P.SPEAK)) == UNKNOWN_SERVER
    assert await world.owner.refused("GET", f"{EXPLAIN}/decisions/abc") == UNKNOWN_DECISION


@pytest.mark.story("ADM-09")
async def test_many_refusals_at_once_are_all_found_right_after(world: World) -> None:
    await silence(world)

    async def refuse_and_look_up(number: int) -> str:
        told = await refusal(world.able, "POST", f"{world.channel_path}/messages", {"content": str(number)})
        decision = await world.able.ok("GET", f"{EXPLAIN}/decisions/{told['decision_id']}")
        return str(decision["message"])

    messages = await asyncio.gather(*map(refuse_and_look_up, range(100)))
    assert set(messages) == {"Denied: the overwrite of role muted-ones in #general denies SEND_MESSAGES."}
