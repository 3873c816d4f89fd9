"""Whether the process lives, and whether Beep works: for orchestrators, and for people in a hurry."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from grpc_health.v1 import health_pb2
from litestar import Response, get
from msgspec import Struct

from services.common.errors import BeepError
from services.common.rpc import HEALTH_CHECK, WHOLE, Channel
from services.rest.admission import OPEN
from services.rest.request import ApiRequest

EDGE: Final = "rest"
PROBE_SECONDS: Final = 1.0

Health = Literal["serving", "degraded", "not serving"]


class Readiness(Struct):
    """`degraded`: some parts serve and some do not, or a part does some of its work: so what needs only that works.

    authz is degraded while it can decide nothing new: what it remembers goes on.
    """

    status: Health
    parts: dict[str, Health]


@get("/healthz", opt={OPEN: True})
async def get_liveness() -> dict[str, str]:
    return {"status": "serving"}


@get("/readyz", opt={OPEN: True})
async def get_readiness(request: ApiRequest) -> Response[Readiness]:
    # That the edge itself serves is what its answer says.
    readiness = await probe({name: peer for name, peer in request.edge.peers.items() if name != EDGE})
    # A part that is degraded is so for every process of Beep: an orchestrator that took them all out would end what
    # still works.
    return Response(readiness, status_code=503 if "not serving" in readiness.parts.values() else 200)


async def probe(peers: Mapping[str, Channel]) -> Readiness:
    """Asks every peer by the gRPC health protocol, all at once."""
    async with asyncio.TaskGroup() as group:
        probes = {name: group.create_task(_probe(peer)) for name, peer in peers.items()}
    parts = {name: probe.result() for name, probe in sorted(probes.items())}
    found = set(parts.values())
    return Readiness("degraded" if len(found) > 1 else found.pop() if found else "serving", parts)


async def _probe(peer: Channel) -> Health:
    # Both at once: who asks waits for one deadline, also where nothing answers.
    is_whole, serves = await asyncio.gather(_serves(peer, WHOLE), _serves(peer, ""))
    return "serving" if is_whole else "degraded" if serves else "not serving"


async def _serves(peer: Channel, what: str) -> bool:
    check = peer.unary_unary(
        HEALTH_CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    try:
        answer = await check(health_pb2.HealthCheckRequest(service=what), timeout=PROBE_SECONDS)
    except BeepError:
        return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


ROUTES = [get_liveness, get_readiness]
