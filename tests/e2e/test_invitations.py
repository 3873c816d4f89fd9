"""Invitations of a user by name: made by who may invite, answered by whom they are for."""

import json

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_PERMISSIONS, UNKNOWN_INVITE, UNKNOWN_SERVER, UNKNOWN_USER
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER
from tests.support.world import World, assert_hidden

INVITATION_MANAGER = FINE_GRAINED_ROLES["invitation manager"]
MINE = "/api/beep/v1/users/@me/invitations"


def invitations(world: World) -> str:
    return f"/api/beep/v1/servers/{world.server_id}/invitations"


async def name_of(who: Api) -> str:
    return str((await who.ok("GET", "/users/@me"))["username"])


async def block(world: World, who: Api, other: Api) -> str:
    """The path of the relationship. It ends with the test: the people outlive it."""
    path = f"/users/@me/relationships/{other.user_id}"
    await who.ok("PUT", path, {"type": 2})
    world.stack.push_async_callback(who.call, "DELETE", path)
    return path


async def invite(by: Api, world: World, who: Api) -> str:
    """The id of the invitation."""
    return str((await by.ok("POST", invitations(world), {"user_id": who.user_id}))["id"])


@pytest.mark.story("SRV-02")
async def test_an_invitation_manager_invites_a_user_by_name(world: World) -> None:
    able, unable, stranger = await world.cast(INVITATION_MANAGER)
    guest, onlooker = await world.connect(stranger), await world.connect(world.member)
    named = {"username": await name_of(stranger)}

    assert await unable.refused("POST", invitations(world), named) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", invitations(world), named)
    made = await able.ok("POST", invitations(world), named)
    assert (made["guild"]["id"], made["guild"]["name"]) == (world.server_id, "World")
    assert (made["inviter"]["id"], made["invitee"]["id"]) == (able.user_id, stranger.user_id)

    assert await guest.wait_for("SERVER_INVITATION_CREATE") == made
    assert await stranger.ok("GET", MINE) == [made]
    # Their next session begins with it.
    assert (await world.connect(stranger)).of_kind("READY")[0]["invitations"] == [made]
    assert onlooker.of_kind("READY")[0]["invitations"] == []
    # It is between the server and the guest.
    await world.caught_up(onlooker)
    assert made["id"] not in json.dumps(onlooker.dispatches)
    assert await world.member.ok("GET", MINE) == []
    # To be invited is not to be in.
    assert await stranger.refused("GET", world.path) == UNKNOWN_SERVER


@pytest.mark.story("SRV-02")
async def test_who_is_invited_again_has_the_one_invitation(world: World) -> None:
    first = await invite(world.owner, world, world.stranger)
    await world.role("inviting", INVITATION_MANAGER, world.able)
    assert await invite(world.able, world, world.stranger) == first
    assert len(await world.stranger.ok("GET", MINE)) == 1


@pytest.mark.story("SRV-02")
async def test_who_cannot_be_invited(world: World) -> None:
    bot = await world.owner.ok("POST", "/api/beep/v1/bots", {"name": "helper"})
    for body, refusal in (
        ({"username": "nobody_has_this_name"}, UNKNOWN_USER),
        ({"user_id": str(7 << 60)}, UNKNOWN_USER),
        ({"user_id": bot["bot"]["id"]}, INVALID_FORM),
        ({}, INVALID_FORM),
        ({"username": "somebody", "user_id": world.stranger.user_id}, INVALID_FORM),
        ({"user_id": world.member.user_id}, (400, 0)),
    ):
        assert await world.owner.refused("POST", invitations(world), body) == refusal, body


@pytest.mark.story("SOC-13")
async def test_the_invited_user_accepts_and_is_a_member(world: World) -> None:
    await world.everyone(VIEWER)
    invitation = await invite(world.owner, world, world.stranger)
    guest, witness = await world.connect(world.stranger), await world.connect(world.member)
    # It is theirs alone.
    assert await world.able.refused("PUT", f"{MINE}/{invitation}") == UNKNOWN_INVITE

    accepted = await world.stranger.ok("PUT", f"{MINE}/{invitation}")
    assert accepted["guild"]["id"] == world.server_id
    created = await guest.wait_for("GUILD_CREATE", lambda d: d["id"] == world.server_id)
    assert [channel["id"] for channel in created["channels"]] == [world.channel_id]
    assert await guest.wait_for("SERVER_INVITATION_DELETE") == {"id": invitation}
    assert (await witness.wait_for("GUILD_MEMBER_ADD"))["user"]["id"] == world.stranger.user_id
    await world.caught_up(witness)
    assert witness.of_kind("SERVER_INVITATION_DELETE") == []
    await world.stranger.ok("GET", world.channel_path)
    assert await world.stranger.ok("GET", MINE) == []
    assert await world.stranger.refused("PUT", f"{MINE}/{invitation}") == UNKNOWN_INVITE


@pytest.mark.story("SOC-13")
async def test_the_invited_user_declines(world: World) -> None:
    invitation = await invite(world.owner, world, world.stranger)
    guest = await world.connect(world.stranger)
    assert await world.able.refused("DELETE", f"{MINE}/{invitation}") == UNKNOWN_INVITE
    await world.stranger.ok("DELETE", f"{MINE}/{invitation}")
    assert await guest.wait_for("SERVER_INVITATION_DELETE") == {"id": invitation}
    assert await world.stranger.refused("PUT", f"{MINE}/{invitation}") == UNKNOWN_INVITE
    await assert_hidden(world.stranger, "GET", world.path)
    # They may be invited another time.
    assert await invite(world.owner, world, world.stranger) != invitation


@pytest.mark.story("SRV-02")
async def test_an_invitation_is_taken_back_by_its_author_or_by_a_server_manager(world: World) -> None:
    able, unable, stranger = await world.cast(INVITATION_MANAGER)
    await world.role("inviting too", INVITATION_MANAGER, world.member)
    guest = await world.connect(stranger)
    first = await invite(able, world, stranger)
    path = f"{invitations(world)}/{first}"

    assert [each["id"] for each in await able.ok("GET", invitations(world))] == [first]
    assert await world.member.ok("GET", invitations(world)) == []
    assert await world.member.refused("DELETE", path) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "GET", invitations(world))
    await assert_hidden(stranger, "DELETE", path)
    await able.ok("DELETE", path)
    assert await guest.wait_for("SERVER_INVITATION_DELETE") == {"id": first}
    assert await able.refused("DELETE", path) == UNKNOWN_INVITE

    # `unable` manages the server: everybody's are theirs to see and to take back, though not to make.
    second = await invite(able, world, stranger)
    assert [each["id"] for each in await unable.ok("GET", invitations(world))] == [second]
    await unable.ok("DELETE", f"{invitations(world)}/{second}")
    assert await stranger.ok("GET", MINE) == []


@pytest.mark.story("SRV-02", "SOC-13")
async def test_an_invitation_is_over_when_the_user_is_in_or_the_server_is_gone(world: World) -> None:
    guest = await world.connect(world.stranger)
    first = await invite(world.owner, world, world.stranger)
    link = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    await world.stranger.ok("POST", f"/invites/{link['code']}", {})
    await guest.wait_for("SERVER_INVITATION_DELETE", lambda d: d["id"] == first)

    doomed = await world.owner.ok("POST", "/guilds", {"name": "Doomed"})
    path = f"/api/beep/v1/servers/{doomed['id']}/invitations"
    second = await world.owner.ok("POST", path, {"user_id": world.stranger.user_id})
    await world.owner.ok("DELETE", f"/guilds/{doomed['id']}")
    await guest.wait_for("SERVER_INVITATION_DELETE", lambda d: d["id"] == second["id"])
    assert await world.stranger.ok("GET", MINE) == []


@pytest.mark.story("SRV-02")
async def test_nobody_is_invited_without_a_right_to_invite(world: World) -> None:
    await world.everyone(Permission(0))
    body = {"user_id": world.stranger.user_id}
    assert await world.member.refused("POST", invitations(world), body) == MISSING_PERMISSIONS
    assert await world.stranger.ok("GET", MINE) == []


@pytest.mark.story("SRV-02", "SOC-08")
async def test_an_invitation_by_whom_the_user_has_blocked_does_not_reach_them(world: World) -> None:
    await world.role("inviting", INVITATION_MANAGER, world.able)
    guest = await world.connect(world.stranger)
    await block(world, world.stranger, world.owner)

    # To who is blocked it looks like any other.
    made = await world.owner.ok("POST", invitations(world), {"username": await name_of(world.stranger)})
    assert (made["inviter"]["id"], made["invitee"]["id"]) == (world.owner.user_id, world.stranger.user_id)
    assert await world.owner.ok("GET", invitations(world)) == [made]

    assert await world.stranger.ok("GET", MINE) == []
    assert (await world.connect(world.stranger)).of_kind("READY")[0]["invitations"] == []
    for method in ("PUT", "DELETE"):
        assert await world.stranger.refused(method, f"{MINE}/{made['id']}") == UNKNOWN_INVITE

    # Nor does it keep anybody else from inviting them.
    theirs = await world.able.ok("POST", invitations(world), {"user_id": world.stranger.user_id})
    assert theirs["inviter"]["id"] == world.able.user_id
    assert await guest.wait_for("SERVER_INVITATION_CREATE") == theirs
    assert made["id"] not in json.dumps(guest.dispatches)
    assert await world.stranger.ok("GET", MINE) == [theirs]
    await world.stranger.ok("PUT", f"{MINE}/{theirs['id']}")


@pytest.mark.story("SRV-02", "SOC-08")
async def test_an_invitation_of_before_is_hidden_for_as_long_as_its_author_is_blocked(world: World) -> None:
    invitation = await invite(world.owner, world, world.stranger)
    relationship = await block(world, world.stranger, world.owner)
    assert await world.stranger.ok("GET", MINE) == []
    assert await world.stranger.refused("PUT", f"{MINE}/{invitation}") == UNKNOWN_INVITE
    assert [each["id"] for each in await world.owner.ok("GET", invitations(world))] == [invitation]

    await world.stranger.ok("DELETE", relationship)
    assert [each["id"] for each in await world.stranger.ok("GET", MINE)] == [invitation]
    await world.stranger.ok("PUT", f"{MINE}/{invitation}")
