"""What a decision costs: remembered, in process and over gRPC; asked of a real Permify on PostgreSQL, beside the same
call made by hand; decided from nothing; in a large server; and after an edit that everybody feels (refill.py).

Without a Permify only what is remembered is measured, which needs none; the report says why the rest is left out.
"""

import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import grpc
import uvloop
from google.protobuf.struct_pb2 import Struct

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1 import facts_pb2 as facts
from beep.authz.v1.authz_service_pb2_grpc import (
    AuthzServiceServicer,
    AuthzServiceStub,
    add_AuthzServiceServicer_to_server,
)
from bench.beep import running, scratch
from bench.measure import Figures, median_of, percentile, row
from bench.refill import refill
from permify.base.v1 import permify_pb2 as permify_pb
from permify.base.v1.permify_pb2_grpc import PermissionStub
from services.authz.__main__ import build
from services.authz.config import DEFAULTS, EMBEDDED, PermifySettings, Settings
from services.authz.domain.facts import SERVER_RIGHT, Attribute, Entity
from services.authz.store.permify import DEPTH, PermifyAuthorizer
from services.authz.waves import SUBJECT, ServerContext
from services.cli.process import tune_collector
from services.common.clock import SystemClock
from services.common.permissions import Permission as P
from services.common.rpc import grpc_channel
from tests.support import permify as permify_server
from tests.support.in_process import in_process, service
from tests.support.permify import PermifyServer

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

WARM: Final = 2_000
COLD: Final = 200
FEW, MANY = 100, 10_000
CHANGES_A_CALL: Final = 50

SERVER, OWNER = 10, 20
ROLES: Final = tuple(range(100, 120))
CHANNELS: Final = tuple(range(200, 230))
FIRST_MEMBER: Final = 1_000_000

EVERYONE: Final = int(P.VIEW_CHANNEL | P.SEND_MESSAGES | P.READ_MESSAGE_HISTORY | P.EMBED_LINKS | P.MENTION_EVERYONE)
CALLER: Final = service("messages")


def report(runs: int) -> None:
    tune_collector()  # as Beep does after its start
    with scratch() as folder:
        row("a remembered decision", **median_of(runs, lambda: uvloop.run(_remembered(folder))))
    _edit_of_everyone(runs, EMBEDDED, {})
    if missing := permify_server.found():
        print(f"decisions asked of Permify: not measured ({missing})")
        return
    with permify_server.running() as server:
        row("one check of Permify", **median_of(runs, lambda: uvloop.run(_one_check(server))))
        row("a send, decided from nothing", **median_of(runs, lambda: uvloop.run(_from_nothing(server))))
        row(f"the same in a server of {FEW} and of {MANY:,}", **uvloop.run(_by_members(server, runs)))
        _edit_of_everyone(runs, "Permify", server.environment(server.new_tenant()))


def _edit_of_everyone(runs: int, engine: str, environment: Mapping[str, str]) -> None:
    with running(environment) as (beep, _):
        row(f"edit of @everyone under traffic, {engine}", **median_of(runs, lambda: uvloop.run(refill(beep))))


class Beside(AuthzServiceServicer):
    """Answers at once: what a call costs without a decision."""

    async def Authorize(self, request: pb.AuthorizeRequest, context: object) -> pb.AuthorizeResponse:
        return pb.AuthorizeResponse(outcome=pb.OUTCOME_ALLOWED)


class Authz:
    """An authz, its facts, and how a send is decided."""

    def __init__(self, stub: "AuthzServiceAsyncStub") -> None:
        self.stub = stub
        self._version = 0
        self._further = itertools.count(FIRST_MEMBER * 10)

    async def apply(self, *changes: facts.FactChange) -> None:
        self._version += 1
        for start in range(0, len(changes), CHANGES_A_CALL):
            some = changes[start : start + CHANGES_A_CALL]
            await self.stub.ApplyFacts(pb.ApplyFactsRequest(server_id=SERVER, version=self._version, changes=some))

    async def fill(self, members: int) -> None:
        """A server of 20 roles and 30 channels, each member with one of the roles."""
        await self.apply(
            facts.FactChange(set_server=facts.SetServer(server_id=SERVER, owner_id=OWNER)),
            roles(EVERYONE),
            *map(channel, CHANNELS),
            *(seat(FIRST_MEMBER + number, ROLES[number % len(ROLES)]) for number in range(members)),
        )

    async def forget(self, user: int) -> None:
        """Write all that a send of this user in the first channel hangs on anew, and give them a role that nobody
        has had before: no answer fits them, neither here nor in Permify."""
        role = next(self._further)
        await self.apply(roles(EVERYONE, role), channel(CHANNELS[0]), seat(user, role))


def roles(everyone: int, *further: int) -> facts.FactChange:
    permissions = [facts.RolePermissions(role_id=role, permissions=0) for role in (*ROLES, *further)]
    permissions.append(facts.RolePermissions(role_id=SERVER, permissions=everyone))
    return facts.FactChange(set_roles=facts.SetRoles(server_id=SERVER, roles=permissions))


def channel(number: int) -> facts.FactChange:
    """One of the roles may also manage messages there."""
    allowed = facts.PermissionOverwrite(
        target_id=ROLES[number % len(ROLES)], target=facts.OVERWRITE_TARGET_ROLE, allow=P.MANAGE_MESSAGES
    )
    return facts.FactChange(set_channel=facts.SetChannel(server_id=SERVER, channel_id=number, overwrites=[allowed]))


def seat(user: int, role: int) -> facts.FactChange:
    return facts.FactChange(set_seat=facts.SetSeat(server_id=SERVER, user_id=user, role_ids=[role]))


def send(user: int, channel_id: int = CHANNELS[0]) -> pb.AuthorizeRequest:
    """What messages asks before it takes a message."""
    return pb.AuthorizeRequest(
        user_id=user, channel_id=channel_id, required=P.SEND_MESSAGES, optional=P.MENTION_EVERYONE
    )


async def _remembered(folder: Path) -> Figures:
    """Milliseconds. The empty call goes the same way: identity, deadline, protos."""
    async with in_process(folder, SystemClock(), "authz", "beside") as beep, build(beep.runtime("authz")):
        beep.servers["beside"].add(add_AuthzServiceServicer_to_server, Beside())  # type: ignore[abstract]  # nobody calls the others
        authz = Authz(AuthzServiceStub(beep.channel("authz", CALLER)))
        await authz.fill(1)
        request = send(FIRST_MEMBER)
        stubs = [authz.stub, AuthzServiceStub(beep.channel("beside", CALLER))]
        near = await _side_by_side(WARM, *[partial(stub.Authorize, request) for stub in stubs])

        listening, channels = [], []
        for name in ("authz", "beside"):
            server, port = await beep.servers[name].listen("127.0.0.1:0")
            listening.append(server)
            channels.append(grpc_channel(name, f"127.0.0.1:{port}", CALLER, beep.tokens))
        far_stubs = [AuthzServiceStub(one) for one in channels]
        far = await _side_by_side(WARM, *[partial(stub.Authorize, request) for stub in far_stubs])
        for one in channels:
            await one.close()
        for server in listening:
            await server.stop(None)
    return {
        "in_process_p50_ms": percentile(near[0], 0.5),
        "empty_p50_ms": percentile(near[1], 0.5),
        "grpc_p50_ms": percentile(far[0], 0.5),
        "grpc_empty_p50_ms": percentile(far[1], 0.5),
        "grpc_more_ms": percentile(far[0], 0.5) - percentile(far[1], 0.5),
    }


async def _one_check(server: PermifyServer) -> Figures:
    """Milliseconds. No two questions are equal, so that neither Beep nor Permify remembers one."""
    tenant = server.new_tenant()
    engine = await PermifyAuthorizer.open(server.address, tenant, server.key, SystemClock())
    raw = grpc.aio.insecure_channel(server.address)
    try:
        version = await engine.write_schema(DEFAULTS.schema.read_text())
        right = Entity(SERVER_RIGHT, f"{SERVER}.send_messages")
        token = await engine.write([Attribute(right, "granted", tuple(map(str, ROLES)))])
        numbers = iter(range(1_000, 1_000_000))

        def context() -> dict[str, bool | str | tuple[str, ...]]:
            held = (str(next(numbers)), str(ROLES[-1]))
            return ServerContext(True, False, False, False, False, held)._asdict()

        stub, key = PermissionStub(raw), (("authorization", f"Bearer {server.key}"),)

        def by_hand() -> Awaitable[object]:
            data = Struct()
            data.update(context())
            request = permify_pb.PermissionCheckRequest(
                tenant_id=tenant,
                metadata=permify_pb.PermissionCheckRequestMetadata(
                    schema_version=version, snap_token=token, depth=DEPTH
                ),
                entity=permify_pb.Entity(type=right.type, id=right.id),
                permission="allowed",
                subject=permify_pb.Subject(type=SUBJECT.type, id=SUBJECT.id),
                context=permify_pb.Context(data=data),
            )
            return stub.Check(request, timeout=1.0, metadata=key)

        beeps, hands = await _side_by_side(
            2 * COLD, lambda: engine.check(right, "allowed", SUBJECT, context(), token), by_hand
        )
    finally:
        await raw.close()
        await engine.close()
    return {
        "p50_ms": percentile(beeps, 0.5),
        "p95_ms": percentile(beeps, 0.95),
        "by_hand_p50_ms": percentile(hands, 0.5),
        "by_hand_p95_ms": percentile(hands, 0.95),
        "ratio": percentile(beeps, 0.5) / percentile(hands, 0.5),
    }


async def _from_nothing(server: PermifyServer) -> Figures:
    """Milliseconds."""
    async with _on_permify(server) as authz:
        await authz.fill(FEW)
        taken = [await _cold_send(authz, number) for number in range(COLD)]
    return {"p50_ms": percentile(taken, 0.5), "p95_ms": percentile(taken, 0.95)}


async def _by_members(server: PermifyServer, runs: int) -> Figures:
    """Milliseconds; one decision in the one server, then one in the other."""
    async with _on_permify(server) as small, _on_permify(server) as large:
        await small.fill(FEW)
        await large.fill(MANY)
        pairs = [(await _cold_send(small, number), await _cold_send(large, number)) for number in range(runs * COLD)]
    few, many = (percentile(taken, 0.5) for taken in zip(*pairs, strict=True))
    return {"few_p50_ms": few, "many_p50_ms": many, "many_to_few": many / few}


async def _cold_send(authz: Authz, number: int) -> float:
    user = FIRST_MEMBER + number % FEW
    await authz.forget(user)
    return await _milliseconds(partial(authz.stub.Authorize, send(user)))


@asynccontextmanager
async def _on_permify(server: PermifyServer) -> AsyncIterator[Authz]:
    settings = Settings(permify=PermifySettings(server.address, server.new_tenant(), server.key))
    with scratch() as folder:
        async with in_process(folder, SystemClock(), "authz") as beep, build(beep.runtime("authz"), settings):
            yield Authz(AuthzServiceStub(beep.channel("authz", CALLER)))


async def _side_by_side(times: int, *calls: Callable[[], Awaitable[object]]) -> list[list[float]]:
    """Milliseconds of each, in turn, so that all meet the same moments of the machine."""
    taken: list[list[float]] = [[] for _ in calls]
    for number in range(times + times // 10):
        for call, one in zip(calls, taken, strict=True):
            milliseconds = await _milliseconds(call)
            if number >= times // 10:  # before: to warm up
                one.append(milliseconds)
    return taken


async def _milliseconds(call: Callable[[], Awaitable[object]]) -> float:
    start = time.perf_counter()
    await call()
    return (time.perf_counter() - start) * 1000


if __name__ == "__main__":
    report(3)
