"""What an explanation says is what was decided, on each case of the agreement test and for every bit: allowed and
denied, on servers, in channels, threads and private channels, while facts change and caches are warm.

With BEEP_AGREEMENT=full in as many worlds and through as many changes as decisions are compared in.
"""

import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from beep.authz.v1 import authz_service_pb2 as authz_pb
from beep.authz.v1 import explain_service_pb2 as pb
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceStub
from beep.authz.v1.facts_pb2 import FactChange
from services.authz.__main__ import build
from services.authz.config import DEFAULTS, Settings
from services.common.auth import Principal, PrincipalKind
from services.common.clock import SystemClock
from services.common.errors import NotFound
from services.common.permissions import Permission as P
from tests.integration.authz.engines import on_permify
from tests.integration.authz.questions import PATIENCE
from tests.integration.authz.worlds import World
from tests.support.in_process import in_process, service
from tests.support.permify import PermifyServer

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub
    from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceAsyncStub

FULL = os.environ.get("BEEP_AGREEMENT") == "full"

MODERATOR = Principal(PrincipalKind.USER, user_id=1, global_roles=("ServerModerator",))


@dataclass
class Compared:
    """One authz, and how often its explanations said the same as the oracle."""

    authz: "AuthzServiceAsyncStub"
    explain: "ExplainServiceAsyncStub"
    allowed: int = 0
    denied: int = 0
    wrong: list[str] = field(default_factory=list)
    decided_by: Counter[str] = field(default_factory=Counter)

    async def run(self, seed: int, *, changes: int, share: float) -> None:
        """One world: its state, then changes; after each, a share of all bits of everybody everywhere."""
        world = World(seed, seed)
        await self._apply(world, world.facts(), world.server.id)
        await self._apply(world, world.private_facts(), 0)
        for change in range(changes + 1):
            if change:
                await self._apply(world, world.change(), world.server.id)
                await self._apply(world, [world.change_elsewhere()], 0)
            for user in (*world.users, world.stranger):
                for place in (0, *world.places, *world.oracle.private):
                    for bit in P:
                        if world.random.random() < share:
                            await self._compare(world, seed, user, place, bit)

    async def _compare(self, world: World, seed: int, user: int, place: int, bit: P) -> None:
        request = pb.ExplainRequest(user_id=user, permission=bit)
        if place:
            request.channel_id = place
        else:
            request.server_id = world.server.id
        try:
            answer = (await self.explain.Explain(request, timeout=PATIENCE)).explanation
        except NotFound:
            # Of a private channel in which nobody is left.
            if place not in world.oracle.private or world.oracle.private[place].participants:
                self.wrong.append(f"world {seed}: {user} in {place}: not found")
            return
        oracle = world.oracle
        if place in oracle.private:
            mask = oracle.in_private(user, place)
        else:
            mask = oracle.in_channel(user, place) if place else oracle.on_server(user)
        allowed = bool((mask or 0) & bit)
        if answer.allowed is not allowed:
            self.wrong.append(f"world {seed}: {bit!r} of {user} in {place}: explained {answer}, oracle {allowed}")
        self.allowed += allowed
        self.denied += not allowed
        self.decided_by[pb.StepKind.Name(answer.steps[-1].kind)] += 1

    async def _apply(self, world: World, changes: list[FactChange], server_id: int) -> None:
        world.version += 1
        request = authz_pb.ApplyFactsRequest(server_id=server_id, version=world.version, changes=changes)
        await self.authz.ApplyFacts(request, timeout=PATIENCE)


@asynccontextmanager
async def comparing(directory: Path, settings: Settings) -> AsyncIterator[Compared]:
    async with in_process(directory, SystemClock(), "authz") as beep, build(beep.runtime("authz"), settings):
        yield Compared(
            AuthzServiceStub(beep.channel("authz", service("servers"))),
            ExplainServiceStub(beep.channel("authz", MODERATOR)),
        )


@pytest.mark.story("ADM-09")
@pytest.mark.timeout(240)
async def test_explanation_says_what_was_decided_on_every_bit(tmp_path: Path) -> None:
    async with comparing(tmp_path, DEFAULTS) as compared:
        for seed in range(12):
            await compared.run(seed, changes=2, share=0.5)
        for seed in range(100, 160):
            await compared.run(seed, changes=4, share=0.05)
    assert compared.wrong == []
    assert min(compared.allowed, compared.denied) > 4_000
    # Whatever may decide has decided something.
    leads_on = {"STEP_KIND_UNSPECIFIED", "STEP_KIND_THREAD", "STEP_KIND_LOCKED"}
    assert set(pb.StepKind.keys()) - compared.decided_by.keys() == leads_on


@pytest.mark.skipif(not FULL, reason="takes minutes: BEEP_AGREEMENT=full")
@pytest.mark.timeout(3600)
async def test_explanation_says_what_was_decided_in_every_world_of_the_comparison(tmp_path: Path) -> None:
    async with comparing(tmp_path, DEFAULTS) as compared:
        for seed in range(10_000, 12_000):
            await compared.run(seed, changes=1, share=0.02)
        for seed in range(500):
            await compared.run(seed, changes=40, share=0.003)
    print(f"{compared.allowed:,} allowed and {compared.denied:,} denied were explained")
    assert compared.wrong == []


@pytest.mark.story("ADM-09")
@pytest.mark.timeout(240)
async def test_explanation_says_what_permify_decided(tmp_path: Path, permify: PermifyServer) -> None:
    async with comparing(tmp_path, on_permify(permify).settings()) as compared:
        for seed in range(6):
            await compared.run(seed, changes=3, share=0.05)
    assert compared.wrong == []
    assert min(compared.allowed, compared.denied) > 50
