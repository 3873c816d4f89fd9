"""What holds for the whole: services that meet in their contracts only, creates that may be repeated, health."""

import asyncio
import resource
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from beep.messages.v1.messages_service_pb2 import ListMessagesRequest
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from services.cli.data import OPERATOR_ADDRESS
from services.common.permissions import Permission as P
from tests.support.audience import Audience
from tests.support.beep_process import BeepProcess
from tests.support.refusals import INVALID_FORM, MISSING_PERMISSIONS
from tests.support.roles import NOTHING
from tests.support.world import World

SERVICES = {"authz", "gateway", "messages", "rest", "servers", "users", "webhooks"}
# One database each, and only its own: `users` keeps what the identity provider knows apart from its profiles, and authz
# why it refused apart from what it decides by.
DATABASES = {f"{name}.db" for name in SERVICES} | {"bus.db", "decisions.db", "identity.db"}
# What authz decides by is in Permify then; here is only whose turn it is to write there.
DATABASES_ON_PERMIFY = DATABASES - {"authz.db"} | {"lane.db"}

EPOCH_MS = 1420070400000


def ports_inside(beep: BeepProcess) -> set[int]:
    """Where the process listens, but for its public port."""
    listening = [c for c in psutil.Process(beep.pid).net_connections("tcp") if c.status == psutil.CONN_LISTEN]
    # gRPC binds the IPv4 loopback by an IPv6 socket.
    assert all(connection.laddr.ip.removeprefix("::ffff:") == "127.0.0.1" for connection in listening)
    return {connection.laddr.port for connection in listening} - {beep.port}


# services


@pytest.mark.story("SYS-01")
async def test_each_service_keeps_a_database_of_its_own(beep: BeepProcess) -> None:
    expected = DATABASES_ON_PERMIFY if beep.on_permify else DATABASES
    assert {path.name for path in beep.data.glob("*.db")} == expected


@pytest.mark.story("SYS-01", "SYS-10")
async def test_services_meet_over_grpc_only_and_each_tells_its_health(beep: BeepProcess) -> None:
    # For whoever keeps the data directory, and does no service any service.
    operator = int((beep.data / OPERATOR_ADDRESS).read_text().rpartition(":")[2])
    inside = ports_inside(beep) - {operator}
    if beep.env.get("BEEP_RPC") != "grpc":
        assert inside == set(), "in process nothing is listened to but the edge"
        return
    assert len(inside) == len(SERVICES)
    for port in inside:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            health = health_pb2_grpc.HealthStub(channel)
            answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.story("SYS-01", "SYS-06")
async def test_a_service_answers_nobody_who_brings_no_internal_token(world: World) -> None:
    """Neither nobody, nor a user with the token that is good at the edge."""
    call = ListMessagesRequest(channel_id=int(world.channel_id))
    for port in ports_inside(world.beep):
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            messages = MessagesServiceStub(channel)
            for metadata in ((), (("authorization", world.owner.token),), (("authorization", f"Bearer {'x' * 40}"),)):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await messages.ListMessages(call, metadata=metadata, timeout=5)
                assert refused.value.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.UNIMPLEMENTED)


# health


@pytest.mark.story("SYS-10")
async def test_anybody_may_ask_whether_beep_lives_and_is_ready(world: World) -> None:
    alive = await world.stranger.call("GET", "/healthz", headers={"Authorization": ""})
    assert (alive.status_code, alive.json()) == (200, {"status": "serving"})
    ready = await world.stranger.call("GET", "/readyz", headers={"Authorization": ""})
    assert ready.status_code == 200
    assert ready.json() == {"status": "serving", "parts": dict.fromkeys(sorted(SERVICES - {"rest"}), "serving")}


# ids and idempotency


@pytest.mark.story("SYS-04")
async def test_ids_rise_and_say_when_they_were_made(world: World) -> None:
    made = [world.server_id, world.channel_id, await world.role("r", NOTHING), await world.channel("c")]
    sent = [(await world.owner.send(world.channel_id, str(number)))["id"] for number in range(5)]
    assert all(17 <= len(id_) <= 19 for id_ in made + sent)
    assert sent == sorted(sent, key=int)
    times = [(int(id_) >> 22) + EPOCH_MS for id_ in made + sent]
    assert max(times) - min(times) < 60_000


def creates(world: World) -> dict[str, tuple[str, Any]]:
    """Every create that takes an Idempotency-Key: its path and a body."""
    return {
        "server": ("/guilds", {"name": "Another"}),
        "channel": (f"{world.path}/channels", {"name": "another"}),
        "role": (f"{world.path}/roles", {"name": "another"}),
        "invite": (f"{world.channel_path}/invites", {"unique": True}),
        "bot": ("/api/beep/v1/bots", {"name": "another"}),
    }


def id_of(made: Any) -> str:
    return str(made.get("id") or made.get("code") or made["bot"]["id"])


@pytest.mark.story("SYS-04")
@pytest.mark.parametrize("thing", ["server", "channel", "role", "invite", "bot"])
async def test_a_create_that_is_retried_with_its_key_makes_one_thing(world: World, thing: str) -> None:
    path, body = creates(world)[thing]

    async def create(key: str) -> str:
        return id_of(await world.owner.ok("POST", path, body, headers={"Idempotency-Key": key}))

    # All at once, as a client does whose first try seems to hang; and later again.
    first = set(await asyncio.gather(*(create(f"{thing}-{world.server_id}") for _ in range(4))))
    assert len(first) == 1
    assert await create(f"{thing}-{world.server_id}") in first
    another = await create(f"another-{thing}-{world.server_id}")
    assert another not in first
    if thing == "server":
        for made in (*first, another):
            await world.owner.ok("DELETE", f"/guilds/{made}")


@pytest.mark.story("SYS-04")
async def test_a_retried_create_is_told_to_the_members_once(world: World) -> None:
    audience = await Audience.gather(world)
    path, body = creates(world)["channel"]
    everybody_sees = {"id": world.server_id, "type": 0, "allow": str(int(P.VIEW_CHANNEL)), "deny": "0"}
    body |= {"permission_overwrites": [everybody_sees]}
    tries = [world.owner.ok("POST", path, body, headers={"Idempotency-Key": "once"}) for _ in range(3)]
    made = {channel["id"] for channel in await asyncio.gather(*tries)}
    assert await audience.told("CHANNEL_CREATE", name="another") == dict.fromkeys(
        ("owner", "able", "unable", "member"), 1
    )
    assert {channel["id"] for channel in audience.events("able", "CHANNEL_CREATE", name="another")} == made


@pytest.mark.story("SYS-04")
async def test_a_key_is_its_callers_own_and_opens_nothing_to_others(world: World) -> None:
    able, unable, _ = await world.cast(P.MANAGE_CHANNELS)
    path, body = creates(world)["channel"]
    key = {"Idempotency-Key": "a key that somebody else knows"}
    mine = await world.owner.ok("POST", path, body, headers=key)
    assert await unable.refused("POST", path, body, headers=key) == MISSING_PERMISSIONS
    assert (await able.ok("POST", path, body, headers=key))["id"] != mine["id"]


@pytest.mark.story("SYS-04")
@pytest.mark.parametrize("key", ["k" * 129, "schlüssel"])
async def test_a_key_that_cannot_be_one_is_refused(world: World, key: str) -> None:
    path, body = creates(world)["channel"]
    headers = {"Idempotency-Key": key.encode()}
    assert await world.owner.refused("POST", path, body, headers=headers) == INVALID_FORM


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_NOFILE"), reason="the limits of another process are Linux's to tell")
def test_as_many_clients_may_be_connected_as_the_system_allows_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        beep = BeepProcess(tmp_path / "data").start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        assert psutil.Process(beep.pid).rlimit(psutil.RLIMIT_NOFILE)[0] == min(hard, 65_536)
    finally:
        assert beep.stop() == 0
