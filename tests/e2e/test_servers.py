"""Servers: made, found, joined, changed, left and deleted."""

import pytest

from services.common.permissions import Permission
from tests.support.refusals import (
    INVALID_FORM,
    MISSING_ACCESS,
    MISSING_PERMISSIONS,
    OWNER_CANNOT_LEAVE,
    UNKNOWN_CHANNEL,
    UNKNOWN_INVITE,
    UNKNOWN_SERVER,
)
from tests.support.roles import FINE_GRAINED_ROLES, VIEWER, all_rights_but
from tests.support.world import NOBODYS_ID, World, assert_hidden

PUBLIC = {"features": ["DISCOVERABLE"]}


def join(server_id: str) -> str:
    return f"/api/beep/v1/servers/{server_id}/members/@me"


@pytest.mark.story("SRV-01")
async def test_whoever_creates_a_server_owns_it(world: World) -> None:
    made = await world.stranger.ok("POST", "/guilds", {"name": "Reading Circle", "description": "on Tuesdays"})
    server = f"/guilds/{made['id']}"
    assert (made["name"], made["description"], made["features"]) == ("Reading Circle", "on Tuesdays", [])
    assert made["owner_id"] == world.stranger.user_id
    assert [role["id"] for role in made["roles"]] == [made["id"]], "@everyone has the id of its server"

    (listed,) = [each for each in await world.stranger.ok("GET", "/users/@me/guilds") if each["id"] == made["id"]]
    assert listed["owner"] is True
    assert int(listed["permissions"]) & Permission.ADMINISTRATOR
    (general,) = await world.stranger.ok("GET", f"{server}/channels")
    await world.stranger.send(general["id"], "first")

    # It is private: to somebody else it is not there, by any way.
    for method, path in (("GET", server), ("GET", f"{server}/channels"), ("PUT", join(made["id"]))):
        await assert_hidden(world.owner, method, path)
    assert await world.owner.refused("GET", f"/channels/{general['id']}") == UNKNOWN_CHANNEL
    await world.stranger.ok("DELETE", server)


@pytest.mark.story("SRV-01")
async def test_a_server_is_created_once_when_the_request_is_retried(world: World) -> None:
    key = {"headers": {"Idempotency-Key": f"once-{world.server_id}"}}
    first = await world.stranger.ok("POST", "/guilds", {"name": "Once"}, **key)
    again = await world.stranger.ok("POST", "/guilds", {"name": "Once"}, **key)
    assert again["id"] == first["id"]
    await world.stranger.ok("DELETE", f"/guilds/{first['id']}")


@pytest.mark.story("SOC-09", "SRV-01")
async def test_anybody_finds_a_public_server_and_joins_it_without_asking(world: World) -> None:
    public = await world.owner.ok("POST", "/guilds", {"name": f"Square {world.server_id}"} | PUBLIC)
    assert public["features"] == ["DISCOVERABLE"]
    (found,) = await world.stranger.ok("GET", f"/api/beep/v1/servers/public?query=Square {world.server_id}")
    assert (found["id"], found["approximate_member_count"]) == (public["id"], 1)
    # To be found is not to be looked into.
    await assert_hidden(world.stranger, "GET", f"/guilds/{public['id']}/channels")

    session = await world.connect(world.stranger)
    joined = await world.stranger.ok("PUT", join(public["id"]))
    assert (joined["id"], joined["approximate_member_count"]) == (public["id"], 2)
    created = await session.wait_for("GUILD_CREATE", lambda d: d["id"] == public["id"])
    assert world.stranger.user_id in {member["user"]["id"] for member in created["members"]}
    await world.stranger.send(public["system_channel_id"], "hello")
    # Joining twice is no error and makes nobody a member twice.
    assert (await world.stranger.ok("PUT", join(public["id"])))["approximate_member_count"] == 2
    await world.owner.ok("DELETE", f"/guilds/{public['id']}")


@pytest.mark.story("SOC-10")
async def test_a_public_server_is_found_by_a_part_of_its_name_or_description(world: World) -> None:
    tag = world.server_id
    chess = {"name": f"Chess {tag}", "description": "openings and endgames"} | PUBLIC
    garden = {"name": "Gardening", "description": f"roses, tomatoes and {tag}"} | PUBLIC
    secret = {"name": f"Secret Chess {tag}"}
    ids = [(await world.owner.ok("POST", "/guilds", form))["id"] for form in (chess, garden, secret)]

    async def found(query: str, **page: object) -> list[str]:
        answer = await world.stranger.ok("GET", "/api/beep/v1/servers/public", params={"query": query} | page)
        return [server["id"] for server in answer]

    assert await found(f"cHESS {tag}") == [ids[0]]
    assert await found(f"tomatoes and {tag}") == [ids[1]]
    assert await found(tag) == ids[:2]
    assert await found(tag, limit=1) == ids[:1]
    assert await found(tag, limit=1, after=ids[0]) == ids[1:2]
    assert await found(f"checkers {tag}") == []
    for server_id in ids:
        await world.owner.ok("DELETE", f"/guilds/{server_id}")


@pytest.mark.story("SOC-09")
async def test_nobody_finds_or_joins_a_private_server(world: World) -> None:
    listed = await world.stranger.ok("GET", "/api/beep/v1/servers/public?limit=200")
    assert world.server_id not in {server["id"] for server in listed}
    await assert_hidden(world.stranger, "PUT", join(world.server_id))
    assert await world.stranger.refused("GET", world.path) == UNKNOWN_SERVER
    # Once it is public it is found; private again, it is not, and who has joined stays.
    await world.owner.ok("PATCH", world.path, PUBLIC)
    await world.stranger.ok("PUT", join(world.server_id))
    await world.owner.ok("PATCH", world.path, {"features": []})
    listed = await world.member.ok("GET", "/api/beep/v1/servers/public?limit=200")
    assert world.server_id not in {server["id"] for server in listed}
    await world.stranger.ok("GET", world.path)


@pytest.mark.story("SOC-11")
async def test_i_see_the_servers_that_i_am_a_member_of(world: World) -> None:
    await world.everyone(VIEWER)
    mine = {server["id"]: server for server in await world.member.ok("GET", "/users/@me/guilds")}
    assert mine[world.server_id]["owner"] is False
    assert mine[world.server_id]["permissions"] == str(int(VIEWER))
    assert world.server_id not in {server["id"] for server in await world.stranger.ok("GET", "/users/@me/guilds")}


@pytest.mark.story("SOC-11", "GTW-01")
async def test_a_session_begins_with_my_servers_and_what_i_may_see_of_them(world: World) -> None:
    await world.everyone(VIEWER)
    hidden = await world.channel(
        "council",
        permission_overwrites=[{"id": world.server_id, "type": 0, "deny": str(int(Permission.VIEW_CHANNEL))}],
    )
    member, stranger = await world.connect(world.member), await world.connect(world.stranger)
    (created,) = [each for each in member.of_kind("GUILD_CREATE") if each["id"] == world.server_id]
    assert [channel["id"] for channel in created["channels"]] == [world.channel_id]
    assert created["member_count"] == len(created["members"]) == 4
    await world.assert_untold(stranger)
    owner = await world.connect(world.owner)
    (created,) = [each for each in owner.of_kind("GUILD_CREATE") if each["id"] == world.server_id]
    assert {channel["id"] for channel in created["channels"]} == {world.channel_id, hidden}


@pytest.mark.story("SOC-12")
async def test_a_member_leaves_a_server(world: World) -> None:
    await world.everyone(VIEWER)
    leaver, witness = await world.connect(world.member), await world.connect(world.able)
    mine = f"/users/@me/guilds/{world.server_id}"
    await world.member.ok("DELETE", mine)

    assert await leaver.wait_for("GUILD_DELETE") == {"id": world.server_id}
    assert (await witness.wait_for("GUILD_MEMBER_REMOVE"))["user"]["id"] == world.member.user_id
    await assert_hidden(world.member, "GET", world.path)
    assert await world.member.refused("GET", world.channel_path) == UNKNOWN_CHANNEL
    assert world.server_id not in {server["id"] for server in await world.member.ok("GET", "/users/@me/guilds")}
    # What happens from now on is no longer theirs to hear.
    heard = len(leaver.dispatches)
    await world.owner.send(world.channel_id, "they left")
    await witness.wait_for("MESSAGE_CREATE")
    await leaver.heartbeat()
    assert leaver.dispatches[heard:] == []

    assert await world.member.refused("DELETE", mine) == UNKNOWN_SERVER
    await assert_hidden(world.stranger, "DELETE", mine)


@pytest.mark.story("SOC-12")
async def test_the_owner_cannot_leave(world: World) -> None:
    assert await world.owner.refused("DELETE", f"/users/@me/guilds/{world.server_id}") == OWNER_CANNOT_LEAVE


@pytest.mark.story("SRV-19", "GTW-02")
async def test_a_server_manager_changes_the_settings(world: World) -> None:
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["server manager"], unable_lacks=Permission.MANAGE_GUILD
    )
    session, outside = await world.connect(world.member), await world.connect(stranger)
    change = {"name": "New World", "description": "much better"}
    assert await unable.refused("PATCH", world.path, change) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", world.path, change)
    changed = await able.ok("PATCH", world.path, change)
    assert {key: changed[key] for key in change} == change
    assert await session.wait_for("GUILD_UPDATE") == changed
    await world.caught_up(session)
    await world.assert_untold(outside)


@pytest.mark.story("SRV-19")
async def test_a_server_manager_deletes_the_server(world: World) -> None:
    able, unable, stranger = await world.cast(
        FINE_GRAINED_ROLES["server manager"], unable_lacks=Permission.MANAGE_GUILD
    )
    session, outside = await world.connect(world.member), await world.connect(stranger)
    invite = await world.owner.ok("POST", f"{world.channel_path}/invites", {})
    assert await unable.refused("DELETE", world.path) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "DELETE", world.path)

    await able.ok("DELETE", world.path)
    assert await session.wait_for("GUILD_DELETE") == {"id": world.server_id}
    await world.assert_untold(outside)
    for former in (world.owner, world.member, able):
        await assert_hidden(former, "GET", world.path)
        assert await former.refused("GET", world.channel_path) == UNKNOWN_CHANNEL
    assert await stranger.refused("POST", f"/invites/{invite['code']}", {}) == UNKNOWN_INVITE


@pytest.mark.story("SRV-19")
async def test_the_owner_deletes_the_server(world: World) -> None:
    session = await world.connect(world.member)
    await world.owner.ok("DELETE", world.path)
    assert await session.wait_for("GUILD_DELETE") == {"id": world.server_id}
    await assert_hidden(world.owner, "GET", world.path)


@pytest.mark.story("SRV-23", "GTW-02")
async def test_the_owner_hands_the_server_over(world: World) -> None:
    administrator, _, stranger = await world.cast(Permission.ADMINISTRATOR)
    session, outside = await world.connect(world.member), await world.connect(stranger)
    handing_over = {"owner_id": world.member.user_id}
    assert await administrator.refused("PATCH", world.path, handing_over) == MISSING_PERMISSIONS
    assert await world.member.refused("PATCH", world.path, handing_over) == MISSING_PERMISSIONS
    await assert_hidden(stranger, "PATCH", world.path, handing_over)
    bot = await world.owner.ok("POST", "/api/beep/v1/bots", {"name": "heir"})
    await world.owner.ok("PUT", f"/api/beep/v1/servers/{world.server_id}/bots/{bot['bot']['id']}", {})
    for nobody in (stranger.user_id, bot["bot"]["id"], NOBODYS_ID):
        assert await world.owner.refused("PATCH", world.path, {"owner_id": nobody}) == INVALID_FORM

    changed = await world.owner.ok("PATCH", world.path, handing_over)
    assert changed["owner_id"] == world.member.user_id
    assert (await session.wait_for("GUILD_UPDATE"))["owner_id"] == world.member.user_id
    # From now on it is the other who may do everything and cannot leave.
    assert await world.owner.refused("PATCH", world.path, {"name": "Mine"}) == MISSING_PERMISSIONS
    await world.member.ok("PATCH", world.path, {"name": "Mine"})
    leave = f"/users/@me/guilds/{world.server_id}"
    assert await world.member.refused("DELETE", leave) == OWNER_CANNOT_LEAVE
    await world.owner.ok("DELETE", leave)
    await session.wait_for("GUILD_MEMBER_REMOVE")
    await world.assert_untold(outside)
    await world.member.ok("DELETE", world.path)


@pytest.mark.story("SOC-09")
async def test_a_public_server_is_looked_at_before_it_is_joined(world: World) -> None:
    preview = f"{world.path}/preview"
    await assert_hidden(world.stranger, "GET", preview)
    assert (await world.member.ok("GET", preview))["id"] == world.server_id
    await world.owner.ok("PATCH", world.path, PUBLIC)
    shown = await world.stranger.ok("GET", preview)
    assert (shown["name"], shown["features"], shown["approximate_member_count"]) == ("World", ["DISCOVERABLE"], 4)
    assert "roles" not in shown


@pytest.mark.story("SOC-10")
async def test_public_servers_are_ranked_by_name_and_size_and_paged(world: World) -> None:
    tag = world.server_id
    wanted = {
        "exact": {"name": f"chess {tag}"},
        "popular": {"name": f"Chess {tag} club"},
        "begins": {"name": f"Chess {tag} circle"},
        "contains": {"name": f"We play chess {tag}"},
        "described": {"name": "Games", "description": f"also chess {tag}"},
    }
    ids = {
        key: (await world.owner.ok("POST", "/guilds", form | PUBLIC))["id"] for key, form in reversed(wanted.items())
    }
    await world.stranger.ok("PUT", join(ids["popular"]))
    found: list[str] = []
    while True:
        page = {"query": f"CHESS {tag}", "limit": 2} | ({"after": found[-1]} if found else {})
        answer = await world.stranger.ok("GET", "/api/beep/v1/servers/public", params=page)
        if not answer:
            break
        found += [server["id"] for server in answer]
    assert found == [ids[key] for key in wanted]
    for server_id in ids.values():
        await world.owner.ok("DELETE", f"/guilds/{server_id}")


@pytest.mark.story("SRV-20")
async def test_an_administrator_may_do_everything_wherever_it_is_forbidden(world: World) -> None:
    administrator, unable, stranger = await world.cast(FINE_GRAINED_ROLES["administrator"])
    everything = str(int(all_rights_but()))
    # Forbidden to everybody, by role and by name: an administrator is above all overwrites.
    locked = await world.channel(
        "locked",
        permission_overwrites=[
            {"id": world.server_id, "type": 0, "deny": everything},
            {"id": administrator.user_id, "type": 1, "deny": everything},
        ],
    )
    channel, messages = f"/channels/{locked}", f"/channels/{locked}/messages"
    sent = await world.owner.send(locked, "by the owner")

    for method, path, body in (
        ("GET", channel, None),
        ("GET", messages, None),
        ("POST", messages, {"content": "by an administrator", "embeds": [{"title": "a title"}]}),
        ("PUT", f"{messages}/pins/{sent['id']}", None),
        ("DELETE", f"{messages}/{sent['id']}", None),
        ("POST", f"{channel}/invites", {}),
        ("PUT", f"{channel}/permissions/{world.member.user_id}", {"type": 1, "allow": everything}),
        ("PATCH", channel, {"name": "opened"}),
        ("DELETE", channel, None),
    ):
        assert await unable.refused(method, path, body) == MISSING_ACCESS, f"{method} {path}"
        await assert_hidden(stranger, method, path, body)
        await administrator.ok(method, path, body)

    for method, path, body in (
        ("PATCH", world.path, {"name": "Administered"}),
        ("POST", f"{world.path}/channels", {"name": "more"}),
        ("POST", f"{world.path}/roles", {"name": "judge", "permissions": everything}),
        ("PATCH", f"{world.path}/members/@me", {"nick": "the administrator"}),
        ("PATCH", f"{world.path}/members/{world.member.user_id}", {"nick": "the member"}),
        ("DELETE", f"{world.path}/members/{world.member.user_id}", None),
    ):
        await administrator.ok(method, path, body)


@pytest.mark.story("SRV-20")
async def test_an_administrator_is_not_above_the_owner_nor_above_higher_roles(world: World) -> None:
    boss = await world.role("boss", Permission(0), world.unable)
    await world.role("administrator", Permission.ADMINISTRATOR, world.able)
    for above in (world.owner, world.unable):
        assert await world.able.refused("DELETE", f"{world.path}/members/{above.user_id}") == MISSING_PERMISSIONS
    assert await world.able.refused("DELETE", f"{world.path}/roles/{boss}") == MISSING_PERMISSIONS
    assert await world.able.refused("GET", f"/guilds/{NOBODYS_ID}") == UNKNOWN_SERVER
