"""When authz says that it is degraded, and what asking costs."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc.aio import Metadata

from permify.base.v1.permify_pb2 import SchemaListResponse
from services.authz.health import HOLDS_SECONDS, DecidesAnew
from services.authz.mandate import Mandate
from services.authz.store.breaker import FAILURES
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.permify_calls import PermifyCalls
from services.common.errors import Unavailable
from tests.support.clock import ManualClock


class Permify:
    """Its list of schemas, which is what a probe asks for first; an empty one ends the probe."""

    def __init__(self) -> None:
        self.is_dead = False
        self.asked = 0

    async def __call__(self, request: object, *, timeout: float, metadata: object) -> SchemaListResponse:
        self.asked += 1
        if self.is_dead:
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, Metadata(), Metadata(), "connection refused")
        return SchemaListResponse()


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.mandate = Mandate(self.clock.monotonic)
        self.mandate.extend(self.clock.monotonic() + 1_000)
        self.permify = Permify()
        self.calls = PermifyCalls("127.0.0.1:1", "", self.clock)
        authorizer = PermifyAuthorizer(self.calls, "beep")
        method: Any = self.permify
        authorizer._schemas._stub.List = method
        self.decides_anew = DecidesAnew(self.mandate, authorizer, self.clock)

    async def lose(self) -> None:
        """Somebody asks Permify, until it is given up."""
        method: Any = self.permify
        for _ in range(FAILURES):
            with pytest.raises(Unavailable):
                await self.calls(method, SchemaListResponse())


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await world.calls.close()


async def test_authz_is_whole_when_permify_answers(world: World) -> None:
    assert await world.decides_anew()


async def test_permify_is_asked_once_a_while_when_many_ask(world: World) -> None:
    for _ in range(100):
        await world.decides_anew()
    assert world.permify.asked == 1


async def test_authz_is_degraded_when_permify_died_and_nobody_else_asks(world: World) -> None:
    assert await world.decides_anew()
    world.permify.is_dead = True
    world.clock.advance(HOLDS_SECONDS)
    assert not await world.decides_anew()
    world.permify.is_dead = False
    world.clock.advance(HOLDS_SECONDS)
    assert await world.decides_anew()


async def test_authz_is_degraded_at_once_when_the_breaker_opens(world: World) -> None:
    assert await world.decides_anew()
    world.permify.is_dead = True
    await world.lose()
    assert not await world.decides_anew()


async def test_authz_is_whole_again_when_permify_is_back(world: World) -> None:
    world.permify.is_dead = True
    await world.lose()
    assert not await world.decides_anew()
    world.permify.is_dead = False
    world.clock.advance(HOLDS_SECONDS)
    assert await world.decides_anew()


async def test_authz_is_degraded_when_it_must_not_decide(world: World) -> None:
    world.mandate.end()
    assert not await world.decides_anew()
    assert world.permify.asked == 0


async def test_authz_with_an_engine_of_its_own_is_whole_while_it_may_decide() -> None:
    clock = ManualClock()
    mandate = Mandate(clock.monotonic)
    decides_anew = DecidesAnew(mandate, None, clock)
    assert not await decides_anew()
    mandate.extend(clock.monotonic() + 1)
    assert await decides_anew()
