"""authz as its callers see it, in this process, and the comparison of its answers with the oracle's."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.facts_pb2 import FactChange
from services.authz.__main__ import build
from services.authz.config import DEFAULTS, Settings
from services.common.auth import Principal
from services.common.clock import SystemClock
from services.common.permissions import Permission
from tests.integration.authz.worlds import World
from tests.support.in_process import in_process, service
from tests.support.oracle import ALL

Masks: TypeAlias = tuple[int, tuple[tuple[int, int], ...]]
"""The rights on the server, and those in each channel."""

CALLER = service("servers")


@asynccontextmanager
async def serving(
    directory: Path, settings: Settings = DEFAULTS, principal: Principal = CALLER
) -> AsyncIterator[AuthzServiceStub]:
    """A stub of an authz whose data is in the directory."""
    async with in_process(directory, SystemClock(), "authz") as beep, build(beep.runtime("authz"), settings):
        yield AuthzServiceStub(beep.channel("authz", principal))


@dataclass
class Tally:
    """What was compared, and where authz and the oracle disagreed."""

    decisions: int = 0
    allowed: int = 0
    wrong: list[str] = field(default_factory=list)

    def compare(self, what: str, got: object, wanted: object) -> None:
        if got != wanted:
            self.wrong.append(f"{what}: authz {got}, oracle {wanted}")


class Comparison:
    """Runs worlds: the whole state first, then changes, and after each of them every answer against the oracle's."""

    def __init__(self, authz: AuthzServiceStub) -> None:
        self._authz = authz
        self.tally = Tally()

    async def run(self, number: int, seed: int, steps: int) -> None:
        """One world. Equal arguments on an empty authz give the same world and the same changes."""
        world = World(number, seed)
        await self._apply(world, world.facts())
        await self._apply_elsewhere(world, world.private_facts())
        # Warm: the answers of before are remembered when the changes come.
        await self._compare_masks(world, f"world {seed} at start", [world.random.choice(world.users)])
        for step in range(steps):
            what = f"world {seed} step {step}"
            if world.random.random() < 0.2:
                await self._apply_elsewhere(world, [world.change_elsewhere()])
            user = world.random.choice(world.users)
            channels = world.places
            before = _expected(world, user, channels)
            changes = [change for _ in range(world.random.choice((1, 1, 2))) for change in world.change()]
            # Asked while the change is in flight: the answer is the state before or the one after, never a mixture.
            asked, _ = await asyncio.gather(self._ask(world, user, channels), self._apply(world, changes))
            # (A removal is a write of its own, so with something beside it there is a state in between.)
            atomic = len(changes) == 1 or not any(change.HasField("remove_channel") for change in changes)
            if atomic and asked not in (before, _expected(world, user, channels)):
                self.tally.wrong.append(f"{what}: in flight {asked}, before {before}, {changes}")
            # What was asked during the change is asked again: an answer kept under the wrong epoch would be wrong now.
            await self._compare_masks(world, what, world.users if step == steps - 1 else [user])
            await self._compare_authorize(world, what)
            await self._compare_private(world, what)
            await self._compare_audience(world, what)

    async def _apply(self, world: World, changes: list[FactChange]) -> None:
        world.version += 1
        request = pb.ApplyFactsRequest(server_id=world.server.id, version=world.version, changes=changes)
        await self._authz.ApplyFacts(request)

    async def _apply_elsewhere(self, world: World, changes: list[FactChange]) -> None:
        """What is about no server."""
        world.version += 1
        await self._authz.ApplyFacts(pb.ApplyFactsRequest(version=world.version, changes=changes))

    async def _ask(self, world: World, user: int, channels: Iterable[int]) -> Masks | None:
        request = pb.GetPermissionsRequest(user_id=user, server_id=world.server.id, channel_ids=channels)
        answer = await self._authz.GetPermissions(request)
        if not answer.is_member:
            return None
        return answer.permissions, tuple((one.channel_id, one.permissions) for one in answer.channels)

    async def _compare_masks(self, world: World, what: str, users: Iterable[int]) -> None:
        channels = world.places
        for user in users:
            wanted = _expected(world, user, channels)
            self.tally.compare(f"{what}, masks of {user}", await self._ask(world, user, channels), wanted)
            if wanted is not None:
                for mask in (wanted[0], *(mask for _, mask in wanted[1])):
                    self.tally.decisions += ALL.bit_count()
                    self.tally.allowed += mask.bit_count()

    async def _compare_authorize(self, world: World, what: str) -> None:
        user = world.random.choice((*world.users, world.stranger))
        bits = world.random.sample(list(Permission), 2)
        required, optional = int(bits[0]), int(bits[0] | bits[1])
        request = pb.AuthorizeRequest(user_id=user, required=required, optional=optional)
        if world.places and world.random.random() < 0.7:
            request.channel_id = world.random.choice(world.places)
            mask, required = world.oracle.in_channel(user, request.channel_id), required | Permission.VIEW_CHANNEL
        else:
            request.server_id = world.server.id
            mask = world.oracle.on_server(user)
        answer = await self._authz.Authorize(request)
        wanted: tuple[int, ...] = (pb.OUTCOME_HIDDEN, 0, 0)
        if mask is not None:
            missing = required & ~mask
            wanted = (pb.OUTCOME_DENIED if missing else pb.OUTCOME_ALLOWED, missing, optional & mask)
        got = (answer.outcome, answer.missing, answer.granted)
        self.tally.compare(f"{what}, {user} asks for {bits}", got, wanted)

    async def _compare_private(self, world: World, what: str) -> None:
        user = world.random.choice((*world.users, world.stranger))
        for channel in world.oracle.private:
            answer = await self._authz.Authorize(pb.AuthorizeRequest(user_id=user, channel_id=channel, optional=ALL))
            mask = world.oracle.in_private(user, channel)
            got = None if answer.outcome == pb.OUTCOME_HIDDEN else answer.granted
            self.tally.compare(f"{what}, private mask of {user}", got, mask)

    async def _compare_audience(self, world: World, what: str) -> None:
        users = (*world.users, world.stranger)
        request = pb.ComputeAudienceRequest(server_id=world.server.id, user_ids=users)
        answer = await self._authz.ComputeAudience(request)
        got = {user: (group.permissions, set(group.channel_ids)) for group in answer.groups for user in group.user_ids}
        wanted = {
            user: (
                world.oracle.on_server(user),
                {
                    channel
                    for channel in world.server.channels
                    if (world.oracle.in_channel(user, channel) or 0) & Permission.VIEW_CHANNEL
                },
            )
            for user in users
            if user in world.server.members
        }
        self.tally.compare(f"{what}, audience", got, wanted)


def _expected(world: World, user: int, channels: Iterable[int]) -> Masks | None:
    permissions = world.oracle.on_server(user)
    if permissions is None:
        return None
    there = [channel for channel in channels if channel in world.places]
    return permissions, tuple((channel, world.oracle.in_channel(user, channel) or 0) for channel in there)
