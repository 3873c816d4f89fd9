"""The authz processes that a Beep was told to use: whether they are there."""

import asyncio
from collections.abc import Sequence
from typing import Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

ANSWER_SECONDS: Final = 2.0


async def silent(addresses: Sequence[str]) -> list[str]:
    """Those of the addresses, `host:port`, at which no authz serves. All are asked at once."""
    serving = await asyncio.gather(*(_serves(address) for address in addresses))
    return [address for address, serves in zip(addresses, serving, strict=True) if not serves]


def how_to_start(address: str) -> str:
    """What to type, on the same data directory as the rest of Beep."""
    return f"start it with `beep run authz --port {address.rpartition(':')[2]}`"


async def _serves(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
