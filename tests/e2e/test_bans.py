"""Bans: out at once, and not in again by any way."""

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.newcomer import Newcomer
from tests.support.person import Person, token_of
from tests.support.refusals import (
    BANNED,
    MISSING_PERMISSIONS,
    UNKNOWN_BAN,
    UNKNOWN_BOT,
    UNKNOWN_CHANNEL,
    UNKNOWN_USER,
)
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

MEMBER_MANAGER = FINE_GRAINED_ROLES["member manager"]
BECAUSE = {"headers": {"X-Audit-Log-Reason": "spam%20and%20worse"}}


def ban_of(world: World, who: Api) -> str:
    return f"{world.path}/bans/{who.user_id}"


@pytest.mark.story("SRV-08")
async def test_a_member_manager_bans_a_member_who_is_out_at_once(world: World) -> None:
    await world.everyone(VIEWER)
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=Permission.BAN_MEMBERS)
    banned, moderator = await world.connect(world.member), await world.connect(able)
    onlooker, outside = await world.connect(unable), await world.connect(stranger)
    ban = ban_of(world, world.member)

    assert await unable.refused("PUT", ban, {}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PUT", ban, {})
    await able.ok("PUT", ban, {}, **BECAUSE)

    assert await banned.wait_for("GUILD_DELETE") == {"id": world.server_id}
    told = await moderator.wait_for("GUILD_BAN_ADD")
    assert (told["guild_id"], told["user"]["id"]) == (world.server_id, world.member.user_id)
    # That somebody is gone is for everybody to know, that they are banned is for those who may ban.
    assert (await onlooker.wait_for("GUILD_MEMBER_REMOVE"))["user"]["id"] == world.member.user_id
    await world.caught_up(moderator, onlooker)
    assert onlooker.of_kind("GUILD_BAN_ADD") == banned.of_kind("GUILD_BAN_ADD") == []
    await world.assert_untold(outside)
    await assert_hidden(world.member, "GET", world.path)
    assert await world.member.refused("GET", world.channel_path) == UNKNOWN_CHANNEL


@pytest.mark.story("SRV-08")
async def test_a_banned_user_comes_in_by_no_way(world: World) -> None:
    await world.owner.ok("PATCH", world.path, {"features": ["DISCOVERABLE"]})
    link = await world.owner.ok("POST", f"{world.channel_path}/invites", {"unique": True})
    invitations = f"/api/beep/v1/servers/{world.server_id}/invitations"
    invitation = await world.owner.ok("POST", invitations, {"user_id": world.stranger.user_id})
    await world.owner.ok("PUT", ban_of(world, world.stranger), {})

    join = f"/api/beep/v1/servers/{world.server_id}/members/@me"
    assert await world.stranger.refused("PUT", join) == BANNED
    assert await world.stranger.refused("POST", f"/invites/{link['code']}", {}) == BANNED
    # The invitation went with the ban, and nobody makes another.
    accept = f"/api/beep/v1/users/@me/invitations/{invitation['id']}"
    assert (await world.stranger.refused("PUT", accept))[0] == 404
    assert await world.owner.refused("POST", invitations, {"user_id": world.stranger.user_id}) == BANNED
    assert (await world.owner.ok("GET", world.path))["approximate_member_count"] == 4

    await world.owner.ok("DELETE", ban_of(world, world.stranger))
    await world.stranger.ok("PUT", join)


@pytest.mark.story("SRV-08")
async def test_a_banned_user_does_not_come_in_as_somebody_else(world: World) -> None:
    link = await world.owner.ok("POST", f"{world.channel_path}/invites", {"unique": True})
    async with Newcomer.at(world.beep.url, "pest") as newcomer:
        first = await newcomer.become_user()
    await world.owner.ok("PUT", f"{world.path}/bans/{first.user_id}", {})

    local, _, domain = first.email.partition("@")
    async with Newcomer.at(world.beep.url, "pest") as newcomer:
        newcomer.email = f"{local}+again@{domain}"
        again = await newcomer.become_user()
    assert again.user_id != first.user_id
    async with Api(world.beep.url, again.token) as pest:
        assert await pest.refused("POST", f"/invites/{link['code']}", {}) == BANNED
        await world.owner.ok("DELETE", f"{world.path}/bans/{first.user_id}")
        await pest.ok("POST", f"/invites/{link['code']}", {})


@pytest.mark.story("SRV-08")
async def test_a_ban_is_of_every_address_that_the_user_ever_had(world: World) -> None:
    link = await world.owner.ok("POST", f"{world.channel_path}/invites", {"unique": True})
    async with Person.at(world.beep, "pest") as person:
        pest = await person.sign_in()
        await world.owner.ok("PUT", ban_of(world, pest), {})
        home = await pest.ok("POST", "/guilds", {"name": "Home"})
        session = await person.connect(pest)
        before, after = person.newcomer.email, f"new-{person.newcomer.email}"
        change = {"password": person.newcomer.password, "new_email": after}
        await pest.ok("POST", "/api/beep/v1/account/email", change)
        person.newcomer.email = after
        token = token_of(await person.newcomer.link("Confirm your new address for Beep"))
        await pest.ok("POST", "/api/beep/v1/account/email/confirm", {"token": token})
        # The servers hear of both changes in their order: what comes of the second one comes after the first.
        await pest.ok("PATCH", "/users/@me", {"global_name": "Somebody else"})
        await session.wait_for("GUILD_MEMBER_UPDATE", lambda d: d["guild_id"] == home["id"])
        await pest.ok("DELETE", f"/guilds/{home['id']}")

    for address in (before, after):
        local, _, domain = address.partition("@")
        async with Newcomer.at(world.beep.url, "pest") as newcomer:
            newcomer.email = f"{local}+again@{domain}"
            again = await newcomer.become_user()
        async with Api(world.beep.url, again.token) as pest:
            assert await pest.refused("POST", f"/invites/{link['code']}", {}) == BANNED, address


@pytest.mark.story("SRV-08")
async def test_a_banned_bot_is_not_added(world: World) -> None:
    bot = await world.owner.ok("POST", "/api/beep/v1/bots", {"name": "pest"})
    add = f"/api/beep/v1/servers/{world.server_id}/bots/{bot['bot']['id']}"
    await world.owner.ok("PUT", add, {"permissions": str(int(Permission.MANAGE_MESSAGES))})
    await world.owner.ok("PUT", f"{world.path}/bans/{bot['bot']['id']}", {})
    assert [role["name"] for role in await world.owner.ok("GET", f"{world.path}/roles")] == ["@everyone"]
    assert await world.owner.refused("PUT", add, {}) == BANNED
    assert await world.owner.refused("PUT", f"{add[:-3]}000", {}) == UNKNOWN_BOT


@pytest.mark.story("SRV-08")
async def test_a_member_manager_lists_and_lifts_bans(world: World) -> None:
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=Permission.BAN_MEMBERS)
    await able.ok("PUT", ban_of(world, world.member), {}, **BECAUSE)
    await able.ok("PUT", ban_of(world, stranger), {})
    moderator, onlooker = await world.connect(able), await world.connect(unable)
    everybody = sorted((world.member, stranger), key=lambda who: int(who.user_id))

    bans = await able.ok("GET", f"{world.path}/bans")
    assert [ban["user"]["id"] for ban in bans] == [who.user_id for who in everybody]
    first, last = (who.user_id for who in everybody)
    (page,) = await able.ok("GET", f"{world.path}/bans?limit=1")
    assert page["user"]["id"] == first
    (page,) = await able.ok("GET", f"{world.path}/bans?after={first}")
    assert page["user"]["id"] == last
    (page,) = await able.ok("GET", f"{world.path}/bans?before={last}")
    assert page["user"]["id"] == first
    one = await able.ok("GET", ban_of(world, world.member))
    assert (one["user"]["id"], one["reason"]) == (world.member.user_id, "spam and worse")
    assert await able.refused("GET", f"{world.path}/bans/{world.owner.user_id}") == UNKNOWN_BAN

    for method, path in (
        ("GET", f"{world.path}/bans"),
        ("GET", ban_of(world, stranger)),
        ("DELETE", ban_of(world, stranger)),
    ):
        assert await unable.refused(method, path) == MISSING_PERMISSIONS
        await assert_hidden(stranger, method, path)

    await able.ok("DELETE", ban_of(world, stranger))
    assert (await moderator.wait_for("GUILD_BAN_REMOVE"))["user"]["id"] == stranger.user_id
    assert await able.refused("DELETE", ban_of(world, stranger)) == UNKNOWN_BAN
    await world.caught_up(moderator, onlooker)
    assert onlooker.of_kind("GUILD_BAN_REMOVE") == []


@pytest.mark.story("SRV-08")
async def test_a_member_manager_bans_nobody_who_is_not_below_them(world: World) -> None:
    await world.role("boss", Permission(0), world.unable)
    await world.role("member manager", MEMBER_MANAGER, world.able)
    for above in (world.owner, world.unable, world.able):
        assert await world.able.refused("PUT", ban_of(world, above), {}) == MISSING_PERMISSIONS
    assert await world.able.refused("PUT", f"{world.path}/bans/{NOBODYS_ID}", {}) == UNKNOWN_USER


@pytest.mark.story("SRV-08")
async def test_many_are_banned_at_once_and_those_who_cannot_be_are_named(world: World) -> None:
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=Permission.BAN_MEMBERS)
    wanted = {"user_ids": [world.member.user_id, stranger.user_id, world.owner.user_id, NOBODYS_ID]}
    assert await unable.refused("POST", f"{world.path}/bulk-ban", wanted) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", f"{world.path}/bulk-ban", wanted)
    answer = await able.ok("POST", f"{world.path}/bulk-ban", wanted)
    assert set(answer["banned_users"]) == {world.member.user_id, stranger.user_id}
    assert set(answer["failed_users"]) == {world.owner.user_id, NOBODYS_ID}
    banned = {ban["user"]["id"] for ban in await able.ok("GET", f"{world.path}/bans")}
    assert banned == {world.member.user_id, stranger.user_id}


@pytest.mark.story("SRV-08")
async def test_what_somebody_wrote_of_late_goes_with_their_ban(world: World) -> None:
    await world.everyone(VIEWER | Permission.SEND_MESSAGES)
    sent = await world.member.send(world.channel_id, "spam")
    kept = await world.able.send(world.channel_id, "no spam")
    await world.owner.ok("PUT", ban_of(world, world.member), {"delete_message_seconds": 3600})
    left = [message["id"] for message in await world.owner.ok("GET", f"{world.channel_path}/messages")]
    assert kept["id"] in left
    assert sent["id"] not in left
