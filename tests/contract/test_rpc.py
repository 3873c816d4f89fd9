"""What a call promises, over both transports: in process and grpc.aio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from beep.users.v1 import users_service_pb2 as pb
from beep.users.v1.users_service_pb2_grpc import (
    UsersServiceServicer,
    UsersServiceStub,
    add_UsersServiceServicer_to_server,
)
from services.common import rpc
from services.common.auth import (
    InternalTokens,
    Principal,
    PrincipalKind,
    current_principal,
    current_user_id,
    load_or_create_key,
    require_service,
)
from services.common.clock import SystemClock
from services.common.errors import (
    BeepError,
    DeadlineExceeded,
    FieldViolation,
    Internal,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
)
from services.common.rpc import Channel, RpcServer, acting_as, grpc_channel, rotating_channel

CALLER = Principal(PrincipalKind.SERVICE, service="messages")
ADA = Principal(PrincipalKind.USER, user_id=42, auth_session_id="sid", global_roles=("UserModerator",))

Behaviour = Callable[[pb.FindUserRequest], Awaitable[pb.FindUserResponse]]


class Users(UsersServiceServicer):
    """Does whatever the test wants of FindUser."""

    def __init__(self) -> None:
        self.behaviour: Behaviour

    async def FindUser(self, request: pb.FindUserRequest, context: Any) -> pb.FindUserResponse:
        return await self.behaviour(request)


class World:
    def __init__(self, tokens: InternalTokens, server: RpcServer, users: Users, channel: Channel) -> None:
        self.tokens = tokens
        self.server = server
        self.users = users
        self.channel = channel
        self.stub = UsersServiceStub(channel)

    async def find(self, behaviour: Behaviour, **options: Any) -> pb.FindUserResponse:
        self.users.behaviour = behaviour
        found: pb.FindUserResponse = await self.stub.FindUser(pb.FindUserRequest(username="ada"), **options)
        return found


@asynccontextmanager
async def connected(transport: str, server: RpcServer, tokens: InternalTokens) -> AsyncIterator[Channel]:
    if transport == "in process":
        yield server.in_process_channel(CALLER)
        return
    listening, port = await server.listen("127.0.0.1:0")
    channel = grpc_channel(server.name, f"127.0.0.1:{port}", CALLER, tokens)
    yield channel
    await channel.close()
    await listening.stop(None)


@pytest.fixture(params=["in process", "grpc"])
async def world(request: pytest.FixtureRequest, tmp_path: Any) -> AsyncIterator[World]:
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), SystemClock())
    server, users = RpcServer("users", tokens), Users()
    server.add(add_UsersServiceServicer_to_server, users)
    async with connected(request.param, server, tokens) as channel:
        yield World(tokens, server, users, channel)


def answer(username: str) -> pb.FindUserResponse:
    response = pb.FindUserResponse()
    response.user.username = username
    return response


async def test_call_answers(world: World) -> None:
    async def echo(request: pb.FindUserRequest) -> pb.FindUserResponse:
        return answer(request.username)

    assert (await world.find(echo)).user.username == "ada"


async def test_call_is_made_as_the_calling_service_when_nothing_else_is_said(world: World) -> None:
    async def who(_: pb.FindUserRequest) -> pb.FindUserResponse:
        return answer(require_service().service)

    assert (await world.find(who)).user.username == "messages"


async def test_call_is_made_as_the_principal_when_an_edge_says_so(world: World) -> None:
    async def who(_: pb.FindUserRequest) -> pb.FindUserResponse:
        assert current_principal() == ADA
        return answer(str(current_user_id()))

    found = await world.find(who, metadata=acting_as(world.tokens, ADA, "users"))
    assert found.user.username == "42"


@pytest.mark.story("SYS-06")
async def test_user_is_refused_when_only_services_may_call(world: World) -> None:
    async def who(_: pb.FindUserRequest) -> pb.FindUserResponse:
        return answer(require_service().service)

    with pytest.raises(PermissionDenied) as refused:
        await world.find(who, metadata=acting_as(world.tokens, ADA, "users"))
    assert refused.value.reason == "SERVICE_REQUIRED"


@pytest.mark.story("SYS-06")
@pytest.mark.parametrize("forged", ["", "rubbish", "for another service", "signed by another key"])
async def test_call_is_refused_when_its_token_is_not_ours_for_this_service(
    world: World, forged: str, tmp_path: Any
) -> None:
    reached = False

    async def behaviour(_: pb.FindUserRequest) -> pb.FindUserResponse:
        nonlocal reached
        reached = True
        return answer("ada")

    others = InternalTokens(load_or_create_key(tmp_path / "other.pem"), SystemClock())
    token = {
        "for another service": world.tokens.mint(ADA, "servers"),
        "signed by another key": others.mint(ADA, "users"),
    }.get(forged, forged)
    # Not the fault of whoever asked Beep for something: told that they are unknown, they would give up their own token.
    with pytest.raises(Unavailable) as refused:
        await world.find(behaviour, metadata=(("authorization", token),))
    assert refused.value.reason == "USERS_REFUSES_KEY"
    assert not reached


@pytest.mark.story("SYS-01")
async def test_error_arrives_as_it_was_raised(world: World) -> None:
    raised = InvalidArgument(
        "INVALID_FORM",
        "Invalid form body.",
        metadata={"missing": "2048"},
        violations=[FieldViolation("overwrites.0.allow", "NUMBER_TYPE_COERCE", "Not a number.")],
    )

    async def refuse(_: pb.FindUserRequest) -> pb.FindUserResponse:
        raise raised

    with pytest.raises(InvalidArgument) as caught:
        await world.find(refuse)
    error = caught.value
    assert (error.reason, error.message, error.metadata, error.violations) == (
        raised.reason,
        raised.message,
        raised.metadata,
        raised.violations,
    )


@pytest.mark.parametrize("kind", [NotFound, PermissionDenied, Unavailable, Internal])
async def test_error_keeps_its_kind(world: World, kind: type[BeepError]) -> None:
    async def refuse(_: pb.FindUserRequest) -> pb.FindUserResponse:
        raise kind("SOME_REASON", "Why.")

    with pytest.raises(kind) as caught:
        await world.find(refuse)
    assert type(caught.value) is kind
    assert caught.value.reason == "SOME_REASON"


async def test_caller_learns_nothing_when_a_servicer_has_a_defect(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: pb.FindUserRequest) -> pb.FindUserResponse:
        raise KeyError("a secret")

    with pytest.raises(Internal) as caught:
        await world.find(fail)
    assert "secret" not in str(caught.value)
    assert "a secret" in caplog.text


async def _raise(error: Exception) -> None:
    raise error


async def test_error_arrives_as_it_was_raised_when_one_of_several_tasks_raised_it(world: World) -> None:
    async def ask_two(_: pb.FindUserRequest) -> pb.FindUserResponse:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_raise(Unavailable("AUTHZ_DOWN", "Nobody can tell.")))
            tasks.create_task(asyncio.Event().wait())
        raise AssertionError

    with pytest.raises(Unavailable) as caught:
        await world.find(ask_two)
    assert caught.value.reason == "AUTHZ_DOWN"


async def test_defect_is_not_hidden_by_what_another_task_raised(world: World, caplog: pytest.LogCaptureFixture) -> None:
    async def ask_two(_: pb.FindUserRequest) -> pb.FindUserResponse:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_raise(Unavailable("AUTHZ_DOWN", "Nobody can tell.")))
            tasks.create_task(_raise(KeyError("a defect")))
        raise AssertionError

    with pytest.raises(Internal):
        await world.find(ask_two)
    assert "a defect" in caplog.text


async def test_call_ends_and_the_servicer_is_cancelled_when_its_deadline_passes(world: World) -> None:
    cancelled = asyncio.Event()

    async def hang(_: pb.FindUserRequest) -> pb.FindUserResponse:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise
        raise AssertionError

    with pytest.raises(DeadlineExceeded):
        await world.find(hang, timeout=0.05)
    async with asyncio.timeout(5):
        await cancelled.wait()


async def test_deadline_of_a_call_bounds_the_calls_that_it_makes(world: World) -> None:
    inner = UsersServiceStub(world.channel)
    depth = 0

    async def call_on(request: pb.FindUserRequest) -> pb.FindUserResponse:
        nonlocal depth
        depth += 1
        if depth == 1:
            found: pb.FindUserResponse = await inner.FindUser(request, timeout=60)
            return found
        await asyncio.Event().wait()
        raise AssertionError

    async with asyncio.timeout(5):
        with pytest.raises(DeadlineExceeded):
            await world.find(call_on, timeout=0.05)
    assert depth == 2


async def test_call_fails_as_too_late_when_the_servicer_waited_too_long_for_something(world: World) -> None:
    async def give_up(_: pb.FindUserRequest) -> pb.FindUserResponse:
        raise TimeoutError("of its own")

    with pytest.raises(DeadlineExceeded) as caught:
        await world.find(give_up)
    assert caught.value.reason == "TIMED_OUT"


async def test_unknown_method_is_unavailable_when_the_service_was_not_built(world: World) -> None:
    from beep.authz.v1 import authz_service_pb2
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub

    with pytest.raises(Unavailable):
        await AuthzServiceStub(world.channel).GetPermissions(authz_service_pb2.GetPermissionsRequest())


@pytest.mark.story("SYS-10")
async def test_health_is_answered_without_an_identity(world: World) -> None:
    health = health_pb2_grpc.HealthStub(world.channel)
    states = health_pb2.HealthCheckResponse
    asked = health_pb2.HealthCheckRequest()
    assert (await health.Check(asked, metadata=(("authorization", "nobody"),))).status == states.NOT_SERVING
    world.server.set_serving(True)
    assert (await health.Check(asked, metadata=(("authorization", "nobody"),))).status == states.SERVING


async def test_reason_names_the_peer_when_nobody_answers_for_it(tmp_path: Any) -> None:
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), SystemClock())
    # Nothing listens on the discard port of a machine of today.
    channel = rotating_channel("users", ["127.0.0.1:9"], CALLER, tokens)
    with pytest.raises(Unavailable) as refused:
        await UsersServiceStub(channel).FindUser(pb.FindUserRequest())
    await channel.close()
    assert refused.value.reason == "USERS_UNAVAILABLE"


class Twins:
    """Two processes of one service, and a channel that calls them in turn."""

    def __init__(self, channel: Channel, twins: list[Users]) -> None:
        self.users = twins
        self._stub = UsersServiceStub(channel)

    async def ask(self, times: int, **options: Any) -> list[str]:
        """Who answered."""
        found = [await self._stub.FindUser(pb.FindUserRequest(), **options) for _ in range(times)]
        return [answered.user.username for answered in found]


async def hang(_: pb.FindUserRequest) -> pb.FindUserResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def refuse(_: pb.FindUserRequest) -> pb.FindUserResponse:
    raise Unavailable("NO_LEASE")


def named(name: str) -> Behaviour:
    async def behave(_: pb.FindUserRequest) -> pb.FindUserResponse:
        return answer(name)

    return behave


@asynccontextmanager
async def two_processes(tokens: InternalTokens, *verifying: InternalTokens) -> AsyncIterator[Twins]:
    """Named a and b, each with the key that it knows callers by."""
    users, addresses, servers = [Users(), Users()], [], []
    for name, twin, known in zip("ab", users, verifying, strict=True):
        twin.behaviour = named(name)
        server = RpcServer("users", known)
        server.add(add_UsersServiceServicer_to_server, twin)
        listening, port = await server.listen("127.0.0.1:0")
        servers.append(listening)
        addresses.append(f"127.0.0.1:{port}")
    channel = rotating_channel("users", addresses, CALLER, tokens)
    yield Twins(channel, users)
    await channel.close()
    for listening in servers:
        await listening.stop(None)


@pytest.fixture
async def twins(tmp_path: Any) -> AsyncIterator[Twins]:
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), SystemClock())
    async with two_processes(tokens, tokens, tokens) as twins:
        yield twins


async def test_several_peers_are_called_in_turn(twins: Twins) -> None:
    assert sorted(await twins.ask(10)) == ["a"] * 5 + ["b"] * 5


def counted(behaviour: Behaviour) -> tuple[Behaviour, list[pb.FindUserRequest]]:
    """The same, and what it was called with."""
    calls: list[pb.FindUserRequest] = []

    async def behave(request: pb.FindUserRequest) -> pb.FindUserResponse:
        calls.append(request)
        return await behaviour(request)

    return behave, calls


@pytest.mark.parametrize("failing", [refuse, hang])
async def test_call_is_made_at_the_next_peer_when_one_does_not_answer(
    twins: Twins, monkeypatch: pytest.MonkeyPatch, failing: Behaviour
) -> None:
    monkeypatch.setattr(rpc, "TRY_SECONDS", 0.1)
    monkeypatch.setattr(rpc, "SHUN_SECONDS", 60.0)
    twins.users[0].behaviour, calls = counted(failing)
    # Whoever failed comes last for a while, so only one of these calls waits.
    assert await twins.ask(6) == ["b"] * 6
    assert len(calls) == 1


async def test_call_reaches_the_next_peer_when_its_deadline_is_shorter_than_a_try(
    twins: Twins, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "SHUN_SECONDS", 60.0)
    twins.users[0].behaviour, calls = counted(hang)
    assert await twins.ask(8, timeout=0.9) == ["b"] * 8
    assert len(calls) == 1


async def test_call_is_made_at_the_next_peer_when_one_belongs_to_another_beep(tmp_path: Any) -> None:
    ours, others = (InternalTokens(load_or_create_key(tmp_path / name), SystemClock()) for name in ("ours", "others"))
    async with two_processes(ours, others, ours) as twins:
        assert await twins.ask(4) == ["b"] * 4


async def test_call_fails_when_no_peer_answers_and_other_errors_are_not_repeated(twins: Twins) -> None:
    asked = []

    async def unknown(request: pb.FindUserRequest) -> pb.FindUserResponse:
        asked.append(request)
        raise NotFound("UNKNOWN_USER")

    for twin in twins.users:
        twin.behaviour = unknown
    with pytest.raises(NotFound):
        await twins.ask(1)
    assert len(asked) == 1
    for twin in twins.users:
        twin.behaviour = refuse
    with pytest.raises(Unavailable):
        await twins.ask(1)
    for twin in twins.users:
        twin.behaviour = hang
    with pytest.raises(DeadlineExceeded):
        await twins.ask(1, timeout=0.3)


async def test_address_that_is_in_use_is_refused(tmp_path: Any) -> None:
    tokens = InternalTokens(load_or_create_key(tmp_path / "internal.pem"), SystemClock())
    listening, port = await RpcServer("users", tokens).listen("127.0.0.1:0")
    with pytest.raises(OSError, match=str(port)):
        await RpcServer("users", tokens).listen(f"127.0.0.1:{port}")
    await listening.stop(None)
