"""authz, servers and users in one process, a scene in them, and somebody who writes behind authz's back."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

from beep.authz.v1 import drift_service_pb2 as drift_pb
from beep.servers.v1 import servers_service_pb2
from beep.users.v1 import private_channels_service_pb2 as private_pb
from beep.users.v1 import relationships_service_pb2 as relationships_pb
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceStub
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceStub
from services.authz.config import DATABASE, DEFAULTS, PermifySettings, Settings
from services.authz.domain.facts import Attribute, Relationship
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.cli.reconciliation import Reconciliation
from services.common.clock import SystemClock
from services.common.permissions import Permission
from services.common.rpc import Channel
from tests.integration.servers.harness import ANN, BOB, EVE, NAMES, OWNER, World, running_world
from tests.support.clock import ManualClock
from tests.support.in_process import service, user

Engine = EmbeddedAuthorizer | PermifyAuthorizer

_TYPES = ("server", "server_right", "channel", "channel_right", "seat", "thread", "private_channel", "user")
_KINDS = {
    drift_pb.DRIFT_KIND_MISSING: "missing",
    drift_pb.DRIFT_KIND_WRONG: "wrong",
    drift_pb.DRIFT_KIND_EXTRA: "extra",
}


@dataclass
class Report:
    """What a whole walk found: fact and kind."""

    drift: list[tuple[str, str]] = field(default_factory=list)
    repaired: int = 0
    unstated: list[str] = field(default_factory=list)
    compared: int = 0
    changing: int = 0


class Reconciled:
    """The world, and `engine`: what decides there, opened once more beside authz."""

    def __init__(self, world: World, engine: Engine) -> None:
        self.world = world
        self.engine = engine
        self.told: list[int] = []
        """The servers of which live sessions were told that something was repaired."""

    def reconciliation(
        self, late: Callable[[], Awaitable[None]] | None = None, *, retried: bool = False
    ) -> Reconciliation:
        """Make it.

        Args:
            late: what is awaited before each comparison, when the source has answered.
            retried: the first answer of each comparison is lost, and it is made again, as over a `rotating_channel`.
        """

        async def tell(server_ids: Collection[int]) -> None:
            self.told.extend(server_ids)

        names = ("authz", "servers", "users")
        peers = {name: self.world.channel(name, service("operator")) for name in names}
        if late is not None:
            peers["authz"] = _delayed(peers["authz"], late)
        if retried:
            peers["authz"] = _retried(peers["authz"])
        return Reconciliation(peers, tell, SystemClock())

    async def reconcile(
        self, *, apply: bool = False, late: Callable[[], Awaitable[None]] | None = None, retried: bool = False
    ) -> Report:
        """The whole walk."""
        report, reconciliation, cursor = Report(), self.reconciliation(late, retried=retried), ""
        while True:
            step = await reconciliation.step(cursor, apply=apply)
            report.compared += step.compared
            report.changing += step.changing
            for each in step.drift:
                if each.kind == drift_pb.DRIFT_KIND_UNSTATED:
                    report.unstated.append(f"{each.key.id} {each.fact}")
                else:
                    report.drift.append((each.fact, _KINDS[each.kind]))
                    report.repaired += each.repaired
            cursor = step.cursor
            if not cursor:
                return report

    async def everything(self) -> set[str]:
        """All that is held and says something, without the versions."""
        held: set[str] = set()
        head = await self.engine.head()
        for entity_type in _TYPES:
            after = ""
            while True:
                page = await self.engine.list_attributes(entity_type, head, after=after, limit=500)
                held.update(repr(each) for each in page.items if each.value and not each.name.endswith("version"))
                after = page.after
                if not after:
                    break
        channels = await self.engine.list_relationships("channel", "server", head, limit=1000)
        return held | {repr(each) for each in channels.items}

    async def plant(self, *facts: Attribute | Relationship) -> None:
        """Write behind the lane's back."""
        await self.engine.write(
            [fact for fact in facts if isinstance(fact, Attribute)],
            [fact for fact in facts if isinstance(fact, Relationship)],
        )

    # what is between people

    async def befriend(self, one: int, other: int) -> None:
        request = relationships_pb.SendFriendRequestRequest(username=NAMES[other])
        await self._relations(one).SendFriendRequest(request)
        await self._relations(other).AcceptFriendRequest(relationships_pb.AcceptFriendRequestRequest(user_id=one))

    async def block(self, one: int, other: int) -> None:
        await self._relations(one).BlockUser(relationships_pb.BlockUserRequest(user_id=other))

    async def unblock(self, one: int, other: int) -> None:
        await self._relations(one).RemoveRelationship(relationships_pb.RemoveRelationshipRequest(user_id=other))

    async def open_private(self, one: int, *others: int) -> int:
        """The id of the direct message or of the new group."""
        request = private_pb.OpenPrivateChannelRequest(recipient_ids=others)
        return (await self._private(one).OpenPrivateChannel(request)).channel.id

    async def close_private(self, one: int, channel_id: int) -> None:
        request = private_pb.ClosePrivateChannelRequest(channel_id=channel_id)
        await self._private(one).ClosePrivateChannel(request)

    async def delete_server(self, owner: int, server_id: int) -> None:
        request = servers_service_pb2.DeleteServerRequest(server_id=server_id)
        await self.world.user(owner).servers.DeleteServer(request)

    def _relations(self, user_id: int) -> Any:
        return RelationshipsServiceStub(self.world.channel("users", user(user_id)))

    def _private(self, user_id: int) -> Any:
        return PrivateChannelsServiceStub(self.world.channel("users", user(user_id)))


@dataclass(frozen=True)
class Scene:
    """Something of everything, so that each fact can be made wrong.

    OWNER's public server with ANN, who has the role `helper`; BOB, who is muted; and without EVE, who was kicked. In
    `room` helpers may not send, but BOB may; its thread hangs on it. `gone` was a server of OWNER's too, and
    `gone_room` its channel. ANN and BOB have a direct message, in which BOB has silenced her; OWNER, ANN and BOB a
    group.
    """

    server: int
    general: int
    room: int
    thread: int
    helper: int
    other_role: int
    gone: int
    gone_room: int
    direct: int
    group: int


async def make_scene(reconciled: Reconciled) -> Scene:
    owner, ann = reconciled.world.user(OWNER), reconciled.world.user(ANN)
    snapshot = await owner.create_server("Lab", is_public=True)
    server = snapshot.server.id
    for user_id in (ANN, BOB, EVE):
        await reconciled.world.user(user_id).join(server)
    helper = await owner.create_role(server, Permission.SEND_MESSAGES, name="helper")
    other_role = await owner.create_role(server, Permission.MANAGE_CHANNELS, name="other")
    await owner.give_role(server, ANN, helper.id)
    room = await owner.create_channel(server)
    await owner.set_overwrite(room.id, helper.id, deny=Permission.SEND_MESSAGES)
    await owner.set_overwrite(room.id, BOB, allow=Permission.SEND_MESSAGES, member=True)
    thread = await owner.create_thread(room.id)
    await owner.update_member(server, BOB, muted_until_ms=reconciled.world.clock.now_ms() + 3_600_000)
    await owner.kick(server, EVE)
    gone = await owner.create_server("Gone", is_public=True)
    await ann.join(gone.server.id)
    gone_room = await owner.create_channel(gone.server.id)
    await owner.set_overwrite(gone_room.id, gone.server.id, deny=Permission.SEND_MESSAGES)
    await owner.create_thread(gone_room.id)
    await reconciled.delete_server(OWNER, gone.server.id)
    await reconciled.befriend(OWNER, ANN)
    await reconciled.befriend(OWNER, BOB)
    direct = await reconciled.open_private(ANN, BOB)
    await reconciled.block(BOB, ANN)
    group = await reconciled.open_private(OWNER, ANN, BOB)
    over = await reconciled.open_private(OWNER, ANN, BOB)
    for user_id in (OWNER, ANN, BOB):
        await reconciled.close_private(user_id, over)
    general = next(channel.id for channel in snapshot.channels)
    return Scene(
        server, general, room.id, thread.id, helper.id, other_role.id, gone.server.id, gone_room.id, direct, group
    )


@asynccontextmanager
async def reconciled_world(data: Path, permify: PermifySettings | None = None) -> AsyncIterator[Reconciled]:
    """With the clock of the system: relays pause, and nobody here turns the hands."""
    settings = DEFAULTS if permify is None else Settings(permify=permify)
    async with running_world(data, cast(ManualClock, SystemClock()), settings) as world:
        engine: Engine
        if permify is None:
            engine = await EmbeddedAuthorizer.open(data / DATABASE)
        else:
            engine = await PermifyAuthorizer.open(permify.address, permify.tenant, permify.key, SystemClock())
        await engine.write_schema(settings.schema.read_text())
        try:
            yield Reconciled(world, engine)
        finally:
            await engine.close()


def pauses(random: Random, longest: float) -> Callable[[], Awaitable[None]]:
    """Waits of a random length, in seconds: so that much happens in between."""

    async def pause() -> None:
        await asyncio.sleep(random.random() * longest)

    return pause


def _delayed(channel: Channel, late: Callable[[], Awaitable[None]]) -> Channel:
    async def first(_: Callable[[], Awaitable[Any]]) -> None:
        await late()

    return _before_comparisons(channel, first)


def _retried(channel: Channel) -> Channel:
    async def first(compare: Callable[[], Awaitable[Any]]) -> None:
        await compare()

    return _before_comparisons(channel, first)


def _before_comparisons(channel: Channel, first: Callable[[Callable[[], Awaitable[Any]]], Awaitable[None]]) -> Channel:
    """`first` is given the comparison that is to be made."""

    def connect(path: str, serialize: Any, deserialize: Any) -> Any:
        call = channel.unary_unary(path, serialize, deserialize)

        async def carry(request: Any, seconds: float, token: str) -> Any:
            if path.endswith("/CompareFacts"):
                await first(partial(call, request, timeout=seconds))
            return await call(request, timeout=seconds)

        return carry

    return Channel("authz", service("operator"), _tokens(channel), connect)


def _tokens(channel: Channel) -> Any:
    return channel._tokens
