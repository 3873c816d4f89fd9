"""The authz processes that a Beep was told to use: whether they are there."""

import asyncio
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

ANSWER_SECONDS: Final = 2.0
DEFAULT_HOST: Final = "127.0.0.1"
"""Where `beep run authz` listens unasked."""


async def silent(addresses: Sequence[str]) -> list[str]:
    """Those of the addresses, `host:port`, at which no authz serves. All are asked at once."""
    serving = await asyncio.gather(*(_serves(address) for address in addresses))
    return [address for address, serves in zip(addresses, serving, strict=True) if not serves]


def how_to_start(address: str, data: Path) -> str:
    """What to type, wherever one is: with another data directory it would be an authz of another Beep."""
    host, _, port = address.rpartition(":")
    command = ["beep", "run", "authz", "--data", str(data.absolute()), "--port", port]
    if host != DEFAULT_HOST:
        command += ["--host", host.strip("[]")]
    return f"start it with `{shlex.join(command)}`"


async def _serves(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            answer = await HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=ANSWER_SECONDS)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
