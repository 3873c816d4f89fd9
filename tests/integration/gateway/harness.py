"""A gateway over the real authz, servers, messages and bus, in one process. Who has which token is a table."""

import asyncio
import shutil
import sqlite3
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from beep.authz.v1 import authz_service_pb2
from beep.authz.v1.authz_service_pb2_grpc import (
    AuthzServiceServicer,
    AuthzServiceStub,
    add_AuthzServiceServicer_to_server,
)
from beep.messages.v1 import messages_service_pb2
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from beep.servers.v1 import channels_service_pb2, members_service_pb2, roles_service_pb2, servers_service_pb2
from beep.servers.v1.channel_pb2 import CHANNEL_TYPE_TEXT
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.roles_service_pb2_grpc import RolesServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.users.v1 import private_channels_service_pb2, relationships_service_pb2, tokens_service_pb2, users_service_pb2
from beep.users.v1.bots_service_pb2_grpc import BotsServiceServicer, add_BotsServiceServicer_to_server
from beep.users.v1.private_channels_service_pb2_grpc import (
    PrivateChannelsServiceServicer,
    add_PrivateChannelsServiceServicer_to_server,
)
from beep.users.v1.relationships_service_pb2_grpc import (
    RelationshipsServiceServicer,
    add_RelationshipsServiceServicer_to_server,
)
from beep.users.v1.tokens_service_pb2_grpc import TokensServiceServicer, add_TokensServiceServicer_to_server
from beep.users.v1.user_pb2 import Account, User
from beep.users.v1.users_service_pb2_grpc import UsersServiceServicer, add_UsersServiceServicer_to_server
from services.authz import __main__ as authz
from services.common.auth import Principal, current_user_id
from services.common.bus import SESSION_REVOKED, Audience, Envelope, user_shard
from services.common.clock import Clock
from services.common.errors import Unauthenticated, Unavailable
from services.common.rpc import Channel, RpcServer
from services.gateway import __main__ as gateway
from services.gateway.config import DATABASE, REPLAY_FILE, Settings
from services.gateway.store.replay_file import ReplayFile, boot_id
from services.messages import __main__ as messages
from services.servers import __main__ as servers
from tests.support.clock import ManualClock
from tests.support.gateway_client import ALL_INTENTS, GatewayClient
from tests.support.in_process import InProcess, in_process, service, user

OWNER, ANN, BOB, EVE = 11, 12, 13, 14
SERVICES = ("authz", "users", "servers", "messages", "gateway")


class Users(
    UsersServiceServicer,
    TokensServiceServicer,
    BotsServiceServicer,
    RelationshipsServiceServicer,
    PrivateChannelsServiceServicer,
):
    """Answers for `users`: the token of user 12 is "token-12", or "token-12-phone" from another sign-in, until it is
    revoked. An answer that has been decided waits until its door, if there is one, is open.
    """

    def __init__(self) -> None:
        self.bots: set[int] = set()
        self.friends: dict[int, set[int]] = {}
        self.knows_friends = True
        self.asked_for_friends: list[int] = []
        self.private_channels: dict[int, tuple[int, int]] = {}
        self.revoked: set[str] = set()
        self.doors: deque[asyncio.Event] = deque()

    async def Authenticate(
        self, request: tokens_service_pb2.AuthenticateRequest, context: Any
    ) -> tokens_service_pb2.AuthenticateResponse:
        name, _, sign_in = request.token.partition("-")
        number = sign_in.partition("-")[0]
        if name != "token" or not number.isdigit() or request.token in self.revoked:
            raise Unauthenticated("INVALID_TOKEN")
        if self.doors:
            await self.doors.popleft().wait()
        return tokens_service_pb2.AuthenticateResponse(user=self._user(int(number)), auth_session_id=f"sid-{sign_in}")

    async def GetUsers(
        self, request: users_service_pb2.GetUsersRequest, context: Any
    ) -> users_service_pb2.GetUsersResponse:
        return users_service_pb2.GetUsersResponse(users=[self._user(user_id) for user_id in request.ids])

    async def GetAccount(
        self, request: users_service_pb2.GetAccountRequest, context: Any
    ) -> users_service_pb2.GetAccountResponse:
        account = Account(user=self._user(current_user_id()), email="a@example.org", verified=True)
        return users_service_pb2.GetAccountResponse(account=account)

    async def GetIdentityKeys(
        self, request: users_service_pb2.GetIdentityKeysRequest, context: Any
    ) -> users_service_pb2.GetIdentityKeysResponse:
        return users_service_pb2.GetIdentityKeysResponse()

    async def ListRelationships(
        self, request: relationships_service_pb2.ListRelationshipsRequest, context: Any
    ) -> relationships_service_pb2.ListRelationshipsResponse:
        if not self.knows_friends:
            raise Unavailable("DOWN")
        self.asked_for_friends.append(request.user_id)
        friends = [
            relationships_service_pb2.Relationship(user=self._user(friend), type="RELATIONSHIP_TYPE_FRIEND")
            for friend in sorted(self.friends.get(request.user_id, ()))
        ]
        return relationships_service_pb2.ListRelationshipsResponse(relationships=friends)

    async def ListPrivateChannels(
        self, request: private_channels_service_pb2.ListPrivateChannelsRequest, context: Any
    ) -> private_channels_service_pb2.ListPrivateChannelsResponse:
        channels = [
            private_channels_service_pb2.PrivateChannel(
                id=channel_id, type="PRIVATE_CHANNEL_TYPE_DIRECT", participants=map(self._user, two)
            )
            for channel_id, two in self.private_channels.items()
            if request.user_id in two
        ]
        return private_channels_service_pb2.ListPrivateChannelsResponse(channels=channels)

    def _user(self, user_id: int) -> User:
        return User(id=user_id, username=f"user{user_id}", bot=user_id in self.bots)


class Authz(AuthzServiceServicer):
    """The real authz as the gateway reaches it, or does not."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self.answers = True
        self.refused = asyncio.Event()
        """Somebody was not answered, and asks again after a pause."""

    async def Authorize(
        self, request: authz_service_pb2.AuthorizeRequest, context: Any
    ) -> authz_service_pb2.AuthorizeResponse:
        answer: authz_service_pb2.AuthorizeResponse = await self._real.Authorize(request)
        return answer

    async def ComputeAudience(
        self, request: authz_service_pb2.ComputeAudienceRequest, context: Any
    ) -> authz_service_pb2.ComputeAudienceResponse:
        if not self.answers:
            self.refused.set()
            raise Unavailable("DOWN")
        answer: authz_service_pb2.ComputeAudienceResponse = await self._real.ComputeAudience(request)
        return answer


class Client(GatewayClient):
    """What earlier connections of this client got does not count for a new one, not even before its first frame."""

    async def open(self) -> None:
        self._frames_since_open = []
        await super().open()

    async def begun(self) -> None:
        """Wait for the READY of an `identify` that is still under way."""
        async with asyncio.timeout(10):
            while not self.of_kind("READY"):  # noqa: ASYNC110 (nothing tells when)
                await asyncio.sleep(0)


class World:
    """The services, and what tests do with them by the same calls as the REST edge."""

    def __init__(self, stack: AsyncExitStack, beep: InProcess) -> None:
        self.bus = beep.bus
        self.clock = beep.clock
        self.users = Users()
        self.url = ""
        self.settings = Settings(port=0)
        self._stack = stack
        self._beep = beep
        self._gateway: AsyncExitStack | None = None
        self.authz = Authz(AuthzServiceStub(beep.channel("authz", service("gateway"))))
        self._authz_of_gateway = RpcServer("authz", beep.tokens)
        add_AuthzServiceServicer_to_server(self.authz, self._authz_of_gateway)
        self._lives = 0

    async def start(self) -> None:
        add_UsersServiceServicer_to_server(self.users, self._beep.servers["users"])
        add_TokensServiceServicer_to_server(self.users, self._beep.servers["users"])
        add_BotsServiceServicer_to_server(self.users, self._beep.servers["users"])
        add_RelationshipsServiceServicer_to_server(self.users, self._beep.servers["users"])
        add_PrivateChannelsServiceServicer_to_server(self.users, self._beep.servers["users"])
        await self._stack.enter_async_context(authz.build(self._beep.runtime("authz")))
        await self._stack.enter_async_context(servers.build(self._beep.runtime("servers")))
        await self._stack.enter_async_context(messages.build(self._beep.runtime("messages")))
        await self.start_gateway()

    async def start_gateway(self, **settings: Any) -> None:
        self.settings = replace(self.settings, **settings)
        await self.stop_gateway()
        self._gateway = AsyncExitStack()
        authz_channel = self._authz_of_gateway.in_process_channel(service("gateway"))
        runtime = self._beep.runtime("gateway", authz=authz_channel)
        built = await self._gateway.enter_async_context(gateway.build(runtime, self.settings))
        self.url = f"ws://127.0.0.1:{built.port}"

    async def stop_gateway(self) -> None:
        if self._gateway is not None:
            await self._gateway.aclose()
            self._gateway = None

    async def kill_gateway(self, *, watermark: int | None = None) -> None:
        """Start another gateway from what a process that was killed right now would have left.

        `watermark`: as if a lane had stood since that offset, so that everything behind it is read again.
        """
        self._lives += 1
        remains = self._beep.data.parent / f"life-{self._lives}"
        remains.mkdir()
        for name in (DATABASE, f"{DATABASE}-wal", REPLAY_FILE):
            shutil.copyfile(self._beep.data / name, remains / name)
        if watermark is not None:
            with closing(ReplayFile(remains / REPLAY_FILE, boot=boot_id(), epoch=self.bus.epoch)) as replay:
                replay.watermark = watermark
        await self.stop_gateway()
        self._beep.data = remains
        await self.start_gateway()

    async def until_stored(self, sessions: int) -> None:
        """Wait until so many sessions may be resumed after a crash: clients are not told when that is."""
        with closing(sqlite3.connect(self._beep.data / DATABASE)) as database:
            async with asyncio.timeout(10):
                while database.execute("SELECT count(*) FROM sessions").fetchone() != (sessions,):  # noqa: ASYNC110 (nothing tells when)
                    await asyncio.sleep(0)

    def client(self, user_id: int, *, intents: int = ALL_INTENTS, compress: str = "") -> Client:
        return Client(self.url, f"token-{user_id}", intents=intents, compress=compress)

    # what people do

    def channel(self, name: str, caller: Principal) -> Channel:
        return self._beep.channel(name, caller)

    def _as(self, user_id: int, name: str) -> Any:
        return self.channel(name, user(user_id))

    async def create_server(self, owner: int = OWNER) -> tuple[int, int]:
        """The server's id and that of its first channel."""
        stub = ServersServiceStub(self._as(owner, "servers"))
        request = servers_service_pb2.CreateServerRequest(name="Lab", is_public=True)
        snapshot = (await stub.CreateServer(request)).snapshot
        return snapshot.server.id, snapshot.channels[0].id

    async def join(self, user_id: int, server_id: int) -> None:
        stub = ServersServiceStub(self._as(user_id, "servers"))
        await stub.JoinServer(servers_service_pb2.JoinServerRequest(server_id=server_id))

    async def leave(self, user_id: int, server_id: int) -> None:
        stub = ServersServiceStub(self._as(user_id, "servers"))
        await stub.LeaveServer(servers_service_pb2.LeaveServerRequest(server_id=server_id))

    async def kick(self, server_id: int, user_id: int) -> None:
        stub = MembersServiceStub(self._as(OWNER, "servers"))
        await stub.RemoveMember(members_service_pb2.RemoveMemberRequest(server_id=server_id, user_id=user_id))

    async def delete_server(self, server_id: int) -> None:
        stub = ServersServiceStub(self._as(OWNER, "servers"))
        await stub.DeleteServer(servers_service_pb2.DeleteServerRequest(server_id=server_id))

    async def create_channel(self, server_id: int, name: str = "room") -> int:
        stub = ChannelsServiceStub(self._as(OWNER, "servers"))
        request = channels_service_pb2.CreateChannelRequest(server_id=server_id, name=name, type=CHANNEL_TYPE_TEXT)
        return int((await stub.CreateChannel(request)).channel.id)

    async def delete_channel(self, channel_id: int) -> None:
        stub = ChannelsServiceStub(self._as(OWNER, "servers"))
        await stub.DeleteChannel(channels_service_pb2.DeleteChannelRequest(channel_id=channel_id))

    async def overwrite_everyone(self, server_id: int, channel_id: int, *, allow: int = 0, deny: int = 0) -> None:
        stub = ChannelsServiceStub(self._as(OWNER, "servers"))
        await stub.SetOverwrite(
            channels_service_pb2.SetOverwriteRequest(
                channel_id=channel_id,
                overwrite={"target_id": server_id, "target": 1, "allow": allow, "deny": deny},  # type: ignore[arg-type]
            )
        )

    async def create_role(self, server_id: int, permissions: int) -> int:
        stub = RolesServiceStub(self._as(OWNER, "servers"))
        request = roles_service_pb2.CreateRoleRequest(server_id=server_id, name="r", permissions=permissions)
        return int((await stub.CreateRole(request)).role.id)

    async def give_role(self, server_id: int, user_id: int, role_id: int) -> None:
        stub = MembersServiceStub(self._as(OWNER, "servers"))
        await stub.AddMemberRole(
            members_service_pb2.AddMemberRoleRequest(server_id=server_id, user_id=user_id, role_id=role_id)
        )

    async def send(self, channel_id: int, content: str, user_id: int = OWNER) -> None:
        stub = MessagesServiceStub(self._as(user_id, "messages"))
        await stub.CreateMessage(messages_service_pb2.CreateMessageRequest(channel_id=channel_id, content=content))

    async def sign_out(self, user_id: int, sign_in: str = "") -> None:
        """`sign_in`: as in "token-12-phone"; empty: that of "token-12"."""
        sign_in = sign_in or str(user_id)
        self.users.revoked.add(f"token-{sign_in}")
        body = msgspec.json.encode({"auth_session_id": f"sid-{sign_in}"})
        await self.bus.publish([Envelope(9_000 + user_id, user_shard(user_id), SESSION_REVOKED, body, Audience.NONE)])


@asynccontextmanager
async def running_world(data: Path, clock: Clock | None = None) -> AsyncIterator[World]:
    clock = clock or ManualClock()
    async with AsyncExitStack() as stack:
        world = World(stack, await stack.enter_async_context(in_process(data, clock, *SERVICES)))
        await world.start()
        stack.push_async_callback(world.stop_gateway)
        yield world


def contents(client: GatewayClient) -> list[str]:
    return [message["content"] for message in client.of_kind("MESSAGE_CREATE")]


async def until_content(client: GatewayClient, content: str) -> None:
    await client.wait_for("MESSAGE_CREATE", lambda d: d["content"] == content)


async def settled(turns: int = 50) -> None:
    """Let everything that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)
