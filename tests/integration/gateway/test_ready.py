"""What a session begins with, and what comes for its user meanwhile."""

import asyncio

import msgspec
import pytest

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.facts_pb2 import FactChange, SetPrivateChannel
from beep.gateway.v1.typing_service_pb2 import StartTypingRequest
from beep.gateway.v1.typing_service_pb2_grpc import TypingServiceStub
from services.common.bus import ACCOUNT_REVOKED, Audience, Envelope, user_shard
from services.common.errors import NotFound
from tests.integration.gateway.harness import ANN, BOB, EVE, OWNER, World, settled
from tests.support.in_process import service, user

DIRECT = 700
VIEW = 1 << 10


async def publish_to(world: World, user_id: int, name: str, body: bytes, event_id: int) -> None:
    envelope = Envelope(event_id, user_shard(user_id), name, body, Audience.USERS, user_ids=(user_id,))
    await world.bus.publish([envelope])


async def test_people_begin_with_what_is_theirs_and_bots_without(world: World) -> None:
    world.users.friends = {ANN: {BOB}}
    world.users.private_channels = {DIRECT: (ANN, BOB)}
    async with world.client(ANN) as ann:
        (ready,) = ann.of_kind("READY")
        assert [(each["id"], each["type"]) for each in ready["relationships"]] == [(str(BOB), 1)]
        (channel,) = ready["private_channels"]
        assert (channel["id"], channel["type"]) == (str(DIRECT), 1)
        assert [recipient["id"] for recipient in channel["recipients"]] == [str(BOB)]
        assert ready["read_state"] == {"entries": [], "version": 0}
        assert ready["presences"] == ready["invitations"] == []
    world.users.bots.add(ANN)
    async with world.client(ANN) as bot:
        (ready,) = bot.of_kind("READY")
        assert ready["private_channels"] == []
        assert not ready.keys() & {"relationships", "read_state", "presences", "invitations"}


async def test_bots_begin_when_nobody_knows_of_friends_and_people_come_again(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.join(BOB, server_id)
    world.users.bots.add(BOB)
    world.users.knows_friends = False
    person = world.client(OWNER)
    await person.open()
    await person.send(2, {"token": person.token})
    assert await person.closed() == 4000
    async with world.client(BOB) as bot:
        await bot.wait_for_server(str(server_id))


async def test_what_comes_for_a_user_while_they_begin_comes_behind_ready(world: World) -> None:
    await world.create_server()
    async with world.client(OWNER) as other:
        world.authz.answers = False
        client = world.client(OWNER)
        identifying = asyncio.create_task(client.identify())
        while len(world.users.asked_for_friends) < 2:  # noqa: ASYNC110 (nothing tells when)
            await asyncio.sleep(0)
        await publish_to(world, OWNER, "RELATIONSHIP_ADD", b'{"id":"9","type":3}', 1)
        await publish_to(world, OWNER, "RELATIONSHIP_REMOVE", b'{"id":"9","type":3}', 2)
        await other.wait_for("RELATIONSHIP_REMOVE")
        assert client.dispatches == []
        await world.authz.refused.wait()
        await settled()
        world.authz.answers = True
        world.clock.advance(5)  # type: ignore[attr-defined]  # the clock of a world is moved by its test
        await identifying
        await client.wait_for("RELATIONSHIP_REMOVE")
        kinds = [dispatch["t"] for dispatch in client.dispatches if dispatch["t"] != "PRESENCE_UPDATE"]
        assert kinds[:3] == ["READY", "RELATIONSHIP_ADD", "RELATIONSHIP_REMOVE"]
        await client.close()


async def test_server_that_is_joined_while_its_user_begins_is_shown_once(world: World) -> None:
    server_id, _ = await world.create_server()
    await world.create_server(ANN)
    world.authz.answers = False
    ann = world.client(ANN)
    identifying = asyncio.create_task(ann.identify())
    while not world.users.asked_for_friends:  # noqa: ASYNC110 (nothing tells when)
        await asyncio.sleep(0)
    await world.join(ANN, server_id)
    await world.authz.refused.wait()
    await settled()
    world.authz.answers = True
    world.clock.advance(5)  # type: ignore[attr-defined]  # the clock of a world is moved by its test
    await identifying
    await ann.wait_for_server(str(server_id))
    await ann.heartbeat()
    assert [created["id"] for created in ann.of_kind("GUILD_CREATE")].count(str(server_id)) == 1
    await ann.close()


async def test_channels_are_shown_with_their_newest_message(world: World) -> None:
    server_id, channel_id = await world.create_server()
    async with world.client(OWNER) as owner:

        async def told() -> object:
            async with world.client(OWNER) as client:
                return (await client.wait_for_server(str(server_id)))["channels"][0]["last_message_id"]

        assert await told() is None
        for content in ("one", "two"):
            await world.send(channel_id, content)
            message = await owner.wait_for("MESSAGE_CREATE", lambda d, content=content: d["content"] == content)  # type: ignore[misc]
            assert await told() == message["id"]
        room = await world.create_channel(server_id)
        await world.overwrite_everyone(server_id, room, deny=VIEW)
        await world.send(room, "hidden")
        await world.join(ANN, server_id)
        async with world.client(ANN) as ann:
            await world.overwrite_everyone(server_id, room, allow=VIEW)
            opened = await ann.wait_for("CHANNEL_CREATE", lambda d: d["id"] == str(room))
            hidden = await owner.wait_for("MESSAGE_CREATE", lambda d: d["content"] == "hidden")
            assert opened["last_message_id"] == hidden["id"]


@pytest.mark.parametrize("but", ["", f"sid-{ANN}-phone"])
async def test_all_sessions_of_an_account_end_but_the_one_that_asked_for_it(world: World, but: str) -> None:
    async with (
        world.client(ANN) as desk,
        world.client(ANN) as phone,
        world.client(ANN) as away,
        world.client(BOB) as bob,
    ):
        await world.until_stored(4)
        await away.cut()
        await phone.cut()
        phone.token = f"token-{ANN}-phone"
        assert await phone.resume()
        body = msgspec.json.encode({"but": but})
        await world.bus.publish([Envelope(1, user_shard(ANN), ACCOUNT_REVOKED, body, Audience.NONE)])
        assert await desk.closed() == 4004
        assert not await desk.resume()
        assert not await away.resume()
        if but:
            await phone.heartbeat()
        else:
            assert await phone.closed() == 4004
        await bob.heartbeat()


async def test_typing_is_told_to_viewers_once_in_five_seconds(world: World) -> None:
    server_id, channel_id = await world.create_server()
    await world.join(ANN, server_id)
    typing = TypingServiceStub(world.channel("gateway", user(ANN)))
    async with (
        world.client(OWNER) as owner,
        world.client(OWNER, intents=1) as deaf,
        world.client(EVE) as stranger,
    ):
        for _ in range(2):
            await typing.StartTyping(StartTypingRequest(channel_id=channel_id))
        world.clock.advance(5)  # type: ignore[attr-defined]  # the clock of a world is moved by its test
        await typing.StartTyping(StartTypingRequest(channel_id=channel_id))
        await world.send(channel_id, "done")
        await owner.wait_for("MESSAGE_CREATE")
        first, second = owner.of_kind("TYPING_START")
        assert second["timestamp"] - first["timestamp"] == 5
        assert first.keys() == {"channel_id", "user_id", "timestamp", "guild_id", "member"}
        assert first["member"]["user"]["id"] == first["user_id"] == str(ANN)
        for other in (deaf, stranger):
            await other.heartbeat()
            assert other.of_kind("TYPING_START") == []
    with pytest.raises(NotFound):
        await TypingServiceStub(world.channel("gateway", user(EVE))).StartTyping(
            StartTypingRequest(channel_id=channel_id)
        )


async def test_typing_in_a_private_channel_is_told_to_the_others_who_asked_for_it(world: World) -> None:
    authz = AuthzServiceStub(world.channel("authz", service("users")))
    taking_part = SetPrivateChannel(channel_id=DIRECT, participant_ids=[ANN, BOB])
    await authz.ApplyFacts(ApplyFactsRequest(version=1, changes=[FactChange(set_private_channel=taking_part)]))
    typing = TypingServiceStub(world.channel("gateway", user(ANN)))
    async with (
        world.client(ANN) as ann,
        world.client(BOB) as bob,
        world.client(BOB, intents=((1 << 26) - 1) & ~(1 << 14)) as deaf,
        world.client(EVE) as stranger,
    ):
        await typing.StartTyping(StartTypingRequest(channel_id=DIRECT))
        told = await bob.wait_for("TYPING_START")
        assert told.keys() == {"channel_id", "user_id", "timestamp"}
        for other in (ann, deaf, stranger):
            await other.heartbeat()
            assert other.of_kind("TYPING_START") == []
