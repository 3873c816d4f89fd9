"""The way in for the keeper of the data directory, and for nobody else."""

from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from beep.operator.v1.operator_service_pb2 import ReconcileRequest
from beep.operator.v1.operator_service_pb2_grpc import OperatorServiceStub
from services.cli.data import OPERATOR_ADDRESS
from services.cli.operator import NAME, serving
from services.common.auth import InternalTokens, Principal
from services.common.clock import SystemClock
from services.common.errors import InvalidArgument, PermissionDenied, Unavailable
from services.common.rpc import grpc_channel
from tests.support.in_process import in_process, service, user

PEERS = ("authz", "servers", "users")


async def _ask(address: str, caller: Principal, tokens: InternalTokens) -> None:
    channel = grpc_channel(NAME, address, caller, tokens)
    try:
        await OperatorServiceStub(channel).Reconcile(ReconcileRequest(cursor="no such part"))
    finally:
        await channel.close()


async def test_only_who_has_the_key_may_call(data_dir: Path) -> None:
    clock = SystemClock()
    strangers = InternalTokens(OKPKey.generate_key("Ed25519", private=True), clock)
    async with in_process(data_dir, clock, *PEERS) as beep:
        peers = {name: beep.channel(name, service(NAME)) for name in PEERS}
        async with serving(data_dir, beep.tokens, peers, beep.bus, clock):
            address = (data_dir / OPERATOR_ADDRESS).read_text()
            assert address.startswith("127.0.0.1:")
            with pytest.raises(Unavailable, match="OPERATOR_REFUSES_KEY"):
                await _ask(address, service(NAME), strangers)
            for caller in (user(5), service("messages")):
                with pytest.raises(PermissionDenied):
                    await _ask(address, caller, beep.tokens)
            with pytest.raises(InvalidArgument):  # let in, and told that this is no cursor
                await _ask(address, service(NAME), beep.tokens)
        assert not (data_dir / OPERATOR_ADDRESS).exists()
