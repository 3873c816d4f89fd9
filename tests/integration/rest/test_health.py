import asyncio

from joserfc.jwk import OKPKey

from services.cli import doctor
from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.clock import SystemClock
from services.common.rpc import Channel, RpcServer
from services.rest.routes.health import probe
from tests.integration.rest.running_edge import RunningEdge


async def test_live_process_says_so_to_anybody(edge: RunningEdge) -> None:
    edge.upstream.servers["users"].set_serving(False)

    response = await edge.anonymous.get("/healthz")

    assert (response.status_code, response.json()) == (200, {"status": "serving"})


async def test_ready_when_every_part_serves(edge: RunningEdge) -> None:
    response = await edge.anonymous.get("/readyz")

    assert response.status_code == 200
    assert response.json()["status"] == "serving"
    assert set(response.json()["parts"].values()) == {"serving"}


async def test_degraded_when_one_part_does_not(edge: RunningEdge) -> None:
    edge.upstream.servers["messages"].set_serving(False)

    response = await edge.anonymous.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (503, "degraded")
    assert response.json()["parts"] == {
        "authz": "serving",
        "gateway": "serving",
        "messages": "not serving",
        "servers": "serving",
        "users": "serving",
        "webhooks": "serving",
    }


async def test_not_ready_when_no_part_serves(edge: RunningEdge) -> None:
    servers: dict[str, RpcServer] = edge.upstream.servers
    for server in servers.values():
        server.set_serving(False)

    response = await edge.anonymous.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (503, "not serving")


async def test_ready_and_degraded_when_a_part_does_only_some_of_its_work(edge: RunningEdge) -> None:
    async def is_whole() -> bool:
        return False

    edge.upstream.servers["authz"].degraded_unless(is_whole)

    response = await edge.anonymous.get("/readyz")

    assert (response.status_code, response.json()["status"]) == (200, "degraded")
    assert {name for name, health in response.json()["parts"].items() if health != "serving"} == {"authz"}
    assert response.json()["parts"]["authz"] == "degraded"

    edge.upstream.servers["authz"].set_serving(False)
    response = await edge.anonymous.get("/readyz")
    assert (response.status_code, response.json()["parts"]["authz"]) == (503, "not serving")


async def test_readiness_is_told_while_whoever_asks_still_waits_when_a_part_hangs() -> None:
    async def hang(*_: object) -> None:
        await asyncio.Event().wait()

    tokens = InternalTokens(OKPKey.generate_key("Ed25519", private=True), SystemClock())
    frozen = Channel("authz", Principal(PrincipalKind.SERVICE, service="rest"), tokens, lambda *_: hang)

    async with asyncio.timeout(doctor.TIMEOUT_SECONDS):
        assert (await probe({"authz": frozen})).parts == {"authz": "not serving"}
