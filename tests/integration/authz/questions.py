"""What is asked of authz, each question with the answer that the oracle gives to it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from beep.authz.v1 import authz_service_pb2 as pb
from services.common.permissions import Permission as P
from tests.integration.authz.worlds import World
from tests.support.oracle import ALL

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

PATIENCE: Final = 60.0
"""Seconds. A whole mask from nothing is a hundred checks, and many worlds are compared side by side."""


class Question(Protocol):
    async def ask(self, authz: "AuthzServiceAsyncStub") -> object:
        """What authz answers, in the form of `wanted`."""
        ...

    def wanted(self, world: World) -> object:
        """The right answer as of now."""
        ...

    def masks(self, world: World) -> Iterable[tuple[int, int]]:
        """The right answer as pairs: bits that are decided, and those of them that are allowed."""
        ...


@dataclass(frozen=True)
class AllRights:
    """Every bit on the server and in each of the places that are its own; None for who is not a member."""

    server: int
    user: int
    places: tuple[int, ...]

    async def ask(self, authz: "AuthzServiceAsyncStub") -> object:
        request = pb.GetPermissionsRequest(user_id=self.user, server_id=self.server, channel_ids=self.places)
        answer = await authz.GetPermissions(request, timeout=PATIENCE)
        if not answer.is_member:
            return None
        return answer.permissions, tuple((one.channel_id, one.permissions) for one in answer.channels)

    def wanted(self, world: World) -> object:
        permissions = world.oracle.on_server(self.user)
        if permissions is None:
            return None
        there = [place for place in self.places if place in world.places]
        return permissions, tuple((place, world.oracle.in_channel(self.user, place) or 0) for place in there)

    def masks(self, world: World) -> Iterable[tuple[int, int]]:
        permissions = world.oracle.on_server(self.user)
        if permissions is not None:
            yield ALL, permissions
            for place in self.places:
                if place in world.places:
                    yield ALL, world.oracle.in_channel(self.user, place) or 0


@dataclass(frozen=True)
class SomeRights:
    """What an action asks: some bits that it needs and some that it would use, on the server or in a place (not 0)."""

    server: int
    user: int
    place: int
    required: int
    optional: int

    async def ask(self, authz: "AuthzServiceAsyncStub") -> object:
        request = pb.AuthorizeRequest(user_id=self.user, required=self.required, optional=self.optional)
        if self.place:
            request.channel_id = self.place
        else:
            request.server_id = self.server
        answer = await authz.Authorize(request, timeout=PATIENCE)
        return answer.outcome, answer.missing, answer.granted

    def wanted(self, world: World) -> object:
        mask = self._mask(world)
        if mask is None:
            return pb.OUTCOME_HIDDEN, 0, 0
        missing = self._required & ~mask
        return pb.OUTCOME_DENIED if missing else pb.OUTCOME_ALLOWED, missing, self.optional & mask

    def masks(self, world: World) -> Iterable[tuple[int, int]]:
        mask = self._mask(world)
        if mask is not None:
            asked = self._required | self.optional
            yield asked, asked & mask

    @property
    def _required(self) -> int:
        return self.required | (P.VIEW_CHANNEL if self.place else 0)

    def _mask(self, world: World) -> int | None:
        if not self.place:
            return world.oracle.on_server(self.user)
        return world.oracle.in_channel(self.user, self.place) if self.place in world.places else None


@dataclass(frozen=True)
class PrivateRights:
    """Every bit in a private channel; None for who takes no part in it."""

    user: int
    channel: int

    async def ask(self, authz: "AuthzServiceAsyncStub") -> object:
        answer = await authz.Authorize(
            pb.AuthorizeRequest(user_id=self.user, channel_id=self.channel, optional=ALL), timeout=PATIENCE
        )
        return None if answer.outcome == pb.OUTCOME_HIDDEN else answer.granted

    def wanted(self, world: World) -> object:
        return world.oracle.in_private(self.user, self.channel)

    def masks(self, world: World) -> Iterable[tuple[int, int]]:
        mask = world.oracle.in_private(self.user, self.channel)
        if mask is not None:
            yield ALL, mask


@dataclass(frozen=True)
class Audience:
    """Which channels each of the users sees, and their rights on the server: what deliveries hang on."""

    server: int
    users: tuple[int, ...]

    async def ask(self, authz: "AuthzServiceAsyncStub") -> object:
        answer = await authz.ComputeAudience(
            pb.ComputeAudienceRequest(server_id=self.server, user_ids=self.users), timeout=PATIENCE
        )
        return {
            user: (group.permissions, frozenset(group.channel_ids))
            for group in answer.groups
            for user in group.user_ids
        }

    def wanted(self, world: World) -> object:
        return {
            user: (world.oracle.on_server(user), frozenset(self._viewed(world, user)))
            for user in self.users
            if user in world.server.members
        }

    def masks(self, world: World) -> Iterable[tuple[int, int]]:
        for user in self.users:
            if user in world.server.members:
                viewed = len(list(self._viewed(world, user)))
                # One bit for each channel: does the user see it?
                yield (1 << len(world.server.channels)) - 1, (1 << viewed) - 1

    def _viewed(self, world: World, user: int) -> Iterable[int]:
        for channel in world.server.channels:
            if (world.oracle.in_channel(user, channel) or 0) & P.VIEW_CHANNEL:
                yield channel
