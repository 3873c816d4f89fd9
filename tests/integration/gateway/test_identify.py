"""IDENTIFY, READY, GUILD_CREATE, and what comes behind them."""

import asyncio
from pathlib import Path

import pytest

from services.common.clock import SystemClock
from services.common.permissions import Permission
from services.gateway.domain.intents import Intent
from tests.integration.gateway.harness import ANN, BOB, OWNER, World, contents, running_world, settled, until_content


async def test_ready_names_the_user_and_its_servers_when_a_client_identifies(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER) as client:
        (ready,) = client.of_kind("READY")
        assert ready["user"]["id"] == str(OWNER)
        assert ready["guilds"] == [{"id": str(server_id), "unavailable": True}]
        assert ready["v"] == 10
        assert ready["shard"] == [0, 1]
        assert ready["resume_gateway_url"] == world.url
        (server,) = client.of_kind("GUILD_CREATE")
        assert [channel["id"] for channel in server["channels"]] == [str(channel_id)]
        assert [member["user"]["id"] for member in server["members"]] == [str(OWNER)]
        assert server["member_count"] == 1


@pytest.mark.parametrize("compress", ["", "zlib-stream", "zstd-stream"])
async def test_message_reaches_every_reader_once_when_it_is_sent(world: World, compress: str) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    async with world.client(OWNER, compress=compress) as owner, world.client(ANN, compress=compress) as ann:
        for number in range(20):
            await world.send(channel_id, f"m{number}")
        for client in (owner, ann):
            await until_content(client, "m19")
            assert contents(client) == [f"m{number}" for number in range(20)]


async def test_events_during_ready_arrive_once_when_the_server_changes_meanwhile(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    stop = asyncio.Event()
    sent: list[str] = []

    async def chatter() -> None:
        while not stop.is_set():
            await world.create_channel(server_id, f"room-{len(sent)}")
            sent.append(f"m{len(sent)}")
            await world.send(channel_id, sent[-1])

    task = asyncio.create_task(chatter())
    clients = [world.client(ANN) for _ in range(10)]
    for client in clients:
        await client.identify()
        await settled()
    stop.set()
    await task
    await world.send(channel_id, "end")
    for client in clients:
        await until_content(client, "end")
        (server,) = client.of_kind("GUILD_CREATE")
        told = [channel["name"] for channel in server["channels"]]
        told += [channel["name"] for channel in client.of_kind("CHANNEL_CREATE")]
        assert len(told) == len(set(told)) == len(sent) + 1
        got = contents(client)
        assert got == [*sent, "end"][-len(got) :]
        await client.close()


async def test_channel_is_told_once_when_authz_knows_of_it_before_its_event(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER) as client:
        # While the first event is being applied, authz learns of the second channel.
        world.authz.answers = False
        first, second = [str(await world.create_channel(server_id, name)) for name in ("first", "second")]
        await world.authz.refused.wait()
        await settled()
        world.authz.answers = True
        world.clock.advance(1)
        await world.send(channel_id, "end")
        await until_content(client, "end")
        assert sorted(channel["id"] for channel in client.of_kind("CHANNEL_CREATE")) == [first, second]


async def test_intents_keep_events_away_when_they_were_not_asked_for(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER, intents=Intent.GUILDS) as client:
        await world.send(channel_id, "hello")
        room = await world.create_channel(server_id)
        await client.wait_for("CHANNEL_CREATE", lambda d: d["id"] == str(room))
        assert contents(client) == []


async def test_server_appears_when_the_user_joins_it_during_the_session(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(ANN) as ann, world.client(OWNER) as owner:
        await world.join(ANN, server_id)
        server = await ann.wait_for("GUILD_CREATE")
        assert {member["user"]["id"] for member in server["members"]} == {str(OWNER), str(ANN)}
        await owner.wait_for("GUILD_MEMBER_ADD")
        await world.send(channel_id, "welcome")
        await until_content(ann, "welcome")
        assert ann.of_kind("GUILD_MEMBER_ADD") == []


async def test_creator_gets_the_server_when_it_is_created_during_the_session(world: World) -> None:
    async with world.client(OWNER) as owner:
        server_id, _ = await world.create_server()
        assert (await owner.wait_for("GUILD_CREATE"))["id"] == str(server_id)


async def test_sockets_end_when_the_user_signs_out(world: World) -> None:
    await world.create_server()
    async with world.client(OWNER) as owner, world.client(BOB) as bob:
        await world.sign_out(OWNER)
        assert await owner.closed() == 4004
        assert not bob._over
    again = world.client(OWNER)
    await again.open()
    await again.send(2, {"token": "token-11", "intents": 1})
    assert await again.closed() == 4004


async def test_members_are_listed_when_they_are_asked_for_by_a_number(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(ANN, server_id)
    async with world.client(OWNER) as owner:
        await owner.send(8, {"guild_id": server_id, "query": "", "limit": 0, "nonce": "n1"})
        chunk = await owner.wait_for("GUILD_MEMBERS_CHUNK")
        assert chunk["nonce"] == "n1"
        assert {member["user"]["id"] for member in chunk["members"]} == {str(OWNER), str(ANN)}
        await owner.send(8, {"guild_id": str(server_id), "user_ids": [str(ANN), "999"]})
        chunk = await owner.wait_for("GUILD_MEMBERS_CHUNK", lambda d: d["not_found"])
        assert chunk["not_found"] == ["999"]


async def test_shard_sees_only_its_servers_when_a_client_shards(world: World) -> None:
    servers = [(await world.create_server())[0] for _ in range(4)]
    seen = []
    for number in range(2):
        client = world.client(OWNER)
        await client.identify(shard=[number, 2])
        seen.append({int(server["id"]) for server in client.of_kind("READY")[0]["guilds"]})
        await client.close()
    assert seen[0] | seen[1] == set(servers)
    assert seen[0] == {server_id for server_id in servers if (server_id >> 22) % 2 == 0}


# permissions


async def test_nothing_is_seen_of_a_hidden_channel_until_it_is_opened(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(ANN, server_id)
    room = await world.create_channel(server_id)
    await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
    async with world.client(ANN) as ann, world.client(OWNER) as owner:
        (server,) = ann.of_kind("GUILD_CREATE")
        assert str(room) not in [channel["id"] for channel in server["channels"]]
        await world.send(room, "secret")
        await until_content(owner, "secret")
        await world.overwrite_everyone(server_id, room)
        assert (await ann.wait_for("CHANNEL_CREATE"))["id"] == str(room)
        await world.send(room, "open")
        await until_content(ann, "open")
        await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
        await world.send(room, "secret again")
        await until_content(owner, "secret again")
        assert (await ann.wait_for("CHANNEL_DELETE"))["id"] == str(room)
        await settled()
        assert contents(ann) == ["open"]


async def test_role_that_is_given_opens_its_channel_when_it_passes_by(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(ANN, server_id)
    room = await world.create_channel(server_id)
    await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
    async with world.client(ANN) as ann:
        admin = await world.create_role(server_id, Permission.ADMINISTRATOR)
        await world.give_role(server_id, ANN, admin)
        await ann.wait_for("CHANNEL_CREATE", lambda d: d["id"] == str(room))
        await world.send(room, "welcome")
        await until_content(ann, "welcome")


async def test_member_gets_nothing_more_when_kicked_and_everything_when_back(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    async with world.client(ANN) as ann, world.client(OWNER) as owner:
        await world.kick(server_id, ANN)
        await world.send(channel_id, "without ann")
        await world.join(ANN, server_id)
        await ann.wait_for("GUILD_DELETE")
        await ann.wait_for("GUILD_CREATE", start=len(ann.dispatches) - 1)
        await world.send(channel_id, "with ann")
        await until_content(ann, "with ann")
        await until_content(owner, "with ann")
        assert contents(ann) == ["with ann"]
        kinds = [event["t"] for event in ann.dispatches]
        assert kinds == ["READY", "GUILD_CREATE", "GUILD_DELETE", "GUILD_CREATE", "MESSAGE_CREATE"]
        (removed,) = owner.of_kind("GUILD_MEMBER_REMOVE")
        assert removed["user"]["id"] == str(ANN)


async def test_channel_and_server_are_taken_back_once_when_deleted(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(ANN, server_id)
    room = await world.create_channel(server_id)
    async with world.client(ANN) as ann:
        await world.delete_channel(room)
        await ann.wait_for("CHANNEL_DELETE")
        await world.delete_server(server_id)
        await ann.wait_for("GUILD_DELETE")
        await settled()
        assert [event["t"] for event in ann.dispatches] == ["READY", "GUILD_CREATE", "CHANNEL_DELETE", "GUILD_DELETE"]


async def test_sixty_revokes_leak_nothing_when_somebody_posts_right_after(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(ANN, server_id)
    room = await world.create_channel(server_id)
    async with world.client(ANN) as ann, world.client(OWNER) as owner:
        for number in range(60):
            await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
            await world.send(room, f"hidden {number}")
            await world.overwrite_everyone(server_id, room)
            await world.send(room, f"shown {number}")
            # Before the next revoke, which would rightly keep back what the gateway has not delivered yet.
            await until_content(ann, f"shown {number}")
        await until_content(owner, "shown 59")
        assert contents(ann) == [f"shown {number}" for number in range(60)]
        assert len(contents(owner)) == 120


async def test_lane_stands_and_other_servers_go_on_when_nobody_can_say_who_sees_what(data_dir: Path) -> None:
    async with running_world(data_dir, SystemClock()) as world:
        server_id, channel_id = await world.create_server()
        other_id, other_channel_id = await world.create_server()
        await world.join(ANN, server_id)
        await world.join(ANN, other_id)
        room = await world.create_channel(server_id)
        async with world.client(ANN) as ann:
            world.authz.answers = False
            await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
            await world.send(room, "hidden")
            await world.send(channel_id, "late")
            await world.send(other_channel_id, "elsewhere")
            await until_content(ann, "elsewhere")
            assert contents(ann) == ["elsewhere"]
            world.authz.answers = True
            await until_content(ann, "late")
            assert contents(ann) == ["elsewhere", "late"]
            assert [channel["id"] for channel in ann.of_kind("CHANNEL_DELETE")] == [str(room)]
