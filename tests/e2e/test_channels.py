"""Channels: made, ordered, restricted and deleted by who manages them; listed and read by who may view them."""

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import (
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    UNKNOWN_CHANNEL,
    UNKNOWN_INVITE,
    UNKNOWN_MEMBER,
    UNKNOWN_OVERWRITE,
    UNKNOWN_ROLE,
)
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

CHANNEL_MANAGER = FINE_GRAINED_ROLES["channel manager"]
MANAGE_CHANNELS = Permission.MANAGE_CHANNELS
# Either of them sets overwrites: Discord's bit for it, and that of Beep's channel managers.
SETS_OVERWRITES = Permission.MANAGE_CHANNELS | Permission.MANAGE_ROLES
MEMBER, ROLE = 1, 0


def bits(permissions: Permission) -> str:
    return str(int(permissions))


async def channels_of(world: World, who: Api) -> set[str]:
    return {channel["id"] for channel in await who.ok("GET", f"{world.path}/channels")}


@pytest.mark.story("CHT-01", "CHT-02", "SRV-13")
async def test_a_channel_manager_creates_updates_and_deletes_channels(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(CHANNEL_MANAGER)
    channels = f"{world.path}/channels"
    form = {"name": "plans", "type": 0, "topic": "what next", "rate_limit_per_user": 0, "nsfw": False}

    assert await unable.refused("POST", channels, form) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", channels, form)
    made = await able.ok("POST", channels, form)
    assert {key: made[key] for key in form} == form
    assert made["guild_id"] == world.server_id

    channel = f"/channels/{made['id']}"
    assert await unable.refused("PATCH", channel, {"topic": "rubbish"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", channel, {"topic": "rubbish"})
    changed = await able.ok("PATCH", channel, {"name": "old plans", "topic": None})
    assert (changed["name"], changed["topic"]) == ("old-plans", None)
    assert await world.member.ok("GET", channel) == changed

    assert await unable.refused("DELETE", channel) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", channel)
    assert await able.ok("DELETE", channel) == changed
    assert await able.refused("GET", channel) == UNKNOWN_CHANNEL
    assert await world.owner.refused("POST", f"{channel}/messages", {"content": "anybody?"}) == UNKNOWN_CHANNEL


@pytest.mark.story("SRV-13")
async def test_a_channel_manager_orders_channels_and_puts_them_into_a_category(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(CHANNEL_MANAGER)
    category = await world.channel("projects", type=4)
    first, second = await world.channel("first"), await world.channel("second")
    order = [{"id": second, "position": 1, "parent_id": category}, {"id": first, "position": 2}]

    assert await unable.refused("PATCH", f"{world.path}/channels", order) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", f"{world.path}/channels", order)
    await able.ok("PATCH", f"{world.path}/channels", order)
    channels = {channel["id"]: channel for channel in await world.member.ok("GET", f"{world.path}/channels")}
    assert (channels[second]["position"], channels[second]["parent_id"]) == (1, category)
    assert (channels[first]["position"], channels[first]["parent_id"]) == (2, None)


@pytest.mark.story("SRV-13", "SRV-14")
async def test_channels_keep_in_step_with_their_category_until_they_have_overwrites_of_their_own(world: World) -> None:
    await world.everyone(VIEWER)
    hidden = [{"id": world.server_id, "type": 0, "allow": "0", "deny": str(int(VIEWER))}]
    category = await world.channel("council", type=4, permission_overwrites=hidden)
    inside = await world.channel("inside", parent_id=category)
    apart = await world.channel("apart", parent_id=category, permission_overwrites=[{**hidden[0], "deny": "0"}])
    session, owner = await world.connect(world.member), await world.connect(world.owner)
    assert await channels_of(world, world.member) == {world.channel_id, apart}

    # The category opens, and what is in step with it.
    await world.owner.ok("DELETE", f"/channels/{category}/permissions/{world.server_id}")
    assert await channels_of(world, world.member) == {world.channel_id, apart, category, inside}
    await session.wait_for("CHANNEL_CREATE", lambda channel: channel["id"] == inside)
    told = await owner.wait_for("CHANNEL_UPDATE", lambda channel: channel["id"] == inside)
    assert told["permission_overwrites"] == []
    # It closes again; a channel with overwrites of its own stays as it is.
    await world.owner.ok("PATCH", f"/channels/{category}", {"permission_overwrites": hidden})
    await session.wait_for("CHANNEL_DELETE", lambda channel: channel["id"] == inside)
    assert await channels_of(world, world.member) == {world.channel_id, apart}


@pytest.mark.story("SRV-13", "SRV-14")
async def test_a_moved_channel_takes_over_the_overwrites_of_its_category_when_asked_to(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, _ = await world.cast(CHANNEL_MANAGER | VIEWER, unable_lacks=CHANNEL_MANAGER)
    hidden = [{"id": world.server_id, "type": 0, "allow": "0", "deny": str(int(VIEWER))}]
    category = await world.channel("council", type=4, permission_overwrites=hidden)
    secret = await world.channel("secret", permission_overwrites=hidden)
    plain, other = await world.channel("plain"), await world.channel("other")

    def order(channel_id: str, *, lock: bool) -> list[dict[str, object]]:
        return [{"id": channel_id, "parent_id": category, "lock_permissions": lock}]

    move = f"{world.path}/channels"
    assert await unable.refused("PATCH", move, order(plain, lock=True)) == MISSING_PERMISSIONS
    await able.ok("PATCH", move, order(plain, lock=True))
    await able.ok("PATCH", move, order(other, lock=False))
    assert plain not in await channels_of(world, world.member)
    assert other in await channels_of(world, world.member)
    # Nobody opens for themselves what they may not view.
    await world.owner.ok("DELETE", f"/channels/{category}/permissions/{world.server_id}")
    assert await able.refused("PATCH", move, order(secret, lock=True)) == MISSING_PERMISSIONS
    assert secret not in await channels_of(world, able)


@pytest.mark.story("SRV-13", "CHT-02")
async def test_a_category_leaves_its_channels_behind_and_a_channel_takes_its_invitations_along(world: World) -> None:
    await world.everyone(VIEWER)
    category = await world.channel("projects", type=4)
    inside = await world.channel("inside", parent_id=category)
    code = (await world.owner.ok("POST", f"/channels/{inside}/invites", {}))["code"]
    session = await world.connect(world.member)

    await world.owner.ok("DELETE", f"/channels/{category}")
    assert (await session.wait_for("CHANNEL_DELETE"))["id"] == category
    moved = await session.wait_for("CHANNEL_UPDATE", lambda channel: channel["id"] == inside)
    assert moved["parent_id"] is None

    await world.owner.ok("DELETE", f"/channels/{inside}")
    await session.wait_for("CHANNEL_DELETE", lambda channel: channel["id"] == inside)
    assert await world.stranger.refused("POST", f"/invites/{code}", {}) == UNKNOWN_INVITE
    assert await channels_of(world, world.owner) == {world.channel_id}


@pytest.mark.story("SRV-13", "SRV-15", "CHT-03")
async def test_a_channel_viewer_lists_the_channels_that_they_see(world: World) -> None:
    able, unable, stranger = await world.cast(FINE_GRAINED_ROLES["channel viewer"])
    hidden = await world.channel(
        "council", permission_overwrites=[{"id": world.server_id, "type": ROLE, "deny": bits(Permission.VIEW_CHANNEL)}]
    )

    assert await channels_of(world, able) == {world.channel_id}
    assert await channels_of(world, unable) == set()
    assert await channels_of(world, world.owner) == {world.channel_id, hidden}
    await assert_hidden(stranger, "GET", f"{world.path}/channels")

    assert (await able.ok("GET", world.channel_path))["name"] == "general"
    assert await unable.refused("GET", world.channel_path) == MISSING_ACCESS
    assert await able.refused("GET", f"/channels/{hidden}") == MISSING_ACCESS
    await assert_hidden(stranger, "GET", world.channel_path)


@pytest.mark.story("SRV-15", "CHT-12")
async def test_a_channel_viewer_lists_the_messages(world: World) -> None:
    """To search them is CHT-07."""
    able, unable, stranger = await world.cast(FINE_GRAINED_ROLES["channel viewer"])
    sent = await world.owner.send(world.channel_id, "written before")
    messages = f"{world.channel_path}/messages"
    assert [message["id"] for message in await able.ok("GET", messages)] == [sent["id"]]
    assert (await able.ok("GET", f"{messages}/{sent['id']}"))["content"] == "written before"
    for path in (messages, f"{messages}/{sent['id']}", f"{messages}/pins"):
        assert await unable.refused("GET", path) == MISSING_ACCESS
        await assert_hidden(stranger, "GET", path)


@pytest.mark.story("SRV-15")
async def test_who_may_view_a_channel_but_not_its_history_reads_no_message(world: World) -> None:
    await world.everyone(Permission.VIEW_CHANNEL)
    sent = await world.owner.send(world.channel_id, "written before")
    messages = f"{world.channel_path}/messages"
    for path in (messages, f"{messages}/{sent['id']}", f"{messages}/pins"):
        assert await world.member.refused("GET", path) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-14")
@pytest.mark.parametrize("right", [CHANNEL_MANAGER, Permission.MANAGE_ROLES])
async def test_a_channel_manager_restricts_a_member_and_a_role(world: World, right: Permission) -> None:
    await world.everyone(VIEWER | Permission.SEND_MESSAGES)
    able, unable, stranger = await world.cast(right, unable_lacks=SETS_OVERWRITES)
    talkers = await world.role("talkers", Permission(0), world.member)
    for kind, target in ((MEMBER, world.member.user_id), (ROLE, talkers)):
        overwrite = f"{world.channel_path}/permissions/{target}"
        restriction = {"type": kind, "deny": bits(Permission.SEND_MESSAGES)}
        await world.member.send(world.channel_id, "before")

        assert await unable.refused("PUT", overwrite, restriction) == MISSING_PERMISSIONS
        await assert_hidden(stranger, "PUT", overwrite, restriction)
        await able.ok("PUT", overwrite, restriction)
        assert await world.member.refused("POST", f"{world.channel_path}/messages", {"content": "x"}) == (
            MISSING_PERMISSIONS
        )

        assert await unable.refused("DELETE", overwrite) == MISSING_PERMISSIONS
        await assert_hidden(stranger, "DELETE", overwrite)
        await able.ok("DELETE", overwrite)
        await world.member.send(world.channel_id, "after")
        assert await able.refused("DELETE", overwrite) == UNKNOWN_OVERWRITE


@pytest.mark.story("SRV-14")
async def test_a_channel_manager_grants_what_they_hold_themselves_and_nothing_else(world: World) -> None:
    able, _, _ = await world.cast(CHANNEL_MANAGER | VIEWER)
    overwrite = f"{world.channel_path}/permissions/{world.member.user_id}"
    assert await world.member.refused("GET", world.channel_path) == MISSING_ACCESS

    grant = {"type": MEMBER, "allow": bits(VIEWER)}
    await able.ok("PUT", overwrite, grant)
    await world.member.ok("GET", f"{world.channel_path}/messages")
    # In this channel and in no other.
    other = await world.channel("other")
    assert await world.member.refused("GET", f"/channels/{other}") == MISSING_ACCESS

    too_much = {"type": MEMBER, "allow": bits(VIEWER | Permission.SEND_MESSAGES)}
    assert await able.refused("PUT", overwrite, too_much) == MISSING_PERMISSIONS
    assert await able.refused("PATCH", world.channel_path, {"permission_overwrites": [
        {"id": world.member.user_id} | too_much
    ]}) == MISSING_PERMISSIONS  # fmt: skip


@pytest.mark.story("SRV-14")
async def test_an_overwrite_names_somebody_of_this_server(world: World) -> None:
    deny = {"deny": bits(Permission.SEND_MESSAGES)}
    permissions = f"{world.channel_path}/permissions"
    assert await world.owner.refused("PUT", f"{permissions}/{NOBODYS_ID}", deny | {"type": ROLE}) == UNKNOWN_ROLE
    assert await world.owner.refused("PUT", f"{permissions}/{world.stranger.user_id}", deny | {"type": MEMBER}) == (
        UNKNOWN_MEMBER
    )


@pytest.mark.story("CHT-01", "CHT-02", "GTW-02")
async def test_who_may_view_a_channel_is_told_of_it_and_who_may_not_is_not(world: World) -> None:
    """`able` views all channels, `unable` those that do not hide from @everyone."""
    await world.everyone(Permission.VIEW_CHANNEL)
    council = await world.role("council", VIEWER, world.able)
    inside, outside = await world.connect(world.able), await world.connect(world.unable)
    stranger = await world.connect(world.stranger)

    hide = [
        {"id": world.server_id, "type": ROLE, "deny": bits(Permission.VIEW_CHANNEL)},
        {"id": council, "type": ROLE, "allow": bits(Permission.VIEW_CHANNEL)},
    ]
    made = await world.owner.ok(
        "POST", f"{world.path}/channels", {"name": "council", "type": 0, "permission_overwrites": hide}
    )
    assert await inside.wait_for("CHANNEL_CREATE") == made
    changed = await world.owner.ok("PATCH", f"/channels/{made['id']}", {"topic": "secret"})
    # What was written last is no part of the change: a client knows it from the messages.
    assert await inside.wait_for("CHANNEL_UPDATE") | {"last_message_id": None} == changed
    await world.owner.ok("DELETE", f"/channels/{made['id']}")
    assert await inside.wait_for("CHANNEL_DELETE") | {"last_message_id": None} == changed

    await world.caught_up(inside, outside)
    assert outside.of_kind("CHANNEL_CREATE") == outside.of_kind("CHANNEL_UPDATE") == []
    assert outside.of_kind("CHANNEL_DELETE") == []
    await world.assert_untold(stranger)


@pytest.mark.story("SRV-14", "GTW-02")
async def test_a_channel_appears_and_disappears_with_the_right_to_view_it(world: World) -> None:
    session = await world.connect(world.member)
    overwrite = f"{world.channel_path}/permissions/{world.member.user_id}"

    await world.owner.ok("PUT", overwrite, {"type": MEMBER, "allow": bits(VIEWER)})
    appeared = await session.wait_for("CHANNEL_CREATE")
    assert appeared["id"] == world.channel_id
    assert [each["id"] for each in appeared["permission_overwrites"]] == [world.member.user_id]
    first = await world.owner.send(world.channel_id, "welcome")
    assert (await session.wait_for("MESSAGE_CREATE"))["id"] == first["id"]

    await world.owner.ok("DELETE", overwrite)
    assert (await session.wait_for("CHANNEL_DELETE"))["id"] == world.channel_id
    await world.owner.send(world.channel_id, "now that they are gone")
    await world.owner.ok("PUT", overwrite, {"type": MEMBER, "allow": bits(VIEWER)})
    last = await world.owner.send(world.channel_id, "welcome back")
    await session.wait_for("MESSAGE_CREATE", lambda message: message["id"] == last["id"])
    assert [message["content"] for message in session.of_kind("MESSAGE_CREATE")] == ["welcome", "welcome back"]
