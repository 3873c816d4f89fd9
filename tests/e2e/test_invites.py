"""Invitation links: made by who may invite, used by anybody who has the code, until they are over."""

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_PERMISSIONS, UNKNOWN_CHANNEL, UNKNOWN_INVITE
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER, all_rights_but
from tests.support.world import World, assert_hidden

INVITATION_MANAGER = FINE_GRAINED_ROLES["invitation manager"]


async def invite(who: Api, world: World, **terms: object) -> str:
    """The code of a new link to the first channel."""
    made = await who.ok("POST", f"{world.channel_path}/invites", {"unique": True} | terms)
    return str(made["code"])


@pytest.mark.story("SRV-03")
async def test_an_invitation_manager_creates_a_link_that_lets_a_stranger_in(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(INVITATION_MANAGER)
    invites = f"{world.channel_path}/invites"
    assert await unable.refused("POST", invites, {}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", invites, {})
    made = await able.ok("POST", invites, {})
    assert (made["inviter"]["id"], made["guild"]["id"], made["channel"]["id"], made["uses"]) == (
        able.user_id,
        world.server_id,
        world.channel_id,
        0,
    )

    # Who has the code sees where it leads, and nothing else of the server until they have accepted it.
    shown = await stranger.ok("GET", f"/invites/{made['code']}")
    assert shown["guild"]["name"] == "World"
    assert await stranger.refused("GET", world.channel_path) == UNKNOWN_CHANNEL
    accepted = await stranger.ok("POST", f"/invites/{made['code']}", {})
    assert accepted["new_member"] is True
    await stranger.ok("GET", world.channel_path)


@pytest.mark.story("SRV-03", "GTW-02")
async def test_members_and_the_one_who_joins_are_told_of_it(world: World) -> None:
    await world.everyone(VIEWER)
    code = await invite(world.owner, world)
    newcomer, witness = await world.connect(world.stranger), await world.connect(world.member)
    await world.stranger.ok("POST", f"/invites/{code}", {})

    created = await newcomer.wait_for("GUILD_CREATE", lambda d: d["id"] == world.server_id)
    assert [channel["id"] for channel in created["channels"]] == [world.channel_id]
    added = await witness.wait_for("GUILD_MEMBER_ADD")
    assert (added["guild_id"], added["user"]["id"], added["roles"]) == (world.server_id, world.stranger.user_id, [])
    # From now on they hear what is said.
    sent = await world.owner.send(world.channel_id, "welcome")
    assert (await newcomer.wait_for("MESSAGE_CREATE"))["id"] == sent["id"]


@pytest.mark.story("SRV-04")
async def test_an_invitation_lives_as_long_and_is_used_as_often_as_its_maker_chose(world: World) -> None:
    able, _, stranger = await world.cast(INVITATION_MANAGER | VIEWER)
    once = await invite(able, world, max_age=1800, max_uses=1)
    shown = await able.ok("GET", f"/invites/{once}")
    assert (shown["max_age"], shown["max_uses"], shown["uses"]) == (1800, 1, 0)
    assert shown["expires_at"] > shown["created_at"]
    forever = await able.ok("GET", f"/invites/{await invite(able, world, max_age=0)}")
    assert (forever["max_age"], forever["max_uses"], forever["expires_at"]) == (0, 0, None)
    assert await able.refused("POST", f"{world.channel_path}/invites", {"max_age": 604_801}) == INVALID_FORM
    assert await able.refused("POST", f"{world.channel_path}/invites", {"max_uses": 101}) == INVALID_FORM

    # Who is a member already uses nothing up.
    assert (await world.member.ok("POST", f"/invites/{once}", {}))["new_member"] is False
    assert (await stranger.ok("POST", f"/invites/{once}", {}))["new_member"] is True
    # Now it is over, for the next one who comes.
    await stranger.ok("DELETE", f"/users/@me/guilds/{world.server_id}")
    assert await stranger.refused("POST", f"/invites/{once}", {}) == UNKNOWN_INVITE
    assert await stranger.refused("GET", f"/invites/{once}") == UNKNOWN_INVITE


@pytest.mark.story("SRV-04")
async def test_an_invitation_expires(world: World) -> None:
    code = await invite(world.owner, world, max_age=1)
    # No event says that a link has expired: ask until it is so.
    while (answer := await world.stranger.call("GET", f"/invites/{code}")).is_success:
        pass
    assert answer.json()["code"] == UNKNOWN_INVITE[1]
    assert await world.stranger.refused("POST", f"/invites/{code}", {}) == UNKNOWN_INVITE


@pytest.mark.story("SRV-04")
async def test_an_invitation_manager_lists_and_revokes_their_own_invitations(world: World) -> None:
    await world.everyone(VIEWER)
    able, _, stranger = await world.cast(INVITATION_MANAGER)
    mine, others = await invite(able, world), await invite(world.owner, world)
    for path in (f"{world.path}/invites", f"{world.channel_path}/invites"):
        assert [each["code"] for each in await able.ok("GET", path)] == [mine]
        assert await world.member.refused("GET", path) == MISSING_PERMISSIONS
        await assert_hidden(stranger, "GET", path)

    assert await able.refused("DELETE", f"/invites/{others}") == MISSING_PERMISSIONS
    assert await world.member.refused("DELETE", f"/invites/{mine}") == MISSING_PERMISSIONS
    assert (await stranger.call("DELETE", f"/invites/{mine}")).status_code == 404
    assert (await able.ok("DELETE", f"/invites/{mine}"))["code"] == mine
    assert await stranger.refused("POST", f"/invites/{mine}", {}) == UNKNOWN_INVITE
    await stranger.ok("POST", f"/invites/{others}", {})


@pytest.mark.story("SRV-04")
async def test_who_lacks_every_right_over_invitations_neither_lists_nor_revokes_them(world: World) -> None:
    decides = Permission.CREATE_INSTANT_INVITE | Permission.MANAGE_GUILD | Permission.MANAGE_CHANNELS
    await world.role("all but this", all_rights_but(decides), world.unable)
    code = await invite(world.owner, world)
    for method, path in (
        ("GET", f"{world.path}/invites"),
        ("GET", f"{world.channel_path}/invites"),
        ("DELETE", f"/invites/{code}"),
    ):
        assert await world.unable.refused(method, path) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-04")
@pytest.mark.parametrize("role", ["server manager", "channel manager"])
async def test_who_manages_the_server_or_the_channel_revokes_anybodys_invitation(world: World, role: str) -> None:
    await world.everyone(VIEWER)
    able, _, _ = await world.cast(FINE_GRAINED_ROLES[role])
    code = await invite(world.owner, world)
    assert code in {each["code"] for each in await able.ok("GET", f"{world.channel_path}/invites")}
    await able.ok("DELETE", f"/invites/{code}")
    assert await world.stranger.refused("POST", f"/invites/{code}", {}) == UNKNOWN_INVITE


@pytest.mark.story("SRV-04", "GTW-02")
async def test_only_who_manages_channels_is_told_of_an_invitation(world: World) -> None:
    """The event has the code in it, and the code lets whoever knows it in."""
    await world.everyone(VIEWER)
    await world.cast(FINE_GRAINED_ROLES["channel manager"])
    keeper, others = await world.connect(world.able), await world.connect(world.unable)
    code = await invite(world.owner, world, max_uses=5)
    created = await keeper.wait_for("INVITE_CREATE")
    assert (created["code"], created["max_uses"], created["inviter"]["id"]) == (code, 5, world.owner.user_id)
    await world.owner.ok("DELETE", f"/invites/{code}")
    deleted = await keeper.wait_for("INVITE_DELETE")
    assert deleted == {"channel_id": world.channel_id, "guild_id": world.server_id, "code": code}

    await world.caught_up(others)
    assert others.of_kind("INVITE_CREATE") == others.of_kind("INVITE_DELETE") == []
