"""Whether the process lives, and whether Beep works: for orchestrators, and for people in a hurry."""

import asyncio
from collections.abc import Mapping
from typing import Final, Literal

from grpc_health.v1 import health_pb2
from litestar import Response, get
from msgspec import Struct

from services.common.errors import BeepError
from services.common.rpc import HEALTH_CHECK, Channel
from services.rest.admission import OPEN
from services.rest.request import ApiRequest

EDGE: Final = "rest"
PROBE_SECONDS: Final = 1.0

Health = Literal["serving", "not serving"]


class Readiness(Struct):
    """`degraded`: some parts serve and some do not, so what needs only the former works."""

    status: Literal["serving", "degraded", "not serving"]
    parts: dict[str, Health]


@get("/healthz", opt={OPEN: True})
async def get_liveness() -> dict[str, str]:
    return {"status": "serving"}


@get("/readyz", opt={OPEN: True})
async def get_readiness(request: ApiRequest) -> Response[Readiness]:
    # That the edge itself serves is what its answer says.
    readiness = await probe({name: peer for name, peer in request.edge.peers.items() if name != EDGE})
    return Response(readiness, status_code=200 if readiness.status == "serving" else 503)


async def probe(peers: Mapping[str, Channel]) -> Readiness:
    """Asks every peer by the gRPC health protocol, all at once."""
    async with asyncio.TaskGroup() as group:
        probes = {name: group.create_task(_probe(peer)) for name, peer in peers.items()}
    parts = {name: probe.result() for name, probe in sorted(probes.items())}
    serving = [health == "serving" for health in parts.values()]
    return Readiness("serving" if all(serving) else "degraded" if any(serving) else "not serving", parts)


async def _probe(peer: Channel) -> Health:
    check = peer.unary_unary(
        HEALTH_CHECK, health_pb2.HealthCheckRequest.SerializeToString, health_pb2.HealthCheckResponse.FromString
    )
    try:
        answer = await check(health_pb2.HealthCheckRequest(), timeout=PROBE_SECONDS)
    except BeepError:
        return "not serving"
    return "serving" if answer.status == health_pb2.HealthCheckResponse.SERVING else "not serving"


ROUTES = [get_liveness, get_readiness]
