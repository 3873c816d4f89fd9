"""The way in for whoever keeps the data directory: one RPC server on the loopback, for `beep reconcile`.

Where it listens stands in a file of the directory. Who may call is proved by the directory's key, so it is for whoever
may read that: nobody from outside, and no other user of the machine.
"""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from beep.operator.v1 import operator_service_pb2 as pb
from beep.operator.v1.operator_service_pb2_grpc import OperatorServiceServicer, add_OperatorServiceServicer_to_server
from services.cli.data import OPERATOR_ADDRESS
from services.cli.reconciliation import Reconciliation
from services.common.auth import InternalTokens, require_service
from services.common.bus import FACTS_REPAIRED, AccessChange, Audience, Bus, Envelope, server_shard
from services.common.clock import Clock
from services.common.errors import PermissionDenied
from services.common.rpc import Channel, RpcServer
from services.common.snowflake import SnowflakeGenerator

NAME: Final = "operator"
LOOPBACK: Final = "127.0.0.1:0"
WORKER: Final = 5
"""In the ids of its events; no service has the same."""


class OperatorService(OperatorServiceServicer):
    def __init__(self, reconciliation: Reconciliation) -> None:
        self._reconciliation = reconciliation

    async def Reconcile(self, request: pb.ReconcileRequest, context: object) -> pb.ReconcileResponse:
        if require_service().service != NAME:
            raise PermissionDenied("OPERATOR_REQUIRED", "Only the keeper of the data directory can do this.")
        return await self._reconciliation.step(request.cursor, apply=request.apply)


@asynccontextmanager
async def serving(
    data: Path, tokens: InternalTokens, peers: Mapping[str, Channel], bus: Bus, clock: Clock
) -> AsyncIterator[None]:
    """Listen as long as the context is open. Raises OSError."""
    ids = SnowflakeGenerator(WORKER, clock)

    async def tell(server_ids: Collection[int]) -> None:
        """Live sessions keep what they may see until somebody tells them that it changed."""
        await bus.publish([repaired(server_id, ids.next()) for server_id in server_ids])

    server = RpcServer(NAME, tokens)
    server.add(add_OperatorServiceServicer_to_server, OperatorService(Reconciliation(peers, tell, clock)))
    listening, port = await server.listen(LOOPBACK)
    try:
        _publish(data / OPERATOR_ADDRESS, f"127.0.0.1:{port}")
        yield
    finally:
        forget(data)
        await listening.stop(grace=1.0)


def forget(data: Path) -> None:
    """Nobody listens there any more: who was killed could not say so, and somebody else may have the port by now."""
    (data / OPERATOR_ADDRESS).unlink(missing_ok=True)


def _publish(file: Path, address: str) -> None:
    """Whoever finds the file finds all of it in there."""
    pending = file.with_suffix(".new")
    pending.write_text(address)
    pending.replace(file)


def repaired(server_id: int, event_id: int) -> Envelope:
    return Envelope(
        event_id=event_id,
        shard=server_shard(server_id),
        type=FACTS_REPAIRED,
        body=b"{}",
        audience=Audience.NONE,
        server_id=server_id,
        access=AccessChange(whole_server=True),
    )
