"""A channel in slow mode, and threads and moderators in it; what moderators did to messages is on record."""

import pytest

from services.common.permissions import Permission as P
from tests.support.refusals import MISSING_PERMISSIONS
from tests.support.roles import FINE_GRAINED_ROLES, SENDER, VIEWER
from tests.support.world import World, assert_hidden

SLOW_MODE = (429, 20016)


@pytest.mark.story("SRV-13", "SRV-16")
async def test_slow_mode_holds_up_a_sender_and_says_how_long(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    able, _, stranger = await world.cast(P.MANAGE_MESSAGES)
    await world.owner.ok("PATCH", world.channel_path, {"rate_limit_per_user": 3600})
    messages, form = f"{world.channel_path}/messages", {"content": "hello", "nonce": "n"}

    first = await world.member.ok("POST", messages, form)
    again = await world.member.call("POST", messages, {"content": "again"})
    assert (again.status_code, again.json()["code"]) == SLOW_MODE
    assert 3500 < again.json()["retry_after"] <= 3600
    assert int(again.headers["Retry-After"]) <= 3600
    # A retry of what was sent is no second message; deleting it wins no time.
    assert (await world.member.ok("POST", messages, form))["id"] == first["id"]
    await world.member.ok("DELETE", f"{messages}/{first['id']}")
    assert await world.member.refused("POST", messages, {"content": "again"}) == SLOW_MODE
    await assert_hidden(stranger, "POST", messages, {"content": "again"})
    # Who keeps order is not held up; elsewhere nobody is; and nobody, once it is over.
    for who in (able, world.owner):
        for text in ("one", "two"):
            await who.send(world.channel_id, text)
    await world.member.send(await world.channel("elsewhere"), "hello")
    await world.owner.ok("PATCH", world.channel_path, {"rate_limit_per_user": 0})
    await world.member.send(world.channel_id, "at last")


@pytest.mark.story("SRV-17", "SRV-22")
async def test_what_a_message_manager_did_is_in_the_audit_log(world: World) -> None:
    await world.everyone(VIEWER | P.VIEW_AUDIT_LOG)
    able, unable, _ = await world.cast(FINE_GRAINED_ROLES["message manager"], unable_lacks=P.MANAGE_MESSAGES)
    session = await world.connect(world.member)
    sent = [await world.owner.send(world.channel_id, text) for text in ("one", "two", "three")]
    own = await able.send(world.channel_id, "mine")
    messages, why = f"{world.channel_path}/messages", {"headers": {"X-Audit-Log-Reason": "spam"}}
    assert await unable.refused("DELETE", f"{messages}/{sent[0]['id']}", **why) == MISSING_PERMISSIONS
    await able.ok("PUT", f"{messages}/pins/{sent[0]['id']}", **why)
    await able.ok("DELETE", f"{messages}/pins/{sent[0]['id']}", **why)
    await able.ok("DELETE", f"{messages}/{own['id']}", **why)
    await able.ok("DELETE", f"{messages}/{sent[0]['id']}", **why)
    await able.ok("POST", f"{messages}/bulk-delete", {"messages": [sent[1]["id"], sent[2]["id"]]}, **why)
    await session.wait_for("GUILD_AUDIT_LOG_ENTRY_CREATE", lambda d: d["action_type"] == 73)

    log = await world.member.ok("GET", f"{world.path}/audit-logs?user_id={able.user_id}")
    entries = [each for each in log["audit_log_entries"] if 72 <= each["action_type"] <= 75]
    assert [each["action_type"] for each in entries] == [73, 72, 75, 74]
    assert {each["reason"] for each in entries} == {"spam"}
    bulk, deleted, *pins = entries
    assert (bulk["target_id"], bulk["options"]["count"]) == (world.channel_id, "2")
    assert (deleted["target_id"], deleted["options"]["channel_id"]) == (world.owner.user_id, world.channel_id)
    assert {each["options"]["message_id"] for each in pins} == {sent[0]["id"]}
