"""RESUME: exactly what was missed, in order, or an explicit INVALID_SESSION; also after the process died."""

import asyncio
import random

import msgspec

from services.common.bus import Audience, Envelope
from services.common.permissions import Permission
from services.gateway.domain.replay import EVENTS
from tests.integration.gateway.harness import ANN, BOB, OWNER, Client, World, contents, settled, until_content


async def test_missed_events_are_replayed_once_when_the_connection_was_cut(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER) as client:
        await world.send(channel_id, "before")
        await until_content(client, "before")
        await client.cut()
        for number in range(30):
            await world.send(channel_id, f"missed {number}")
        assert await client.resume()
        await world.send(channel_id, "after")
        await until_content(client, "after")
        assert contents(client) == ["before", *(f"missed {number}" for number in range(30)), "after"]
        assert len(client.of_kind("READY")) == 1
    assert server_id


async def test_bodies_come_from_the_bus_when_they_are_no_longer_in_memory(world: World) -> None:
    await world.start_gateway(recent_bytes=1)
    _, channel_id = await world.create_server()
    async with world.client(OWNER, compress="zlib-stream") as client:
        await client.cut()
        for number in range(150):
            await world.send(channel_id, f"missed {number}")
        assert await client.resume()
        await world.send(channel_id, "after")
        await until_content(client, "after")
        assert contents(client) == [*(f"missed {number}" for number in range(150)), "after"]


async def test_session_goes_on_when_the_process_was_killed(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    clients = [world.client(user_id) for user_id in (OWNER, ANN, ANN)]
    for client in clients:
        await client.identify()
    await world.send(channel_id, "before")
    for client in clients:
        await until_content(client, "before")
    await world.until_stored(3)
    await world.kill_gateway()
    await world.send(channel_id, "while they were away")
    for client in clients:
        client.url = world.url
        assert await client.resume()
    await world.send(channel_id, "after")
    for client in clients:
        await until_content(client, "after")
        assert contents(client) == ["before", "while they were away", "after"]
        await client.close()


async def test_nothing_is_doubled_when_what_was_dispatched_is_read_again(world: World) -> None:
    first, first_channel = await world.create_server()
    await world.join(ANN, first)
    async with world.client(OWNER) as owner:
        await world.send(first_channel, "before")
        await until_content(owner, "before")
    async with world.client(ANN) as ann:
        await world.until_stored(1)
        await world.send(first_channel, "one")
        room = await world.create_channel(first)
        await world.overwrite_everyone(first, room, deny=Permission.VIEW_CHANNEL)
        await world.send(first_channel, "two")
        await until_content(ann, "two")
        told = [event["t"] for event in ann.dispatches]
        await world.kill_gateway(watermark=0)
        ann.url = world.url
        assert await ann.resume()
        await world.send(first_channel, "three")
        await until_content(ann, "three")
        assert contents(ann) == ["one", "two", "three"]
        assert [event["t"] for event in ann.dispatches] == [*told, "RESUMED", "MESSAGE_CREATE"]


async def test_what_was_published_while_no_gateway_ran_is_replayed_when_it_comes_back(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    room = await world.create_channel(server_id)
    async with world.client(ANN) as ann:
        await world.until_stored(1)
        await world.stop_gateway()
        await world.send(channel_id, "one")
        await world.overwrite_everyone(server_id, room, deny=Permission.VIEW_CHANNEL)
        await world.send(room, "hidden")
        await world.send(channel_id, "two")
        await world.start_gateway()
        ann.url = world.url
        assert await ann.resume()
        await world.send(channel_id, "three")
        await until_content(ann, "three")
        assert contents(ann) == ["one", "two", "three"]
        assert [channel["id"] for channel in ann.of_kind("CHANNEL_DELETE")] == [str(room)]


async def test_server_joined_and_left_is_told_when_no_gateway_ran(world: World) -> None:
    first, _ = await world.create_server()
    second, channel_id = await world.create_server()
    await world.join(ANN, first)
    async with world.client(ANN) as ann:
        await world.until_stored(1)
        await world.stop_gateway()
        await world.join(ANN, second)
        await world.kick(first, ANN)
        await world.start_gateway()
        ann.url = world.url
        assert await ann.resume()
        await ann.wait_for("GUILD_CREATE", lambda d: d["id"] == str(second))
        await ann.wait_for("GUILD_DELETE", lambda d: d["id"] == str(first))
        await world.send(channel_id, "hello")
        await until_content(ann, "hello")


async def test_session_is_invalid_when_it_is_unknown_or_somebody_elses(world: World) -> None:
    await world.create_server()
    async with world.client(OWNER) as owner, world.client(BOB) as bob:
        thief = world.client(BOB)
        thief.session_id, thief.seq = owner.session_id, owner.seq
        assert not await thief.resume()
        assert thief.other[-1] == {"t": None, "s": None, "op": 9, "d": False}
        await thief.close()
        for wrong_seq in (10**6, -1, 10**30):
            bob_again = world.client(BOB)
            bob_again.session_id, bob_again.seq = bob.session_id, wrong_seq
            assert not await bob_again.resume()
            await bob_again.close()
        # The thief harmed nobody.
        assert not owner._over


async def test_client_may_identify_on_the_same_connection_when_its_session_was_refused(world: World) -> None:
    await world.create_server()
    client = world.client(OWNER)
    client.session_id, client.seq = "0" * 32, 5
    assert not await client.resume()
    await client.send(2, {"token": "token-11", "intents": 1})
    await client.wait_for("READY")
    await client.close()


async def test_session_is_over_when_the_client_said_goodbye(world: World) -> None:
    await world.create_server()
    client = world.client(OWNER)
    await client.identify()
    await client.close()
    await settled()
    assert not await client.resume()
    await client.close()


async def test_old_connection_is_closed_when_the_session_is_resumed_beside_it(world: World) -> None:
    _, channel_id = await world.create_server()
    old = world.client(OWNER)
    await old.identify()
    new = world.client(OWNER)
    new.session_id, new.seq = old.session_id, old.seq
    assert await new.resume()
    assert await old.closed() == 4000
    await world.send(channel_id, "hello")
    await until_content(new, "hello")
    await new.close()


async def test_session_is_invalid_when_too_much_was_missed(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER) as client:
        await world.until_stored(1)
        await client.cut()
        body = {"id": "1", "channel_id": str(channel_id), "guild_id": str(server_id)}
        await publish_many(world, server_id, channel_id, body, EVENTS + 1)
        assert not await client.resume()


async def test_clients_miss_nothing_when_connections_and_gateways_die_at_random(world: World) -> None:
    chance = random.Random(7)
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    clients = [world.client(user_id, compress=c) for user_id, c in ((OWNER, ""), (ANN, "zlib-stream"), (ANN, ""))]
    for client in clients:
        await client.identify()
    await world.until_stored(3)
    sent = 0
    for _ in range(12):
        for _ in range(chance.randrange(1, 15)):
            await world.send(channel_id, f"m{sent}")
            sent += 1
        if chance.random() < 0.4:
            await settled(chance.randrange(100))
            await world.kill_gateway()
            for client in clients:
                await client.closed()
                await come_back(client, world)
        else:
            client = chance.choice(clients)
            await client.cut()
            await world.send(channel_id, f"m{sent}")
            sent += 1
            await come_back(client, world)
    await world.send(channel_id, "end")
    for client in clients:
        await until_content(client, "end")
        assert contents(client) == [*(f"m{number}" for number in range(sent)), "end"]
        assert len(client.of_kind("READY")) == 1
        await client.close()


async def come_back(client: Client, world: World) -> None:
    client.url = world.url
    async with asyncio.timeout(10):
        assert await client.resume()


async def publish_many(world: World, server_id: int, channel_id: int, body: object, count: int) -> None:
    raw = msgspec.json.encode(body)
    envelopes = [
        Envelope(
            5_000_000 + number, f"server:{server_id}", "MESSAGE_DELETE", raw, Audience.CHANNEL, server_id, channel_id
        )
        for number in range(count)
    ]
    for start in range(0, count, 500):
        await world.bus.publish(envelopes[start : start + 500])
    await settled(500)
