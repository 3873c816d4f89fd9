"""The gateway: from HELLO to live events, each told to whom it concerns, once."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from websockets.asyncio.client import connect

from services.common.permissions import Permission as P
from services.gateway.domain.intents import Intent
from tests.support.api import Api
from tests.support.audience import Audience
from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import ALL_BUT_PRESENCES, GatewayClient
from tests.support.newcomer import Newcomer
from tests.support.roles import NOTHING, VIEWER
from tests.support.world import World

# What clients need of each object: fields that make a library fail when they are missing or null.
USER: Final = {"id", "username", "discriminator", "avatar", "public_flags"}
ONESELF: Final = USER | {"mfa_enabled", "flags"}
READY: Final = {"v", "user", "guilds", "session_id", "resume_gateway_url", "shard"}
SERVER_LISTS: Final = {
    "channels",
    "emojis",
    "features",
    "guild_scheduled_events",
    "members",
    "presences",
    "roles",
    "soundboard_sounds",
    "stage_instances",
    "stickers",
    "threads",
    "voice_states",
}
SERVER: Final = SERVER_LISTS | {
    "id",
    "joined_at",
    "large",
    "member_count",
    "mfa_level",
    "name",
    "nsfw_level",
    "owner_id",
    "system_channel_flags",
    "unavailable",
    "verification_level",
}
ROLE: Final = {"id", "name", "permissions", "position", "color", "colors", "hoist", "managed", "mentionable"}
CHANNEL: Final = {"id", "type", "guild_id", "name", "position", "permission_overwrites"}
MEMBER: Final = {"user", "roles", "joined_at", "flags"}


def has(body: dict[str, Any], fields: set[str]) -> bool:
    """Every field is there, and none is null."""
    lacking = {field for field in fields if body.get(field) is None} - {"avatar"}
    assert not lacking, f"{lacking} is missing"
    return "avatar" not in fields or "avatar" in body


@pytest.fixture
async def raw(world: World) -> AsyncIterator[GatewayClient]:
    """A connection of the owner on which nothing was said yet but HELLO."""
    client = GatewayClient(world.beep.gateway, world.owner.token)
    await client.open()
    yield client
    await client.close()


async def identified(world: World, who: Api, intents: Intent) -> GatewayClient:
    """A session with READY; whether its servers come is a matter of its intents."""
    client = GatewayClient(world.beep.gateway, who.token, intents=int(intents))
    world.stack.push_async_callback(client.close)
    await client.open()
    await client.send(2, {"token": who.token, "intents": int(intents), "properties": {}})
    await client.wait_for("READY")
    return client


# READY


@pytest.mark.story("GTW-01")
async def test_a_client_gets_ready_and_then_each_of_its_servers(world: World) -> None:
    await world.cast(VIEWER)
    second = await world.able.ok("POST", "/guilds", {"name": "Second"})
    session = await world.connect(world.able, intents=ALL_BUT_PRESENCES)

    ready, *servers = [event["d"] for event in session.dispatches]
    assert [event["t"] for event in session.dispatches] == ["READY", "GUILD_CREATE", "GUILD_CREATE"]
    assert [event["s"] for event in session.dispatches] == [1, 2, 3]
    assert has(ready, READY)
    assert has(ready["user"], ONESELF)
    assert (ready["v"], ready["shard"], ready["user"]["id"]) == (10, [0, 1], world.able.user_id)
    assert ready["user"]["discriminator"] == "0"
    # discord.js appends a `?` to it.
    assert ready["resume_gateway_url"] == world.beep.gateway
    assert ready["guilds"] == [{"id": server["id"], "unavailable": True} for server in servers]
    assert {server["id"] for server in servers} == {world.server_id, second["id"]}
    await world.able.ok("DELETE", f"/guilds/{second['id']}")


@pytest.mark.story("GTW-01")
async def test_a_server_is_shown_whole(world: World) -> None:
    able, _, _ = await world.cast(VIEWER)
    deny_view = {"id": world.server_id, "type": 0, "allow": "0", "deny": str(int(P.VIEW_CHANNEL))}
    hidden = await world.channel(
        "hidden", permission_overwrites=[deny_view, deny_view | {"id": able.user_id, "type": 1}]
    )
    session = await world.connect(able)

    server = await session.wait_for_server(world.server_id)

    assert has(server, SERVER)
    assert all(isinstance(server[field], list) for field in SERVER_LISTS)
    assert (server["owner_id"], server["unavailable"], server["large"]) == (world.owner.user_id, False, False)
    assert server["member_count"] == len(server["members"]) == 4
    assert all(has(member, MEMBER) and has(member["user"], USER) for member in server["members"])
    assert all(has(role, ROLE) and isinstance(role["permissions"], str) for role in server["roles"])
    assert {"primary_color", "secondary_color", "tertiary_color"} <= server["roles"][0]["colors"].keys()
    # The role of everyone has the server's own id.
    assert [role["name"] for role in server["roles"] if role["id"] == world.server_id] == ["@everyone"]
    channels = {channel["id"]: channel for channel in server["channels"]}
    assert all(has(channel, CHANNEL) and "topic" in channel for channel in channels.values())
    assert hidden not in channels
    whole = (await world.connect(world.owner)).of_kind("GUILD_CREATE")[-1]
    (overwrite, _) = next(channel for channel in whole["channels"] if channel["id"] == hidden)["permission_overwrites"]
    assert has(overwrite, {"id", "type", "allow", "deny"})
    assert isinstance(overwrite["type"], int)
    assert isinstance(overwrite["deny"], str)


@pytest.mark.story("GTW-01")
async def test_whoever_is_in_no_server_gets_ready_alone(world: World) -> None:
    session = await world.connect(world.stranger)
    await session.heartbeat()
    assert [event["t"] for event in session.dispatches] == ["READY"]
    assert session.dispatches[0]["d"]["guilds"] == []


# exactly once


@pytest.mark.story("GTW-02")
async def test_what_changes_while_ready_is_built_arrives_exactly_once(world: World) -> None:
    """Channels are in the GUILD_CREATE or come behind it, never both and never neither; messages leave no gap."""
    done = asyncio.Event()
    channels = {channel["id"] for channel in await world.owner.ok("GET", f"{world.path}/channels")}
    sent: list[str] = []

    async def talk() -> None:
        while not done.is_set():
            sent.append((await world.owner.send(world.channel_id, f"message {len(sent)}"))["id"])

    async def build() -> None:
        while not done.is_set() and len(channels) < 400:
            channels.add(await world.channel(f"channel {len(channels)}"))

    async with asyncio.TaskGroup() as group:
        group.create_task(talk())
        group.create_task(build())
        sessions = []
        for _ in range(12):
            sessions += await asyncio.gather(*(world.connect(world.owner) for _ in range(3)))
        acknowledged_by_ready = len(sent)
        done.set()
    last_message = await world.owner.send(world.channel_id, "the last")
    sent.append(last_message["id"])
    last_channel = await world.channel("last")
    channels.add(last_channel)

    for session in sessions:
        await session.wait_for_message(last_message)
        await session.wait_for("CHANNEL_CREATE", lambda channel: channel["id"] == last_channel)
        shown = {channel["id"] for channel in (await session.wait_for_server(world.server_id))["channels"]}
        created = [channel["id"] for channel in session.of_kind("CHANNEL_CREATE")]
        assert len(created) == len(set(created)), "a channel came twice"
        assert not shown & set(created), "a channel that was shown came again"
        assert shown | set(created) == channels
        received = [message["id"] for message in session.of_kind("MESSAGE_CREATE")]
        assert received == sent[-len(received) :]
        assert len(received) >= len(sent) - acknowledged_by_ready


@pytest.mark.story("GTW-02")
async def test_who_is_told_of_a_change_depends_on_what_they_may_see(world: World) -> None:
    able, _, _ = await world.cast(VIEWER, unable_lacks=P.VIEW_CHANNEL)
    audience = await Audience.gather(world)

    channel = await world.channel("news")
    await world.owner.ok("PATCH", f"/channels/{channel}", {"topic": "what is new"})
    sent = await world.owner.send(channel, "extra, extra")
    await world.owner.ok("DELETE", f"/channels/{channel}")
    await world.owner.ok("PATCH", f"{world.path}/members/{able.user_id}", {"nick": "reporter"})

    viewers = {"owner": 1, "able": 1}
    assert await audience.told("CHANNEL_CREATE", id=channel) == viewers
    assert await audience.told("CHANNEL_UPDATE", id=channel) == viewers
    assert await audience.told("MESSAGE_CREATE", id=sent["id"]) == viewers
    assert await audience.told("CHANNEL_DELETE", id=channel) == viewers
    members = viewers | {"unable": 1, "member": 1}
    assert await audience.told("GUILD_MEMBER_UPDATE", nick="reporter") == members


@pytest.mark.story("GTW-02", "SRV-14")
async def test_a_channel_that_is_opened_and_closed_comes_and_goes(world: World) -> None:
    audience = await Audience.gather(world)
    overwrite = f"{world.channel_path}/permissions/{world.member.user_id}"
    before = await world.owner.send(world.channel_id, "before")
    await world.owner.ok("PUT", overwrite, {"type": 1, "allow": str(int(P.VIEW_CHANNEL)), "deny": "0"})
    during = await world.owner.send(world.channel_id, "during")
    await audience.sessions["member"].wait_for_message(during)
    await world.owner.ok("DELETE", overwrite)
    after = await world.owner.send(world.channel_id, "after")

    assert await audience.told("MESSAGE_CREATE", id=before["id"]) == {"owner": 1}
    assert await audience.told("MESSAGE_CREATE", id=during["id"]) == {"owner": 1, "member": 1}
    assert await audience.told("MESSAGE_CREATE", id=after["id"]) == {"owner": 1}
    # To a client a channel that it may see from now on is a new one.
    assert await audience.told("CHANNEL_CREATE", id=world.channel_id) == {"member": 1}
    assert (await audience.told("CHANNEL_DELETE", id=world.channel_id)) == {"member": 1}


# intents


@pytest.mark.story("GTW-03")
@pytest.mark.parametrize(
    ("intents", "told"),
    [
        (Intent.GUILDS, {"CHANNEL_CREATE", "GUILD_CREATE", "GUILD_ROLE_CREATE"}),
        (Intent.GUILD_MESSAGES, {"MESSAGE_CREATE"}),
        (Intent.GUILD_MEMBERS, {"GUILD_MEMBER_UPDATE"}),
        (Intent.GUILD_INVITES, {"INVITE_CREATE"}),
        (
            Intent.GUILDS | Intent.GUILD_MESSAGES,
            {"CHANNEL_CREATE", "GUILD_CREATE", "GUILD_ROLE_CREATE", "MESSAGE_CREATE"},
        ),
        (Intent(0), set()),
    ],
)
async def test_a_client_is_told_only_what_it_asked_for(world: World, intents: Intent, told: set[str]) -> None:
    asking = await identified(world, world.owner, intents)
    whole = await world.connect(world.owner)

    await world.role("a role", NOTHING)
    await world.channel("a channel")
    await world.owner.ok("PATCH", f"{world.path}/members/{world.member.user_id}", {"nick": "new name"})
    await world.owner.ok("POST", f"{world.channel_path}/invites", {"unique": True})
    await world.owner.send(world.channel_id, "a message")
    # Each event is written to all sessions at once: when its neighbour has them all, it has all that it gets.
    for kind in ("GUILD_ROLE_CREATE", "CHANNEL_CREATE", "GUILD_MEMBER_UPDATE", "INVITE_CREATE", "MESSAGE_CREATE"):
        await whole.wait_for(kind)
    await asking.heartbeat()

    assert {event["t"] for event in asking.dispatches} == told | {"READY"}


@pytest.mark.story("GTW-03")
async def test_rights_are_applied_also_without_the_intent_to_hear_of_them(world: World) -> None:
    """A client that does not ask for roles and channels must not keep what it saw."""
    reader = await world.role("reader", VIEWER, world.member)
    messages_only = await identified(world, world.member, Intent.GUILD_MESSAGES)
    seen = await world.owner.send(world.channel_id, "seen")
    await messages_only.wait_for_message(seen)

    await world.owner.ok("DELETE", f"{world.path}/members/{world.member.user_id}/roles/{reader}")
    hidden = await world.owner.send(world.channel_id, "hidden")
    witness = await world.connect(world.owner)
    await world.owner.send(world.channel_id, "the end")
    await witness.wait_for("MESSAGE_CREATE", lambda message: message["content"] == "the end")
    await messages_only.heartbeat()

    assert hidden["id"] not in json.dumps(messages_only.dispatches)
    assert [message["id"] for message in messages_only.of_kind("MESSAGE_CREATE")] == [seen["id"]]


# heartbeats


@pytest.mark.story("GTW-04")
async def test_a_heartbeat_is_acknowledged_also_before_identify(raw: GatewayClient) -> None:
    assert (await raw.wait_for_op(10))["heartbeat_interval"] == 41_250
    await raw.heartbeat()
    await raw.send(2, {"token": raw.token, "intents": 1, "properties": {}})
    await raw.wait_for("READY")
    await raw.heartbeat()


@pytest.mark.story("GTW-04")
async def test_a_client_that_falls_silent_is_closed_and_may_resume(tmp_path: Path) -> None:
    beep = BeepProcess(tmp_path / "data", env={"BEEP_HEARTBEAT_INTERVAL_MS": "1000"}).start()
    try:
        async with Newcomer.at(beep.url) as newcomer:
            account = await newcomer.become_user()
        async with (
            GatewayClient(beep.gateway, account.token) as silent,
            GatewayClient(beep.gateway, account.token) as alive,
        ):
            assert (await silent.wait_for_op(10))["heartbeat_interval"] == 1000
            while await _is_open(silent):
                await alive.heartbeat()
            # 4009: every library resumes on it.
            assert await silent.closed() == 4009
            assert alive.close_code is None
            assert await silent.resume()
    finally:
        beep.stop()


async def _is_open(client: GatewayClient) -> bool:
    """Looks for a moment, which is less than a heartbeat's interval."""
    try:
        async with asyncio.timeout(0.1):
            await client.closed()
    except TimeoutError:
        return True
    return False


# compression, and other ways to write


@pytest.mark.story("GTW-06")
@pytest.mark.parametrize("compress", ["zlib-stream", "zstd-stream"])
async def test_a_compressed_session_says_the_same_as_a_plain_one(world: World, compress: str) -> None:
    """The client checks each frame: binary, flushed, and one JSON document once inflated."""
    plain = await world.connect(world.owner, intents=ALL_BUT_PRESENCES)
    compressed = await world.connect(world.owner, compress=compress, intents=ALL_BUT_PRESENCES)
    for number in range(50):
        await world.owner.send(world.channel_id, f"message {number} ☃ {'x' * number * 20}")
    for session in (plain, compressed):
        await session.wait_for("MESSAGE_CREATE", lambda message: message["content"].startswith("message 49"))
        await session.heartbeat()
    assert compressed.dispatches[1:] == plain.dispatches[1:]


@pytest.mark.story("GTW-06")
async def test_transport_compression_wins_when_payload_compression_is_asked_for_too(world: World) -> None:
    """discord.py always sends `compress: true`."""
    for compress in ("", "zlib-stream", "zstd-stream"):
        client = GatewayClient(world.beep.gateway, world.owner.token, compress=compress)
        await client.identify(compress=True)
        assert client.of_kind("READY")
        await client.close()


@pytest.mark.story("GTW-06")
async def test_nothing_is_compressed_when_the_client_asks_for_what_nobody_knows(world: World) -> None:
    """As Discord does: what a client cannot have meant is passed over."""
    for compress in ("zlib", "zstd", "br-stream"):
        async with connect(f"{world.beep.gateway}/?v=10&encoding=json&compress={compress}", compression=None) as socket:
            assert json.loads(await socket.recv(decode=True))["op"] == 10


@pytest.mark.story("GTW-06")
async def test_json_in_binary_frames_is_understood(raw: GatewayClient, world: World) -> None:
    """As hikari sends it."""
    await raw.send_raw(json.dumps({"op": 1, "d": None}).encode())
    await raw.wait_for_op(11)
    await raw.send_raw(json.dumps({"op": 2, "d": {"token": raw.token, "intents": 1, "properties": {}}}).encode())
    assert (await raw.wait_for("READY"))["user"]["id"] == world.owner.user_id


@pytest.mark.story("GTW-01")
@pytest.mark.parametrize("form", ["{}", "Bot {}", "Bearer {}"])
async def test_a_token_is_taken_with_or_without_its_scheme(raw: GatewayClient, world: World, form: str) -> None:
    await raw.send(2, {"token": form.format(raw.token), "intents": 1, "properties": {}})
    assert (await raw.wait_for("READY"))["user"]["id"] == world.owner.user_id


# members on request


@pytest.mark.story("GTW-01")
async def test_members_are_sent_in_chunks_when_they_are_asked_for(world: World) -> None:
    session = await world.connect(world.owner)
    # discord.py sends the id as a number.
    await session.send(8, {"guild_id": int(world.server_id), "query": "", "limit": 0, "nonce": "ask"})
    chunk = await session.wait_for("GUILD_MEMBERS_CHUNK")
    assert (chunk["guild_id"], chunk["nonce"], chunk["chunk_index"], chunk["chunk_count"]) == (
        world.server_id,
        "ask",
        0,
        1,
    )
    people = (world.owner, world.able, world.unable, world.member)
    assert {member["user"]["id"] for member in chunk["members"]} == {person.user_id for person in people}


@pytest.mark.story("GTW-01")
async def test_members_are_sent_when_they_are_asked_for_before_the_server_is_there(
    raw: GatewayClient, world: World
) -> None:
    await raw.send(2, {"token": raw.token, "intents": raw.intents, "properties": {}})
    await raw.send(3, {"since": None, "activities": [], "status": "online", "afk": False})
    await raw.send(8, {"guild_id": world.server_id, "query": "", "limit": 0, "nonce": "early"})
    assert (await raw.wait_for("GUILD_MEMBERS_CHUNK"))["nonce"] == "early"


@pytest.mark.story("GTW-02")
async def test_members_of_a_server_are_not_sent_to_a_stranger(world: World) -> None:
    session = await world.connect(world.stranger)
    await session.send(8, {"guild_id": world.server_id, "query": "", "limit": 0, "nonce": "pry"})
    # What is asked for next is answered behind it.
    mine = await world.stranger.ok("POST", "/guilds", {"name": "Mine"})
    await session.wait_for_server(mine["id"])
    await session.send(8, {"guild_id": mine["id"], "query": "", "limit": 0, "nonce": "own"})
    await session.wait_for("GUILD_MEMBERS_CHUNK", lambda chunk: chunk["nonce"] == "own")
    assert len(session.of_kind("GUILD_MEMBERS_CHUNK")) == 1
    await world.stranger.ok("DELETE", f"/guilds/{mine['id']}")


# the address


@pytest.mark.story("GTW-01")
async def test_a_url_without_a_query_is_understood(world: World) -> None:
    """discord.js appends `?` to the URL for resuming, and nothing else."""
    for url in (world.beep.gateway, f"{world.beep.gateway}/?"):
        async with connect(url, compression=None) as socket:
            assert json.loads(await socket.recv())["op"] == 10


@pytest.mark.story("GTW-01")
async def test_where_the_gateway_is_can_be_asked_for(world: World) -> None:
    assert await world.owner.ok("GET", "/gateway") == {"url": world.beep.gateway}
    told = await world.owner.ok("GET", "/gateway/bot")
    assert (told["url"], told["shards"]) == (world.beep.gateway, 1)
    assert has(told["session_start_limit"], {"total", "remaining", "reset_after", "max_concurrency"})
    async with httpx.AsyncClient() as nobody:
        assert (await nobody.get(f"{world.beep.api}/gateway/bot")).status_code == 401
