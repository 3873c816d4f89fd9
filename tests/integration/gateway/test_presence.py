"""Who is told of who is there, and when. The clock is moved by hand; a second of it settles what has changed."""

from collections.abc import Callable
from itertools import count
from typing import Any

from services.common.bus import Audience, Envelope, user_shard
from tests.integration.gateway.harness import ANN, BOB, EVE, OWNER, Client, World, settled

MARKERS = count(5_000_000)
ALL_BUT_PRESENCES = ((1 << 26) - 1) & ~(1 << 8)


def seen(client: Client, user_id: int) -> list[str]:
    """What this client was told of the user in servers, one status after the other."""
    return [
        told["status"]
        for told in client.of_kind("PRESENCE_UPDATE")
        if told["user"]["id"] == str(user_id) and "guild_id" in told
    ]


async def seconds_pass(world: World, client: Client, seconds: int) -> None:
    """The client has all that was told by then: a marker is published behind it, second by second."""
    user_id = int(client.token.partition("-")[2])
    for _ in range(seconds):
        world.clock.advance(1.0)  # type: ignore[attr-defined]  # the clock of a world is moved by its test
        await settled()
        marker = next(MARKERS)
        body = b'{"marker":%d}' % marker
        await world.bus.publish([Envelope(marker, user_shard(user_id), "USER_UPDATE", body, Audience.USERS)])
        await client.wait_for("USER_UPDATE", lambda d, marker=marker: d["marker"] == marker)  # type: ignore[misc]


async def until(world: World, client: Client, happened: Callable[[], bool]) -> None:
    """A second at a time: what the gateway first reads elsewhere may take more of them on a busy machine."""
    for _ in range(25):
        if happened():
            return
        await seconds_pass(world, client, 1)
    raise AssertionError(f"it did not happen; told were {client.of_kind('PRESENCE_UPDATE')}")


async def until_seen(world: World, client: Client, user_id: int, status: str) -> None:
    await until(world, client, lambda: status in seen(client, user_id)[-1:])


async def show(client: Client, status: str, *games: str) -> None:
    activities = [{"name": game, "type": 0} for game in games]
    await client.send(3, {"since": None, "afk": False, "status": status, "activities": activities})


async def server_of(world: World, *members: int) -> int:
    server_id, _ = await world.create_server()
    for user_id in members:
        await world.join(user_id, server_id)
    return server_id


def shown_in(created: Any) -> dict[str, str]:
    return {shown["user"]["id"]: shown["status"] for shown in created["presences"]}


async def test_members_are_told_who_comes_and_goes_and_nobody_else_is(world: World) -> None:
    server_id = await server_of(world, ANN, BOB)
    async with (
        world.client(OWNER) as owner,
        world.client(BOB, intents=ALL_BUT_PRESENCES) as bob,
        world.client(EVE) as stranger,
    ):
        async with world.client(ANN):
            await until_seen(world, owner, ANN, "online")
        await until_seen(world, owner, ANN, "offline")
        told = next(d for d in owner.of_kind("PRESENCE_UPDATE") if d["user"]["id"] == str(ANN))
        assert told == {
            "user": {"id": str(ANN)},
            "guild_id": str(server_id),
            "status": "online",
            "activities": [],
            "client_status": {"web": "online"},
        }
        await bob.heartbeat()
        assert bob.of_kind("PRESENCE_UPDATE") == []
        await stranger.heartbeat()
        assert stranger.of_kind("PRESENCE_UPDATE") == []


async def test_new_session_begins_with_who_is_there(world: World) -> None:
    server_id = await server_of(world, ANN, BOB)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await show(ann, "dnd")
        await until_seen(world, owner, ANN, "dnd")
        async with world.client(BOB) as bob, world.client(EVE, intents=ALL_BUT_PRESENCES) as eve:
            assert shown_in(await bob.wait_for_server(str(server_id))) == {str(OWNER): "online", str(ANN): "dnd"}
            await bob.send(8, {"guild_id": str(server_id), "query": "", "limit": 0, "presences": True})
            assert shown_in(await bob.wait_for("GUILD_MEMBERS_CHUNK")) == {str(OWNER): "online", str(ANN): "dnd"}
            await world.join(EVE, server_id)
            assert (await eve.wait_for_server(str(server_id)))["presences"] == []


async def test_nobody_hears_of_a_connection_that_is_lost_and_back(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await until_seen(world, owner, ANN, "online")
        await world.until_stored(2)
        await ann.cut()
        await seconds_pass(world, owner, 5)
        assert await ann.resume()
        await seconds_pass(world, owner, 12)
        assert seen(owner, ANN) == ["online"]


async def test_who_went_without_a_word_is_gone_when_the_grace_is_over(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await until_seen(world, owner, ANN, "online")
        await world.until_stored(2)
        await ann.cut()
        await seconds_pass(world, owner, 8)
        assert seen(owner, ANN) == ["online"]
        await until_seen(world, owner, ANN, "offline")
        assert await ann.resume()
        await until_seen(world, owner, ANN, "online")


async def test_best_of_several_sessions_is_shown_and_nothing_of_one_who_is_invisible(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as desk:
        await show(desk, "idle")
        await until_seen(world, owner, ANN, "idle")
        async with world.client(ANN) as phone:
            await until_seen(world, owner, ANN, "online")
            await show(phone, "invisible", "hide and seek")
            await until_seen(world, owner, ANN, "idle")
        await show(desk, "invisible")
        await until_seen(world, owner, ANN, "offline")
        assert "hide and seek" not in str(owner.dispatches)


async def test_last_of_many_changes_in_a_second_is_told_alone(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await until_seen(world, owner, ANN, "online")
        for number in range(20):
            await show(ann, "dnd" if number % 2 else "idle", f"game {number}")
        await ann.heartbeat()
        await until_seen(world, owner, ANN, "dnd")
        await seconds_pass(world, owner, 2)
        assert seen(owner, ANN) == ["online", "dnd"]
        assert owner.of_kind("PRESENCE_UPDATE")[-1]["activities"][0]["name"] == "game 19"


async def test_presence_stands_again_when_the_gateway_was_killed_and_nobody_is_told(world: World) -> None:
    await server_of(world, ANN, BOB)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await show(ann, "dnd", "chess")
        await until_seen(world, owner, ANN, "dnd")
        await world.until_stored(2)
        before = seen(owner, ANN)
        await world.kill_gateway()
        owner.url = ann.url = world.url
        assert await owner.resume()
        assert await ann.resume()
        await seconds_pass(world, owner, 15)
        assert seen(owner, ANN) == before
        async with world.client(BOB) as bob:
            (created,) = bob.of_kind("GUILD_CREATE")
            assert shown_in(created)[str(ANN)] == "dnd"


async def test_who_does_not_come_back_after_the_gateway_was_killed_is_told_gone(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await until_seen(world, owner, ANN, "online")
        await world.until_stored(2)
        await world.kill_gateway()
        owner.url = world.url
        assert await owner.resume()
        await until_seen(world, owner, ANN, "offline")
        await ann.close()


async def test_members_are_told_of_one_who_joins_that_they_are_there(world: World) -> None:
    first = await server_of(world, ANN)
    async with world.client(OWNER) as owner, world.client(ANN) as ann:
        await until_seen(world, owner, ANN, "online")
        second = await server_of(world, ANN)
        await ann.wait_for_server(str(second))
        await until(world, owner, lambda: len(seen(owner, ANN)) > 1)
        await world.leave(ANN, second)
        await world.join(ANN, second)
        await until(world, owner, lambda: len(seen(owner, ANN)) > 2)
        await seconds_pass(world, owner, 2)
        places = [d["guild_id"] for d in owner.of_kind("PRESENCE_UPDATE") if d["user"]["id"] == str(ANN)]
        assert places == [str(first), str(second), str(second)]


async def test_friends_are_told_where_they_share_no_server(world: World) -> None:
    world.users.friends = {ANN: {BOB}, BOB: {ANN}}
    async with world.client(BOB) as bob, world.client(EVE) as eve:
        async with world.client(ANN):
            await until(world, bob, lambda: bool(bob.of_kind("PRESENCE_UPDATE")))
            assert bob.of_kind("PRESENCE_UPDATE") == [
                {"user": {"id": str(ANN)}, "status": "online", "activities": [], "client_status": {"web": "online"}}
            ]
            async with world.client(BOB) as again:
                (ready,) = again.of_kind("READY")
                assert shown_in(ready) == {str(ANN): "online"}
        await until(world, bob, lambda: bob.of_kind("PRESENCE_UPDATE")[-1]["status"] == "offline")
        await eve.heartbeat()
        assert eve.of_kind("PRESENCE_UPDATE") == []


async def test_presence_of_identify_counts_and_rubbish_is_refused(world: World) -> None:
    await server_of(world, ANN)
    async with world.client(OWNER) as owner:
        # As discord.py has it.
        mobile = {"os": "Android", "browser": "x", "device": "x"}
        presence = {"status": None, "game": {"name": "go", "type": 0}, "since": 0.0, "afk": False}
        ann = world.client(ANN)
        await ann.identify(presence=presence, properties=mobile)
        await until_seen(world, owner, ANN, "online")
        told = owner.of_kind("PRESENCE_UPDATE")[-1]
        assert (told["activities"][0]["name"], told["client_status"]) == ("go", {"mobile": "online"})
        await ann.send(3, {"since": None, "afk": False, "status": "here", "activities": []})
        assert await ann.closed() == 4002


async def test_more_activities_than_may_be_are_refused(world: World) -> None:
    for activities in ([{"name": "x", "type": 0}] * 6, [{"name": "x" * 129, "type": 0}], [{"name": "x", "type": 9}]):
        client = world.client(ANN)
        await client.identify()
        await client.send(3, {"since": None, "afk": False, "status": "online", "activities": activities})
        assert await client.closed() == 4002
