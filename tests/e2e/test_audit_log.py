"""The audit log: who did what to whom, and why."""

from typing import Any

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_PERMISSIONS
from tests.support.roles import VIEWER
from tests.support.world import World, assert_hidden

LOG_READER = Permission.VIEW_AUDIT_LOG


async def entries(who: Api, world: World, **query: object) -> list[Any]:
    answer = await who.ok("GET", f"{world.path}/audit-logs", params={"limit": 100} | query)
    return list(answer["audit_log_entries"])


def because(reason: str) -> dict[str, Any]:
    return {"headers": {"X-Audit-Log-Reason": reason}}


@pytest.mark.story("SRV-22", "GTW-02")
async def test_who_may_read_the_audit_log_sees_who_did_what_and_why(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(LOG_READER)
    reader, onlooker, outside = await world.connect(able), await world.connect(unable), await world.connect(stranger)

    await world.owner.ok("PATCH", world.path, {"name": "New World"}, **because("a%20better%20name"))
    log = await able.ok("GET", f"{world.path}/audit-logs?limit=1")
    (entry,) = log["audit_log_entries"]
    assert entry == {
        "id": entry["id"],
        "action_type": 1,
        "user_id": world.owner.user_id,
        "target_id": world.server_id,
        "changes": [{"key": "name", "old_value": "World", "new_value": "New World"}],
        "reason": "a better name",
    }
    assert [user["id"] for user in log["users"]] == [world.owner.user_id]

    told = await reader.wait_for("GUILD_AUDIT_LOG_ENTRY_CREATE")
    assert told == entry | {"guild_id": world.server_id}
    await world.caught_up(reader, onlooker)
    assert onlooker.of_kind("GUILD_AUDIT_LOG_ENTRY_CREATE") == []
    await world.assert_untold(outside)
    assert await unable.refused("GET", f"{world.path}/audit-logs") == MISSING_PERMISSIONS
    await assert_hidden(stranger, "GET", f"{world.path}/audit-logs")


@pytest.mark.story("SRV-22")
async def test_everything_that_managers_do_is_in_the_log(world: World) -> None:
    owner, member = world.owner, f"{world.path}/members/{world.member.user_id}"
    so_far = {entry["id"] for entry in await entries(owner, world)}
    role = await world.role("judge", Permission.SEND_MESSAGES)
    channel = await world.channel("court")
    overwrite = f"/channels/{channel}/permissions/{role}"
    invite = (await owner.ok("POST", f"/channels/{channel}/invites", {}))["code"]
    bot = (await owner.ok("POST", "/api/beep/v1/bots", {"name": "helper"}))["bot"]["id"]
    # What is refused is not logged.
    assert await owner.refused("PATCH", member, {"nick": "x" * 33}) == INVALID_FORM
    for method, path, body in (
        ("PATCH", f"{world.path}/roles/{role}", {"name": "judges"}),
        ("PATCH", f"/channels/{channel}", {"topic": "order!"}),
        ("PUT", overwrite, {"type": 0, "allow": "0", "deny": "1024"}),
        ("PUT", overwrite, {"type": 0, "allow": "1024", "deny": "0"}),
        ("DELETE", overwrite, None),
        ("PATCH", member, {"nick": "accused"}),
        ("PUT", f"{member}/roles/{role}", None),
        ("DELETE", f"{member}/roles/{role}", None),
        ("DELETE", f"/invites/{invite}", None),
        ("PUT", f"/api/beep/v1/servers/{world.server_id}/bots/{bot}", {"permissions": "0"}),
        ("DELETE", member, None),
        ("PUT", f"{world.path}/bans/{world.member.user_id}", {}),
        ("DELETE", f"{world.path}/bans/{world.member.user_id}", None),
        ("DELETE", f"/channels/{channel}", None),
        ("DELETE", f"{world.path}/roles/{role}", None),
    ):
        await owner.ok(method, path, body, **because(f"{method} it"))

    logged = [entry for entry in reversed(await entries(owner, world)) if entry["id"] not in so_far]
    user = world.member.user_id
    assert [(entry["action_type"], entry["target_id"]) for entry in logged] == [
        (30, role),
        (10, channel),
        (40, None),
        (31, role),
        (11, channel),
        (13, channel),
        (14, channel),
        (15, channel),
        (24, user),
        (25, user),
        (25, user),
        (42, None),
        (28, bot),
        (20, user),
        (22, user),
        (23, user),
        (12, channel),
        (32, role),
    ]
    assert {entry["user_id"] for entry in logged} == {owner.user_id}
    assert [entry.get("reason") for entry in logged[3:6]] == ["PATCH it", "PATCH it", "PUT it"]
    by_action = {entry["action_type"]: entry for entry in logged}
    assert by_action[13]["options"] == {"id": role, "type": "0", "role_name": "judges"}
    assert by_action[24]["changes"] == [{"key": "nick", "new_value": "accused"}]
    assert by_action[25]["changes"] == [{"key": "$remove", "new_value": [{"id": role, "name": "judges"}]}]


@pytest.mark.story("SRV-22")
async def test_whoever_comes_and_goes_by_themselves_is_nobodys_deed(world: World) -> None:
    link = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    so_far = await entries(world.owner, world)
    await world.stranger.ok("POST", f"/invites/{link['code']}", {})
    await world.stranger.ok("DELETE", f"/users/@me/guilds/{world.server_id}")
    assert await entries(world.owner, world) == so_far


@pytest.mark.story("SRV-22")
async def test_the_log_is_searched_by_actor_action_and_target_and_read_page_by_page(world: World) -> None:
    await world.role("renaming", Permission.MANAGE_GUILD, world.able)
    for number in range(3):
        await world.able.ok("PATCH", world.path, {"name": f"World {number}"})
    everything = [entry["id"] for entry in await entries(world.owner, world)]
    assert everything == sorted(everything, key=int, reverse=True), "newest first"

    by_able = [entry["id"] for entry in await entries(world.owner, world, user_id=world.able.user_id)]
    assert by_able == everything[:3]
    assert [entry["id"] for entry in await entries(world.owner, world, action_type=1)] == by_able
    of_server = await entries(world.owner, world, target_id=world.server_id, user_id=world.able.user_id)
    assert [entry["id"] for entry in of_server] == by_able

    async def page(**query: object) -> list[str]:
        return [entry["id"] for entry in await entries(world.owner, world, **query)]

    assert await page(limit=2) == everything[:2]
    assert await page(limit=2, before=everything[1]) == everything[2:4]
    assert await page(after=everything[2]) == everything[:2][::-1]
    assert await world.owner.refused("GET", f"{world.path}/audit-logs?limit=101") == INVALID_FORM


@pytest.mark.story("SRV-22")
async def test_a_reason_is_bounded(world: World) -> None:
    for reason in ("x" * 513, "%FF"):
        assert await world.owner.refused("PATCH", world.path, {"name": "No"}, **because(reason)) == INVALID_FORM
    await world.owner.ok("PATCH", world.path, {"name": "Yes"}, **because("%E2%9C%93" * 512))
    (entry,) = await entries(world.owner, world, limit=1)
    assert entry["reason"] == "✓" * 512
