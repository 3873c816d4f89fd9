"""Webhooks: made, listed, changed and deleted by who manages them, or by who has the URL."""

import re

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import (
    INVALID_FORM,
    INVALID_WEBHOOK_TOKEN,
    MAX_WEBHOOKS,
    MISSING_PERMISSIONS,
    UNKNOWN_WEBHOOK,
    WRONG_CHANNEL_TYPE,
)
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

PIXEL = (
    "data:image/png;base64,"
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
WEBHOOK_MANAGER = FINE_GRAINED_ROLES["webhook manager"]


async def names(who: Api, path: str) -> list[str]:
    return [webhook["name"] for webhook in await who.ok("GET", f"{path}/webhooks")]


@pytest.mark.story("SRV-21")
async def test_a_webhook_manager_makes_lists_changes_and_deletes_webhooks(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(WEBHOOK_MANAGER)
    elsewhere = await world.channel("elsewhere")
    session = await world.connect(world.member)
    webhooks = f"{world.channel_path}/webhooks"

    assert await unable.refused("POST", webhooks, {"name": "ci"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", webhooks, {"name": "ci"})
    made = await able.ok("POST", webhooks, {"name": "ci"})
    assert re.fullmatch(r"[\w-]{68}", made["token"], re.ASCII)
    assert (made["type"], made["name"], made["guild_id"], made["channel_id"], made["user"]["id"]) == (
        1,
        "ci",
        world.server_id,
        world.channel_id,
        able.user_id,
    )
    assert await session.wait_for("WEBHOOKS_UPDATE") == {"guild_id": world.server_id, "channel_id": world.channel_id}

    webhook = f"/webhooks/{made['id']}"
    for path in (world.channel_path, world.path):
        assert await unable.refused("GET", f"{path}/webhooks") == MISSING_PERMISSIONS
        await assert_hidden(stranger, "GET", f"{path}/webhooks")
        assert await able.ok("GET", f"{path}/webhooks") == [made]
    assert await able.ok("GET", webhook) == made

    for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
        assert await unable.refused(method, webhook, body) == MISSING_PERMISSIONS
        await assert_hidden(stranger, method, webhook, body)
    changed = await able.ok("PATCH", webhook, {"name": "deploys", "channel_id": elsewhere})
    assert changed == made | {"name": "deploys", "channel_id": elsewhere}
    await session.wait_for("WEBHOOKS_UPDATE", lambda d: d["channel_id"] == elsewhere)
    assert await names(able, world.channel_path) == []

    await able.ok("DELETE", webhook)
    assert await able.refused("GET", webhook) == UNKNOWN_WEBHOOK
    assert await names(able, f"/channels/{elsewhere}") == []


@pytest.mark.story("SRV-21")
async def test_the_url_of_a_webhook_is_enough_and_names_nobody(world: World) -> None:
    await world.everyone(VIEWER)
    made = await world.owner.ok("POST", f"{world.channel_path}/webhooks", {"name": "ci"})
    elsewhere = await world.channel("elsewhere")
    url = f"/webhooks/{made['id']}/{made['token']}"
    without_user = {key: value for key, value in made.items() if key != "user"}
    async with Api(world.beep.url) as nobody:
        assert await nobody.ok("GET", url) == without_user
        # By its token it stays where somebody who may has put it.
        assert await nobody.ok("PATCH", url, {"name": "cd", "channel_id": elsewhere}) == without_user | {"name": "cd"}
        wrong = made["token"][:-1] + ("A" if made["token"][-1] != "A" else "B")
        for method, body in (("GET", None), ("PATCH", {"name": "mine"}), ("DELETE", None)):
            assert await nobody.refused(method, f"/webhooks/{made['id']}/{wrong}", body) == INVALID_WEBHOOK_TOKEN
            assert await nobody.refused(method, f"/webhooks/{NOBODYS_ID}/{wrong}", body) == UNKNOWN_WEBHOOK
        await nobody.ok("DELETE", url)
        assert await nobody.refused("GET", url) == UNKNOWN_WEBHOOK


@pytest.mark.story("SRV-21")
async def test_a_webhook_moves_only_to_where_its_manager_manages_webhooks(world: World) -> None:
    await world.everyone(VIEWER)
    able, _, _ = await world.cast(WEBHOOK_MANAGER)
    deny = {"id": world.server_id, "type": 0, "deny": str(int(Permission.MANAGE_WEBHOOKS))}
    closed = await world.channel("closed", permission_overwrites=[deny | {"id": able.user_id, "type": 1}])
    category = await world.channel("category", type=4)
    made = await able.ok("POST", f"{world.channel_path}/webhooks", {"name": "ci"})
    webhook = f"/webhooks/{made['id']}"
    assert await able.refused("PATCH", webhook, {"channel_id": closed}) == MISSING_PERMISSIONS
    assert await able.refused("PATCH", webhook, {"channel_id": category}) == WRONG_CHANNEL_TYPE
    assert await able.refused("POST", f"/channels/{category}/webhooks", {"name": "ci"}) == WRONG_CHANNEL_TYPE
    assert await able.refused("PATCH", webhook, {"name": " "}) == INVALID_FORM
    assert await able.ok("GET", webhook) == made


@pytest.mark.story("SRV-21")
async def test_a_channel_has_fifteen_webhooks_at_most_and_a_retry_makes_no_second(world: World) -> None:
    webhooks = f"{world.channel_path}/webhooks"
    retry = {"headers": {"Idempotency-Key": "once"}}
    first = await world.owner.ok("POST", webhooks, {"name": "0"}, **retry)
    for number in range(1, 15):
        await world.owner.ok("POST", webhooks, {"name": str(number)})
    assert await world.owner.refused("POST", webhooks, {"name": "one more"}) == MAX_WEBHOOKS
    assert await world.owner.ok("POST", webhooks, {"name": "0"}, **retry) == first
    assert await names(world.owner, world.channel_path) == [str(number) for number in range(15)]


@pytest.mark.story("SRV-21")
async def test_a_webhook_has_a_picture_that_everybody_gets(world: World) -> None:
    webhooks = f"{world.channel_path}/webhooks"
    assert await world.owner.refused("POST", webhooks, {"name": "ci", "avatar": "data:,hello"}) == INVALID_FORM
    assert await world.owner.ok("GET", webhooks) == []
    made = await world.owner.ok("POST", webhooks, {"name": "ci", "avatar": PIXEL})
    url = f"/webhooks/{made['id']}/{made['token']}"
    async with Api(world.beep.url) as nobody:
        picture = await nobody.http.get(f"{nobody.url}/avatars/{made['id']}/{made['avatar']}.png")
        assert (picture.status_code, picture.headers["content-type"]) == (200, "image/png")
        assert (await nobody.ok("PATCH", url, {"avatar": None}))["avatar"] is None
        changed = await nobody.ok("PATCH", url, {"avatar": PIXEL, "name": "cd"})
        assert (changed["name"], changed["avatar"] is None) == ("cd", False)


@pytest.mark.story("SRV-21", "SRV-22")
async def test_who_did_what_to_a_webhook_stands_in_the_audit_log(world: World) -> None:
    session = await world.connect(world.owner)
    reason = {"headers": {"X-Audit-Log-Reason": "for the builds"}}
    made = await world.owner.ok("POST", f"{world.channel_path}/webhooks", {"name": "ci"}, **reason)
    await world.owner.ok("PATCH", f"/webhooks/{made['id']}", {"name": "cd"})
    await world.owner.ok("DELETE", f"/webhooks/{made['id']}")
    changes = {
        50: [{"key": "name", "new_value": "ci"}, {"key": "channel_id", "new_value": world.channel_id}],
        51: [{"key": "name", "old_value": "ci", "new_value": "cd"}],
        52: [{"key": "name", "old_value": "cd"}, {"key": "channel_id", "old_value": world.channel_id}],
    }
    for action, why in ((50, "for the builds"), (51, None), (52, None)):
        entry = await session.wait_for("GUILD_AUDIT_LOG_ENTRY_CREATE", lambda d, a=action: d["action_type"] == a)
        assert (entry["target_id"], entry["user_id"]) == (made["id"], world.owner.user_id)
        assert entry.get("reason") == why
        assert entry["changes"] == changes[action]
    log = await world.owner.ok("GET", f"{world.path}/audit-logs", params={"action_type": 50})
    assert [entry["target_id"] for entry in log["audit_log_entries"]] == [made["id"]]
