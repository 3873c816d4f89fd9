"""Who is online and who is typing, through the public edge: told to those who may see it, and to nobody else."""

import json

import pytest

from services.common.permissions import Permission as P
from services.gateway.domain.intents import Intent
from tests.support.gateway_client import ALL_INTENTS, GatewayClient
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS, UNKNOWN_CHANNEL
from tests.support.world import World


def shows(status: str, *games: str) -> dict[str, object]:
    return {"since": None, "afk": False, "status": status, "activities": [{"name": game, "type": 0} for game in games]}


async def told_of(session: GatewayClient, world: World, user_id: str, status: str) -> dict[str, object]:
    told: dict[str, object] = await session.wait_for(
        "PRESENCE_UPDATE",
        lambda d: d["user"]["id"] == user_id and d["status"] == status and d.get("guild_id") == world.server_id,
    )
    return told


@pytest.mark.story("CHT-16", "GTW-02")
async def test_members_see_who_is_online_and_strangers_do_not(world: World) -> None:
    owner = await world.connect(world.owner)
    stranger = await world.connect(world.stranger)
    member = GatewayClient(world.beep.gateway, world.member.token)
    await member.identify(presence=shows("idle", "chess"))
    told = await told_of(owner, world, world.member.user_id, "idle")
    assert [activity["name"] for activity in told["activities"]] == ["chess"]  # type: ignore[attr-defined]
    await member.send(3, shows("dnd"))
    await told_of(owner, world, world.member.user_id, "dnd")

    able = await world.connect(world.able)
    shown = {each["user"]["id"]: each["status"] for each in (await able.wait_for_server(world.server_id))["presences"]}
    assert shown[world.member.user_id] == "dnd"
    await able.send(8, {"guild_id": world.server_id, "query": "", "limit": 0, "presences": True})
    chunk = await able.wait_for("GUILD_MEMBERS_CHUNK")
    assert {each["user"]["id"]: each["status"] for each in chunk["presences"]}[world.member.user_id] == "dnd"

    await member.close()
    await told_of(owner, world, world.member.user_id, "offline")
    await world.assert_untold(stranger)


@pytest.mark.story("CHT-16")
async def test_who_is_invisible_is_not_seen(world: World) -> None:
    owner = await world.connect(world.owner)
    hidden = GatewayClient(world.beep.gateway, world.member.token)
    await hidden.identify(presence=shows("invisible", "hide and seek"))
    await world.connect(world.able)
    # Told in the same second or later than the other would have been.
    await told_of(owner, world, world.able.user_id, "online")
    assert "hide and seek" not in json.dumps(owner.dispatches)
    # A session of theirs in another test may have ended a moment ago.
    statuses = {d["status"] for d in owner.of_kind("PRESENCE_UPDATE") if d["user"]["id"] == world.member.user_id}
    assert statuses <= {"offline"}
    await hidden.close()


@pytest.mark.story("CHT-16", "GTW-03")
async def test_presence_is_told_to_who_asked_for_it(world: World) -> None:
    deaf = await world.connect(world.owner, intents=ALL_INTENTS & ~Intent.GUILD_PRESENCES)
    hearing = await world.connect(world.unable)
    await world.connect(world.member)
    await told_of(hearing, world, world.member.user_id, "online")
    await world.caught_up(deaf)
    assert [told for told in deaf.of_kind("PRESENCE_UPDATE") if "guild_id" in told] == []
    assert all(created["presences"] == [] for created in deaf.of_kind("GUILD_CREATE"))


@pytest.mark.story("CHT-16")
async def test_typing_is_told_to_viewers_of_the_channel(world: World) -> None:
    secret = await world.channel(
        "secret", permission_overwrites=[{"id": world.server_id, "type": 0, "deny": str(int(P.VIEW_CHANNEL))}]
    )
    await world.everyone(P.VIEW_CHANNEL)
    owner, member = await world.connect(world.owner), await world.connect(world.member)
    await world.owner.ok("POST", f"/channels/{secret}/typing")
    await world.owner.ok("POST", f"{world.channel_path}/typing")
    told = await member.wait_for("TYPING_START")
    assert (told["channel_id"], told["guild_id"]) == (world.channel_id, world.server_id)
    assert told["user_id"] == told["member"]["user"]["id"] == world.owner.user_id
    assert isinstance(told["timestamp"], int)
    await owner.wait_for("TYPING_START", lambda d: d["channel_id"] == secret)
    await world.caught_up(member)
    assert secret not in json.dumps(member.dispatches)


@pytest.mark.story("CHT-16", "GTW-03")
async def test_typing_is_told_once_though_it_is_said_often_and_to_who_asked_for_it(world: World) -> None:
    able, _, _ = await world.cast(P.VIEW_CHANNEL | P.SEND_MESSAGES)
    owner = await world.connect(world.owner)
    deaf = await world.connect(world.owner, intents=Intent.GUILDS)
    for _ in range(3):
        await able.ok("POST", f"{world.channel_path}/typing")
    await world.caught_up(owner, deaf)
    assert len(owner.of_kind("TYPING_START")) == 1
    assert deaf.of_kind("TYPING_START") == []


@pytest.mark.story("CHT-16")
async def test_typing_is_refused_to_who_may_not_write(world: World) -> None:
    _, unable, stranger = await world.cast(P.SEND_MESSAGES)
    path = f"{world.channel_path}/typing"
    assert await unable.refused("POST", path) == MISSING_PERMISSIONS
    assert await world.member.refused("POST", path) == MISSING_ACCESS
    assert await stranger.refused("POST", path) == UNKNOWN_CHANNEL


@pytest.mark.story("CHT-16")
async def test_typing_in_a_thread_is_told_to_viewers_of_its_channel(world: World) -> None:
    await world.everyone(P.VIEW_CHANNEL)
    made = await world.owner.ok("POST", f"{world.channel_path}/threads", {"name": "aside", "type": 11})
    member = await world.connect(world.member)
    await world.owner.ok("POST", f"/channels/{made['id']}/typing")
    told = await member.wait_for("TYPING_START")
    assert told["channel_id"] == made["id"]
