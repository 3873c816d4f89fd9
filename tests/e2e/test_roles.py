"""Roles: made, changed, ordered and deleted by who manages them; given and taken by who manages roles or members."""

import pytest

from services.common.permissions import Permission
from tests.support.api import Api
from tests.support.refusals import INVALID_FORM, MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_MEMBER, UNKNOWN_ROLE
from tests.support.roles import FINE_GRAINED_ROLES, NOTHING, SENDER, VIEWER
from tests.support.world import NOBODYS_ID, World, assert_hidden

ROLE_MANAGER = FINE_GRAINED_ROLES["role manager"]
MEMBER_MANAGER = FINE_GRAINED_ROLES["member manager"]
# Either of them may give and take roles.
GIVES_ROLES = Permission.MANAGE_ROLES | Permission.ASSIGN_ROLES


async def roles_of(world: World, who: Api) -> set[str]:
    return set((await world.owner.ok("GET", f"{world.path}/members/{who.user_id}"))["roles"])


@pytest.mark.story("SRV-10")
async def test_a_role_manager_creates_updates_lists_and_deletes_roles(world: World) -> None:
    able, unable, stranger = await world.cast(ROLE_MANAGER)
    roles = f"{world.path}/roles"
    form = {"name": "gardener", "color": 0x00FF00, "hoist": True, "mentionable": True, "permissions": "0"}

    assert await unable.refused("POST", roles, form) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "POST", roles, form)
    made = await able.ok("POST", roles, form)
    assert {key: made[key] for key in form} == form

    role = f"{roles}/{made['id']}"
    assert await unable.refused("PATCH", role, {"name": "weed"}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", role, {"name": "weed"})
    renamed = await able.ok("PATCH", role, {"name": "florist"})
    assert renamed == made | {"name": "florist"}

    # The roles stand beside everybody's name, so every member may know them.
    await assert_hidden(stranger, "GET", roles)
    listed = await world.member.ok("GET", roles)
    assert renamed in listed
    assert {each["name"] for each in listed} == {"@everyone", "just this", "all but this", "florist"}

    assert await unable.refused("DELETE", role) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", role)
    await able.ok("DELETE", role)
    assert renamed not in await able.ok("GET", roles)
    assert await able.refused("DELETE", role) == UNKNOWN_ROLE


@pytest.mark.story("SRV-10")
async def test_a_role_manager_orders_the_roles_below_their_own(world: World) -> None:
    able, unable, stranger = await world.cast(ROLE_MANAGER)
    roles = f"{world.path}/roles"
    low, high = await world.role("low", NOTHING), await world.role("high", NOTHING)
    own = (await roles_of(world, able)).pop()
    await world.owner.ok("PATCH", roles, [{"id": own, "position": 10}])
    order = [{"id": low, "position": 2}, {"id": high, "position": 3}]

    assert await unable.refused("PATCH", roles, order) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", roles, order)
    moved = await able.ok("PATCH", roles, order)
    assert {role["id"]: role["position"] for role in moved}.items() >= {low: 2, high: 3, own: 4}.items()
    # Neither past one's own role, nor that one itself.
    assert await able.refused("PATCH", roles, [{"id": low, "position": 11}]) == MISSING_PERMISSIONS
    assert await able.refused("PATCH", roles, [{"id": own, "position": 1}]) == MISSING_PERMISSIONS


@pytest.mark.story("SRV-10")
async def test_a_role_manager_passes_on_no_right_that_they_lack(world: World) -> None:
    able, _, _ = await world.cast(ROLE_MANAGER)
    roles = f"{world.path}/roles"
    banner = {"name": "banner", "permissions": str(int(Permission.BAN_MEMBERS))}
    administrator = {"name": "king", "permissions": str(int(Permission.ADMINISTRATOR))}
    assert await able.refused("POST", roles, banner) == MISSING_PERMISSIONS
    assert await able.refused("POST", roles, administrator) == MISSING_PERMISSIONS
    everyone = f"{roles}/{world.server_id}"
    assert await able.refused("PATCH", everyone, administrator | {"name": None}) == MISSING_PERMISSIONS
    await able.ok("POST", roles, {"name": "deputy", "permissions": str(int(ROLE_MANAGER))})


@pytest.mark.story("SRV-10")
async def test_everyone_is_a_role_that_can_only_be_given_permissions(world: World) -> None:
    everyone = f"{world.path}/roles/{world.server_id}"
    assert await world.owner.refused("PATCH", everyone, {"name": "all"}) == INVALID_FORM
    assert await world.owner.refused("DELETE", everyone) == MISSING_PERMISSIONS
    changed = await world.owner.ok("PATCH", everyone, {"permissions": str(int(VIEWER))})
    assert changed["permissions"] == str(int(VIEWER))


@pytest.mark.story("SRV-05", "SRV-10")
@pytest.mark.parametrize("right", [ROLE_MANAGER, MEMBER_MANAGER, Permission.ASSIGN_ROLES])
async def test_a_role_or_member_manager_gives_and_takes_roles(world: World, right: Permission) -> None:
    able, unable, stranger = await world.cast(right, unable_lacks=GIVES_ROLES)
    role = await world.role("talker", VIEWER | SENDER)
    given = f"{world.path}/members/{world.member.user_id}/roles/{role}"
    await world.member.refused("GET", world.channel_path)

    assert await unable.refused("PUT", given) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PUT", given)
    await able.ok("PUT", given)
    assert await roles_of(world, world.member) == {role}
    await world.member.send(world.channel_id, "now I may talk")

    assert await unable.refused("DELETE", given) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", given)
    await able.ok("DELETE", given)
    assert await roles_of(world, world.member) == set()
    await world.member.refused("POST", f"{world.channel_path}/messages", {"content": "and now no more"})


@pytest.mark.story("SRV-05")
async def test_a_member_manager_sets_all_roles_of_a_member_at_once(world: World) -> None:
    able, unable, stranger = await world.cast(MEMBER_MANAGER, unable_lacks=GIVES_ROLES)
    old, new = await world.role("old", NOTHING, world.member), await world.role("new", NOTHING)
    member = f"{world.path}/members/{world.member.user_id}"
    assert await unable.refused("PATCH", member, {"roles": [new]}) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", member, {"roles": [new]})
    assert (await able.ok("PATCH", member, {"roles": [new]}))["roles"] == [new]
    assert await roles_of(world, world.member) == {new}
    assert old != new


@pytest.mark.story("SRV-05")
async def test_a_member_manager_gives_no_role_above_their_own_highest(world: World) -> None:
    above = await world.role("above", NOTHING)
    able, _, _ = await world.cast(MEMBER_MANAGER)
    own = (await roles_of(world, able)).pop()
    member = f"{world.path}/members/{world.member.user_id}"
    await world.owner.ok("PUT", f"{world.path}/members/{world.unable.user_id}/roles/{above}")

    for role in (above, own):
        assert await able.refused("PUT", f"{member}/roles/{role}") == MISSING_PERMISSIONS
        assert await able.refused("PATCH", member, {"roles": [role]}) == MISSING_PERMISSIONS
    assert await able.refused("DELETE", f"{world.path}/members/{world.unable.user_id}/roles/{above}") == (
        MISSING_PERMISSIONS
    )
    # One who may give roles may not make any.
    assert await able.refused("POST", f"{world.path}/roles", {"name": "mine", "permissions": "0"}) == (
        MISSING_PERMISSIONS
    )
    assert await roles_of(world, world.member) == set()


@pytest.mark.story("SRV-05")
async def test_nobody_gives_what_is_not_there_or_to_who_is_not_there(world: World) -> None:
    able, _, _ = await world.cast(MEMBER_MANAGER)
    role = await world.role("real", NOTHING)
    member = f"{world.path}/members/{world.member.user_id}"
    assert await able.refused("PUT", f"{member}/roles/{NOBODYS_ID}") == UNKNOWN_ROLE
    assert await able.refused("PUT", f"{world.path}/members/{world.stranger.user_id}/roles/{role}") == UNKNOWN_MEMBER


@pytest.mark.story("SRV-10", "GTW-02")
async def test_what_a_role_let_its_holders_see_goes_with_the_role(world: World) -> None:
    role = await world.role("insider", NOTHING, world.member)
    overwrite = f"{world.channel_path}/permissions/{role}"
    await world.owner.ok("PUT", overwrite, {"type": 0, "allow": str(int(VIEWER))})
    session = await world.connect(world.member)
    await world.member.ok("GET", world.channel_path)

    await world.owner.ok("DELETE", f"{world.path}/roles/{role}")
    assert await world.member.refused("GET", world.channel_path) == MISSING_ACCESS
    assert (await session.wait_for("CHANNEL_DELETE"))["id"] == world.channel_id
    assert (await world.owner.ok("GET", world.channel_path))["permission_overwrites"] == []


@pytest.mark.story("SRV-10", "GTW-02")
async def test_every_member_and_no_stranger_is_told_of_a_role(world: World) -> None:
    member, stranger = await world.connect(world.member), await world.connect(world.stranger)
    role = await world.owner.ok("POST", f"{world.path}/roles", {"name": "seen", "permissions": "0"})
    created = await member.wait_for("GUILD_ROLE_CREATE")
    assert created == {"guild_id": world.server_id, "role": role}

    role = await world.owner.ok("PATCH", f"{world.path}/roles/{role['id']}", {"name": "seen again"})
    assert await member.wait_for("GUILD_ROLE_UPDATE") == {"guild_id": world.server_id, "role": role}

    given = f"{world.path}/members/{world.member.user_id}/roles/{role['id']}"
    await world.owner.ok("PUT", given)
    updated = await member.wait_for("GUILD_MEMBER_UPDATE")
    assert (updated["user"]["id"], updated["roles"]) == (world.member.user_id, [role["id"]])

    await world.owner.ok("DELETE", f"{world.path}/roles/{role['id']}")
    gone = await member.wait_for("GUILD_ROLE_DELETE")
    assert gone == {"guild_id": world.server_id, "role_id": role["id"]}
    assert await roles_of(world, world.member) == set()

    await world.assert_untold(stranger)
