"""A server with one channel, and the messages service over the real authz: what every test of this folder starts from.

Users and servers are stand-ins that answer from tables: what they own is not what is tested here.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from beep.authz.v1 import authz_service_pb2, facts_pb2
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.messages.v1 import messages_service_pb2 as pb
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from beep.messages.v1.reactions_service_pb2_grpc import ReactionsServiceStub
from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceStub
from beep.servers.v1 import (
    channel_pb2,
    channels_service_pb2,
    members_service_pb2,
    role_pb2,
    server_pb2,
    servers_service_pb2,
    threads_service_pb2,
)
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceServicer, add_ChannelsServiceServicer_to_server
from beep.servers.v1.member_pb2 import Member
from beep.servers.v1.members_service_pb2_grpc import MembersServiceServicer, add_MembersServiceServicer_to_server
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceServicer, add_ServersServiceServicer_to_server
from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceServicer, add_ThreadsServiceServicer_to_server
from beep.users.v1 import private_channels_service_pb2, users_service_pb2
from beep.users.v1.private_channels_service_pb2_grpc import (
    PrivateChannelsServiceServicer,
    add_PrivateChannelsServiceServicer_to_server,
)
from beep.users.v1.user_pb2 import User
from beep.users.v1.users_service_pb2_grpc import UsersServiceServicer, add_UsersServiceServicer_to_server
from services.authz import __main__ as authz
from services.common.auth import Principal, require_service
from services.common.bus import Envelope, Subscription, server_shard
from services.common.errors import NotFound
from services.common.permissions import Permission
from services.messages import __main__ as messages
from tests.support.clock import ManualClock
from tests.support.in_process import InProcess, in_process, service, user

SERVER = 1_000_000
CHANNEL = 1_000_001
OTHER_CHANNEL = 1_000_002
CATEGORY = 1_000_003
THREAD = 1_000_004
DIRECT, GROUP = 2_000_001, 2_000_002
OWNER, ANN, BOB, STRANGER = 11, 12, 13, 14
PUBLIC_URL = "https://chat.example"
MENTIONABLE_ROLE, QUIET_ROLE = 901, 902
READER = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
SENDER = READER | Permission.SEND_MESSAGES


@dataclass
class Tables(
    UsersServiceServicer,
    MembersServiceServicer,
    ServersServiceServicer,
    ChannelsServiceServicer,
    ThreadsServiceServicer,
    PrivateChannelsServiceServicer,
):
    """Answers for `users` and `servers`, and counts what it is asked."""

    users: dict[int, User] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    roles: list[role_pb2.Role] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    slow_modes: dict[int, int] = field(default_factory=dict)
    unarchived: list[int] = field(default_factory=list)

    async def GetUsers(
        self, request: users_service_pb2.GetUsersRequest, context: Any
    ) -> users_service_pb2.GetUsersResponse:
        self.asked["GetUsers"] += 1
        require_service()
        return users_service_pb2.GetUsersResponse(users=[self.users[i] for i in request.ids if i in self.users])

    async def GetMember(
        self, request: members_service_pb2.GetMemberRequest, context: Any
    ) -> members_service_pb2.GetMemberResponse:
        self.asked["GetMember"] += 1
        require_service()
        if request.user_id not in self.members:
            raise NotFound("UNKNOWN_MEMBER")
        return members_service_pb2.GetMemberResponse(member=self.members[request.user_id])

    async def GetSnapshot(
        self, request: servers_service_pb2.GetSnapshotRequest, context: Any
    ) -> servers_service_pb2.GetSnapshotResponse:
        self.asked["GetSnapshot"] += 1
        require_service()
        return servers_service_pb2.GetSnapshotResponse(snapshot=server_pb2.ServerSnapshot(roles=self.roles))

    async def GetChannel(
        self, request: channels_service_pb2.GetChannelRequest, context: Any
    ) -> channels_service_pb2.GetChannelResponse:
        self.asked["GetChannel"] += 1
        require_service()
        is_category = request.channel_id == CATEGORY
        kind = channel_pb2.CHANNEL_TYPE_CATEGORY if is_category else channel_pb2.CHANNEL_TYPE_TEXT
        seconds = self.slow_modes.get(request.channel_id, 0)
        return channels_service_pb2.GetChannelResponse(
            channel=channel_pb2.Channel(id=request.channel_id, type=kind, rate_limit_per_user=seconds)
        )

    async def UpdateThread(
        self, request: threads_service_pb2.UpdateThreadRequest, context: Any
    ) -> threads_service_pb2.UpdateThreadResponse:
        require_service()
        assert request.HasField("archived")
        assert not request.archived
        self.unarchived.append(request.thread_id)
        return threads_service_pb2.UpdateThreadResponse()

    async def GetPrivateChannel(
        self, request: private_channels_service_pb2.GetPrivateChannelRequest, context: Any
    ) -> private_channels_service_pb2.GetPrivateChannelResponse:
        self.asked["GetPrivateChannel"] += 1
        require_service()
        pb_ = private_channels_service_pb2
        is_group = request.channel_id == GROUP
        kind = pb_.PRIVATE_CHANNEL_TYPE_GROUP if is_group else pb_.PRIVATE_CHANNEL_TYPE_DIRECT
        return pb_.GetPrivateChannelResponse(channel=pb_.PrivateChannel(id=request.channel_id, type=kind))

    async def ListChannels(
        self, request: channels_service_pb2.ListChannelsRequest, context: Any
    ) -> channels_service_pb2.ListChannelsResponse:
        self.asked["ListChannels"] += 1
        require_service()
        if request.server_id != SERVER:
            raise NotFound("UNKNOWN_SERVER")
        return channels_service_pb2.ListChannelsResponse(
            channels=[
                channel_pb2.Channel(id=CHANNEL, type=channel_pb2.CHANNEL_TYPE_TEXT),
                channel_pb2.Channel(id=OTHER_CHANNEL, type=channel_pb2.CHANNEL_TYPE_TEXT),
                channel_pb2.Channel(id=CATEGORY, type=channel_pb2.CHANNEL_TYPE_CATEGORY),
            ]
        )


class World:
    """Who may do what is set by `grant`; `as_user` speaks for somebody; `events` is what was published."""

    def __init__(self, stack: AsyncExitStack, beep: InProcess, clock: ManualClock) -> None:
        self.clock = clock
        self.bus = beep.bus
        self.tables = Tables()
        self._stack = stack
        self._beep = beep
        self._subscription: Subscription = self.bus.subscribe([server_shard(SERVER)])
        self._events: list[Envelope] = []
        self._version = 0
        self._seats: dict[int, Permission] = {}
        self._service: AsyncExitStack | None = None
        self._facts = AuthzServiceStub(beep.channel("authz", service("servers")))
        self._private_version = 0

    async def start(self) -> None:
        add_UsersServiceServicer_to_server(self.tables, self._beep.servers["users"])
        add_MembersServiceServicer_to_server(self.tables, self._beep.servers["servers"])
        add_ServersServiceServicer_to_server(self.tables, self._beep.servers["servers"])
        add_ChannelsServiceServicer_to_server(self.tables, self._beep.servers["servers"])
        add_ThreadsServiceServicer_to_server(self.tables, self._beep.servers["servers"])
        add_PrivateChannelsServiceServicer_to_server(self.tables, self._beep.servers["users"])
        await self._stack.enter_async_context(authz.build(self._beep.runtime("authz")))
        for user_id, name in ((OWNER, "owner"), (ANN, "ann"), (BOB, "bob"), (STRANGER, "stranger")):
            self.tables.users[user_id] = User(id=user_id, username=name)
        self.tables.roles = [
            role_pb2.Role(id=SERVER, name="@everyone"),
            role_pb2.Role(id=MENTIONABLE_ROLE, name="open", mentionable=True),
            role_pb2.Role(id=QUIET_ROLE, name="quiet"),
        ]
        await self._apply(facts_pb2.FactChange(set_server=facts_pb2.SetServer(server_id=SERVER, owner_id=OWNER)))
        for channel_id in (CHANNEL, OTHER_CHANNEL, CATEGORY):
            channel = facts_pb2.SetChannel(server_id=SERVER, channel_id=channel_id)
            await self._apply(facts_pb2.FactChange(set_channel=channel))
        for user_id in (OWNER, ANN, BOB):
            await self.grant(user_id, SENDER)
        await self.restart()

    async def restart(self) -> None:
        """Ends the messages service, if it runs, and starts it over the same data."""
        if self._service is not None:
            await self._service.aclose()
        self._service = AsyncExitStack()
        settings = messages.Settings(public_url=PUBLIC_URL)
        await self._service.enter_async_context(messages.build(self._beep.runtime("messages"), settings))

    async def close(self) -> None:
        if self._service is not None:
            await self._service.aclose()

    async def grant(self, user_id: int, permissions: Permission) -> None:
        """Gives a member exactly these permissions, by a role of their own."""
        self._seats[user_id] = permissions
        member = Member(server_id=SERVER, user=self.tables.users[user_id], joined_at_ms=1_700_000_000_000)
        self.tables.members[user_id] = member
        roles = [facts_pb2.RolePermissions(role_id=SERVER, permissions=0)]
        roles += [facts_pb2.RolePermissions(role_id=500 + u, permissions=int(p)) for u, p in self._seats.items()]
        seat = facts_pb2.SetSeat(server_id=SERVER, user_id=user_id, role_ids=[500 + user_id])
        await self._apply(
            facts_pb2.FactChange(set_roles=facts_pb2.SetRoles(server_id=SERVER, roles=roles)),
            facts_pb2.FactChange(set_seat=seat),
        )

    async def open_thread(self, *, locked: bool = False, archived: bool = False) -> None:
        """THREAD hangs on CHANNEL."""
        thread = facts_pb2.SetThread(
            server_id=SERVER, thread_id=THREAD, channel_id=CHANNEL, locked=locked, archived=archived
        )
        await self._apply(facts_pb2.FactChange(set_thread=thread))

    async def open_private(self, channel_id: int, *participant_ids: int, silenced: bool = False) -> None:
        self._private_version += 1
        private = facts_pb2.SetPrivateChannel(channel_id=channel_id, participant_ids=participant_ids, silenced=silenced)
        change = facts_pb2.FactChange(set_private_channel=private)
        await self._facts.ApplyFacts(
            authz_service_pb2.ApplyFactsRequest(version=self._private_version, changes=[change])
        )

    def as_user(self, user_id: int) -> "MessagesServiceStub":
        return MessagesServiceStub(self._beep.channel("messages", user(user_id)))

    def as_service(self, name: str = "rest") -> "MessagesServiceStub":
        return MessagesServiceStub(self._beep.channel("messages", service(name)))

    def reactions(self, user_id: int) -> "ReactionsServiceStub":
        return ReactionsServiceStub(self._beep.channel("messages", user(user_id)))

    def read_states(self, principal: Principal) -> "ReadStatesServiceStub":
        return ReadStatesServiceStub(self._beep.channel("messages", principal))

    def listen(self, *shards: str) -> "Listener":
        """What is published to these shards from now on."""
        return Listener(self.bus.subscribe(shards))

    async def send(self, user_id: int, content: str = "hello", **fields: Any) -> Any:
        """The created message."""
        request = pb.CreateMessageRequest(channel_id=fields.pop("channel_id", CHANNEL), content=content, **fields)
        return (await self.as_user(user_id).CreateMessage(request)).message

    async def delete(self, user_id: int, message_id: int) -> None:
        await self.as_user(user_id).DeleteMessage(pb.DeleteMessageRequest(channel_id=CHANNEL, message_id=message_id))

    async def history(self, user_id: int = OWNER, **fields: Any) -> list[Any]:
        request = pb.ListMessagesRequest(channel_id=CHANNEL, limit=100, **fields)
        return list((await self.as_user(user_id).ListMessages(request)).messages)

    async def events(self, count: int) -> list[tuple[str, dict[str, Any]]]:
        """The next `count` dispatches of the server, as (type, body)."""
        async with asyncio.timeout(5):
            while len(self._events) < count:
                self._events += [record.envelope for record in await anext(aiter(self._subscription))]
        taken, self._events = self._events[:count], self._events[count:]
        return [(envelope.type, msgspec.json.decode(envelope.body)) for envelope in taken]

    async def _apply(self, *changes: facts_pb2.FactChange) -> None:
        self._version += 1
        request = authz_service_pb2.ApplyFactsRequest(server_id=SERVER, version=self._version, changes=changes)
        await self._facts.ApplyFacts(request)


class Listener:
    def __init__(self, subscription: Subscription) -> None:
        self._subscription = subscription
        self._waiting: list[Envelope] = []

    async def next(self, count: int) -> list[Envelope]:
        async with asyncio.timeout(5):
            while len(self._waiting) < count:
                self._waiting += [record.envelope for record in await anext(aiter(self._subscription))]
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken


@asynccontextmanager
async def running_world(data: Path) -> AsyncIterator[World]:
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        beep = await stack.enter_async_context(in_process(data, clock, "authz", "users", "servers", "messages"))
        world = World(stack, beep, clock)
        await world.start()
        stack.push_async_callback(world.close)
        yield world
