"""Refusals of several authz processes on the same data: each of them finds those of the others."""

import asyncio
from contextlib import AsyncExitStack
from itertools import permutations
from pathlib import Path

from beep.authz.v1 import authz_service_pb2 as authz_pb
from beep.authz.v1 import explain_service_pb2 as pb
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceStub
from services.cli.data import INTERNAL_KEY
from services.common.auth import InternalTokens, load_or_create_key
from services.common.clock import SystemClock
from services.common.permissions import Permission
from services.common.rpc import grpc_channel
from tests.support.authz_process import authz_processes
from tests.support.in_process import service, user

SERVER, USER = 10, 21
BANS = authz_pb.AuthorizeRequest(user_id=USER, server_id=SERVER, required=int(Permission.BAN_MEMBERS))


def state() -> authz_pb.ApplyFactsRequest:
    request = authz_pb.ApplyFactsRequest(server_id=SERVER, version=1)
    server, roles, seat = request.changes.add().set_server, request.changes.add().set_roles, request.changes.add()
    server.server_id, server.owner_id = SERVER, 20
    roles.server_id = SERVER
    roles.roles.add(role_id=SERVER, permissions=int(Permission.VIEW_CHANNEL))
    seat.set_seat.server_id, seat.set_seat.user_id = SERVER, USER
    return request


async def test_refusal_is_found_by_the_other_process_also_when_its_own_was_killed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with authz_processes(2, data, {}, "tests.faults.shared_engine") as processes:
        tokens = InternalTokens(load_or_create_key(data / INTERNAL_KEY), SystemClock())
        async with AsyncExitStack() as stack:
            asked = []
            for process in processes:
                deciding = grpc_channel("authz", process.address, service("servers"), tokens)
                telling = grpc_channel("authz", process.address, user(USER), tokens)
                stack.push_async_callback(deciding.close)
                stack.push_async_callback(telling.close)
                asked.append((AuthzServiceStub(deciding), ExplainServiceStub(telling)))
            await asked[0][0].ApplyFacts(state())
            for (refuses, _), (_, tells) in permutations(asked):
                for _ in range(10):
                    decision_id = (await refuses.Authorize(BANS)).decision_id
                    found = await tells.GetDecision(pb.GetDecisionRequest(decision_id=decision_id))
                    assert found.decision.id == decision_id
                    assert found.decision.explanations
            decision_id = (await asked[1][0].Authorize(BANS)).decision_id
            await asked[1][1].GetDecision(pb.GetDecisionRequest(decision_id=decision_id))
            processes[1].kill()
            # The other may have to wait until it may decide again: who manages the server is a decision.
            async with asyncio.timeout(10):
                found = await asked[0][1].GetDecision(pb.GetDecisionRequest(decision_id=decision_id), timeout=10)
            assert found.decision.id == decision_id
            processes[1].start()
