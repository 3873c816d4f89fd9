"""Members: listed, named, muted and kicked."""

from datetime import UTC, datetime, timedelta

import pytest

from services.common.permissions import Permission
from tests.support.refusals import INVALID_FORM, MISSING_PERMISSIONS, UNKNOWN_CHANNEL, UNKNOWN_MEMBER
from tests.support.roles import FINE_GRAINED_ROLES, SENDER, VIEWER, all_rights_but
from tests.support.world import World, assert_hidden

MEMBER_MANAGER = FINE_GRAINED_ROLES["member manager"]


def in_the_future(**time: float) -> str:
    return (datetime.now(UTC) + timedelta(**time)).isoformat()


@pytest.mark.story("SRV-06")
async def test_a_member_manager_lists_the_members(world: World) -> None:
    able, _, stranger = await world.cast(MEMBER_MANAGER)
    members = f"{world.path}/members"
    listed = await able.ok("GET", f"{members}?limit=100")
    everybody = sorted((world.owner, world.able, world.unable, world.member), key=lambda person: int(person.user_id))
    assert [member["user"]["id"] for member in listed] == [person.user_id for person in everybody]
    # In pages, in the order of their ids.
    page = await able.ok("GET", f"{members}?limit=2&after={everybody[0].user_id}")
    assert page == listed[1:3]

    found = await able.ok("GET", f"{members}/search?query=member_&limit=10")
    assert [member["user"]["id"] for member in found] == [world.member.user_id]
    assert await able.ok("GET", f"{members}/{world.member.user_id}") == found[0]
    assert await able.refused("GET", f"{members}/{stranger.user_id}") == UNKNOWN_MEMBER
    for path in (members, f"{members}/search?query=member_", f"{members}/{world.member.user_id}"):
        await assert_hidden(stranger, "GET", path)


@pytest.mark.story("SRV-06")
async def test_any_member_sees_who_else_is_one(world: World) -> None:
    """As at Discord, where the list stands beside the channel: no right is needed to look at it."""
    assert len(await world.member.ok("GET", f"{world.path}/members?limit=100")) == 4


@pytest.mark.story("SRV-09")
async def test_a_member_manager_kicks_a_member(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=Permission.KICK_MEMBERS)
    role = await world.role("veteran", VIEWER, world.member)
    kicked, witness = await world.connect(world.member), await world.connect(able)
    member = f"{world.path}/members/{world.member.user_id}"

    assert await unable.refused("DELETE", member) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", member)
    await able.ok("DELETE", member)

    assert await kicked.wait_for("GUILD_DELETE") == {"id": world.server_id}
    removed = await witness.wait_for("GUILD_MEMBER_REMOVE")
    assert (removed["guild_id"], removed["user"]["id"]) == (world.server_id, world.member.user_id)
    await assert_hidden(world.member, "GET", world.path)
    assert await world.member.refused("GET", world.channel_path) == UNKNOWN_CHANNEL
    assert await able.refused("DELETE", member) == UNKNOWN_MEMBER

    # They may come back, without what they had been given.
    invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    so_far = len(kicked.dispatches)
    await world.member.ok("POST", f"/invites/{invite['code']}", {})
    assert (await kicked.wait_for("GUILD_CREATE", start=so_far))["id"] == world.server_id
    assert role not in (await world.owner.ok("GET", member))["roles"]


@pytest.mark.story("SRV-09")
async def test_a_member_manager_kicks_nobody_above_them(world: World) -> None:
    await world.role("boss", Permission(0), world.unable)
    await world.role("member manager", MEMBER_MANAGER, world.able)
    for above in (world.owner, world.unable, world.able):
        assert await world.able.refused("DELETE", f"{world.path}/members/{above.user_id}") == MISSING_PERMISSIONS


@pytest.mark.story("SRV-07")
async def test_a_member_manager_mutes_a_member_for_a_time(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=Permission.MODERATE_MEMBERS)
    session = await world.connect(world.member)
    member, messages = f"{world.path}/members/{world.member.user_id}", f"{world.channel_path}/messages"
    mute = {"communication_disabled_until": in_the_future(hours=1)}

    assert await unable.refused("PATCH", member, mute) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", member, mute)
    muted = await able.ok("PATCH", member, mute)
    assert datetime.fromisoformat(muted["communication_disabled_until"]) > datetime.now(UTC)
    updated = await session.wait_for("GUILD_MEMBER_UPDATE")
    assert updated["communication_disabled_until"] == muted["communication_disabled_until"]

    # They can read, not send; and hear what others say.
    assert await world.member.refused("POST", messages, {"content": "mmmh"}) == MISSING_PERMISSIONS
    said = await world.owner.send(world.channel_id, "silence")
    assert [message["id"] for message in await world.member.ok("GET", messages)] == [said["id"]]
    assert (await session.wait_for("MESSAGE_CREATE"))["id"] == said["id"]

    assert await unable.refused("PATCH", member, {"communication_disabled_until": None}) == MISSING_PERMISSIONS
    await able.ok("PATCH", member, {"communication_disabled_until": None})
    await world.member.send(world.channel_id, "thank you")


@pytest.mark.story("SRV-07")
async def test_a_mute_ends_by_itself(world: World) -> None:
    await world.everyone(VIEWER | SENDER)
    session = await world.connect(world.member)
    until = in_the_future(seconds=1.5)
    await world.owner.ok(
        "PATCH", f"{world.path}/members/{world.member.user_id}", {"communication_disabled_until": until}
    )
    await world.member.refused("POST", f"{world.channel_path}/messages", {"content": "mmmh"})
    await session.wait_for("GUILD_MEMBER_UPDATE", lambda member: member["communication_disabled_until"] is None)
    assert datetime.now(UTC) >= datetime.fromisoformat(until)
    await world.member.send(world.channel_id, "at last")


@pytest.mark.story("SRV-07")
async def test_nobody_mutes_the_owner_an_administrator_or_for_ever(world: World) -> None:
    able, _, _ = await world.cast(MEMBER_MANAGER)
    await world.role("administrator", Permission.ADMINISTRATOR, world.member)
    mute = {"communication_disabled_until": in_the_future(hours=1)}
    for person in (world.owner, world.member):
        assert await able.refused("PATCH", f"{world.path}/members/{person.user_id}", mute) == MISSING_PERMISSIONS
    too_long = {"communication_disabled_until": in_the_future(days=29)}
    assert await able.refused("PATCH", f"{world.path}/members/{world.member.user_id}", too_long) == INVALID_FORM


@pytest.mark.story("SRV-11")
async def test_a_nickname_manager_changes_any_members_nickname_and_their_own(world: World) -> None:
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["nickname manager"], unable_lacks=Permission.MANAGE_NICKNAMES
    )
    session, outside = await world.connect(world.member), await world.connect(stranger)
    member = f"{world.path}/members/{world.member.user_id}"

    assert await unable.refused("PATCH", member, {"nick": "Shrimp"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", member, {"nick": "Shrimp"})
    assert (await able.ok("PATCH", member, {"nick": "Captain"}))["nick"] == "Captain"
    assert (await session.wait_for("GUILD_MEMBER_UPDATE"))["nick"] == "Captain"
    assert (await able.ok("PATCH", member, {"nick": None}))["nick"] is None
    assert (await able.ok("PATCH", f"{world.path}/members/@me", {"nick": "Myself"}))["nick"] == "Myself"

    owner = f"{world.path}/members/{world.owner.user_id}"
    assert await able.refused("PATCH", owner, {"nick": "Tyrant"}) == MISSING_PERMISSIONS
    await world.caught_up(session)
    await world.assert_untold(outside)


@pytest.mark.story("SRV-12")
async def test_a_nickname_changer_changes_their_own_nickname_only(world: World) -> None:
    able, _, stranger = await world.cast(FINE_GRAINED_ROLES["nickname changer"])
    own = f"{world.path}/members/@me"
    assert (await able.ok("PATCH", own, {"nick": "Ada the Great"}))["nick"] == "Ada the Great"
    assert await able.refused("PATCH", f"{world.path}/members/{world.member.user_id}", {"nick": "Ben"}) == (
        MISSING_PERMISSIONS
    )
    await assert_hidden(stranger, "PATCH", own, {"nick": "Nobody"})
    assert await able.refused("PATCH", own, {"nick": "x" * 33}) == INVALID_FORM


@pytest.mark.story("SRV-12")
async def test_who_is_no_nickname_changer_keeps_their_name(world: World) -> None:
    # MANAGE_NICKNAMES is about others; one's own nickname is another right.
    await world.role("all but this", all_rights_but(Permission.CHANGE_NICKNAME), world.unable)
    assert await world.unable.refused("PATCH", f"{world.path}/members/@me", {"nick": "x"}) == MISSING_PERMISSIONS


@pytest.mark.story("ACC-07", "GTW-02")
async def test_members_are_told_who_somebody_is_now(world: World) -> None:
    witness, outside = await world.connect(world.able), await world.connect(world.stranger)
    name = f"Name {world.server_id}"
    await world.member.ok("PATCH", "/users/@me", {"global_name": name})
    told = await witness.wait_for("GUILD_MEMBER_UPDATE", lambda member: member["user"]["global_name"] == name)
    assert (told["guild_id"], told["user"]["id"]) == (world.server_id, world.member.user_id)
    assert (await world.owner.ok("GET", f"{world.path}/members/{world.member.user_id}"))["user"] == told["user"]
    await world.caught_up(witness)
    await world.assert_untold(outside)
    # Nobody did anything to them.
    log = await world.owner.ok("GET", f"{world.path}/audit-logs?target_id={world.member.user_id}")
    assert log["audit_log_entries"] == []
