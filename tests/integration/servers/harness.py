"""The servers service over the real authz, users and bus, in one process: what every test here starts from."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from beep.authz.v1 import authz_service_pb2
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.messages.v1 import messages_service_pb2
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceServicer, add_MessagesServiceServicer_to_server
from beep.servers.v1 import (
    channel_pb2,
    channels_service_pb2,
    invites_service_pb2,
    members_service_pb2,
    roles_service_pb2,
    servers_service_pb2,
    threads_service_pb2,
)
from beep.servers.v1.audit_log_service_pb2_grpc import AuditLogServiceStub
from beep.servers.v1.bans_service_pb2_grpc import BansServiceStub
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceStub
from beep.servers.v1.invites_service_pb2_grpc import InvitesServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.roles_service_pb2_grpc import RolesServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceStub
from beep.users.v1.bots_service_pb2 import CreateBotRequest
from beep.users.v1.bots_service_pb2_grpc import BotsServiceStub
from services.authz import __main__ as authz
from services.authz.config import DEFAULTS as AUTHZ_DEFAULTS
from services.authz.config import Settings as AuthzSettings
from services.common.auth import Principal, require_service
from services.common.bus import Envelope, server_shard
from services.common.errors import BeepError, Unavailable
from services.common.permissions import Permission
from services.common.rpc import Channel
from services.common.sqlite import Database
from services.servers import __main__ as servers
from services.users import __main__ as users
from services.users.config import DATABASE as USERS_DATABASE
from services.users.config import Settings as UsersSettings
from services.users.store import sqlite as users_sqlite
from services.users.store.ports import NewPerson
from tests.support.clock import ManualClock
from tests.support.in_process import InProcess, bot, in_process, service, user

OWNER, ANN, BOB, EVE = 11, 12, 13, 14
NAMES = {OWNER: "owner", ANN: "ann", BOB: "bob", EVE: "eve"}


class Caller:
    """Somebody with the stubs of the servers service."""

    def __init__(self, channel: Channel, user_id: int = 0) -> None:
        self.id = user_id
        self.servers = ServersServiceStub(channel)
        self.channels = ChannelsServiceStub(channel)
        self.roles = RolesServiceStub(channel)
        self.members = MembersServiceStub(channel)
        self.invites = InvitesServiceStub(channel)
        self.invitations = InvitationsServiceStub(channel)
        self.bans = BansServiceStub(channel)
        self.audit_log = AuditLogServiceStub(channel)
        self.threads = ThreadsServiceStub(channel)

    async def create_server(self, name: str = "Lab", **fields: Any) -> Any:
        """The snapshot of the new server."""
        answer = await self.servers.CreateServer(servers_service_pb2.CreateServerRequest(name=name, **fields))
        return answer.snapshot

    async def create_role(self, server_id: int, permissions: int = 0, **fields: Any) -> Any:
        request = roles_service_pb2.CreateRoleRequest(server_id=server_id, permissions=permissions, **fields)
        return (await self.roles.CreateRole(request)).role

    async def create_channel(self, server_id: int, name: str = "room", **fields: Any) -> Any:
        request = channels_service_pb2.CreateChannelRequest(server_id=server_id, name=name, **fields)
        return (await self.channels.CreateChannel(request)).channel

    async def create_thread(self, channel_id: int, name: str = "talk", **fields: Any) -> Any:
        request = threads_service_pb2.CreateThreadRequest(channel_id=channel_id, name=name, **fields)
        return (await self.threads.CreateThread(request)).thread

    async def update_thread(self, thread_id: int, **fields: Any) -> Any:
        request = threads_service_pb2.UpdateThreadRequest(thread_id=thread_id, **fields)
        return (await self.threads.UpdateThread(request)).thread

    async def add_to_thread(self, thread_id: int, user_id: int) -> None:
        request = threads_service_pb2.AddThreadMemberRequest(thread_id=thread_id, user_id=user_id)
        await self.threads.AddThreadMember(request)

    async def create_invite(self, channel_id: int, **fields: Any) -> Any:
        request = invites_service_pb2.CreateInviteRequest(channel_id=channel_id, **fields)
        return (await self.invites.CreateInvite(request)).invite

    async def accept(self, code: str) -> bool:
        return (await self.invites.AcceptInvite(invites_service_pb2.AcceptInviteRequest(code=code))).joined

    async def join(self, server_id: int) -> None:
        """A public server."""
        await self.servers.JoinServer(servers_service_pb2.JoinServerRequest(server_id=server_id))

    async def give_role(self, server_id: int, user_id: int, role_id: int) -> None:
        await self.members.AddMemberRole(
            members_service_pb2.AddMemberRoleRequest(server_id=server_id, user_id=user_id, role_id=role_id)
        )

    async def take_role(self, server_id: int, user_id: int, role_id: int) -> None:
        await self.members.RemoveMemberRole(
            members_service_pb2.RemoveMemberRoleRequest(server_id=server_id, user_id=user_id, role_id=role_id)
        )

    async def kick(self, server_id: int, user_id: int) -> None:
        await self.members.RemoveMember(members_service_pb2.RemoveMemberRequest(server_id=server_id, user_id=user_id))

    async def add_bot(self, server_id: int, bot_id: int, permissions: int = 0) -> Any:
        request = members_service_pb2.AddBotRequest(server_id=server_id, bot_id=bot_id, permissions=permissions)
        return (await self.members.AddBot(request)).member

    async def update_member(self, server_id: int, user_id: int, **fields: Any) -> Any:
        request = members_service_pb2.UpdateMemberRequest(server_id=server_id, user_id=user_id, **fields)
        return (await self.members.UpdateMember(request)).member

    async def set_overwrite(
        self, channel_id: int, target_id: int, *, allow: int = 0, deny: int = 0, member: bool = False
    ) -> None:
        target = channel_pb2.OVERWRITE_TARGET_MEMBER if member else channel_pb2.OVERWRITE_TARGET_ROLE
        overwrite = channel_pb2.Overwrite(target_id=target_id, target=target, allow=allow, deny=deny)
        await self.channels.SetOverwrite(
            channels_service_pb2.SetOverwriteRequest(channel_id=channel_id, overwrite=overwrite)
        )

    async def channel_names(self, server_id: int) -> list[str]:
        answer = await self.channels.ListChannels(channels_service_pb2.ListChannelsRequest(server_id=server_id))
        return [channel.name for channel in answer.channels]

    async def move_role(self, server_id: int, role_id: int, position: int) -> None:
        move = roles_service_pb2.RoleMove(role_id=role_id, position=position)
        await self.roles.MoveRoles(roles_service_pb2.MoveRolesRequest(server_id=server_id, moves=[move]))

    async def delete_role(self, server_id: int, role_id: int) -> None:
        await self.roles.DeleteRole(roles_service_pb2.DeleteRoleRequest(server_id=server_id, role_id=role_id))

    async def member(self, server_id: int, user_id: int) -> Any:
        request = members_service_pb2.GetMemberRequest(server_id=server_id, user_id=user_id)
        return (await self.members.GetMember(request)).member

    async def member_names(self, server_id: int, query: str = "") -> list[str]:
        """Usernames, by id; with a query the matching ones."""
        if query:
            search = members_service_pb2.SearchMembersRequest(server_id=server_id, query=query)
            found = (await self.members.SearchMembers(search)).members
        else:
            found = (
                await self.members.ListMembers(members_service_pb2.ListMembersRequest(server_id=server_id))
            ).members
        return [member.user.username for member in found]

    async def snapshot(self, server_id: int, **fields: Any) -> Any:
        request = servers_service_pb2.GetSnapshotRequest(server_id=server_id, **fields)
        return (await self.servers.GetSnapshot(request)).snapshot

    async def get_server(self, server_id: int) -> Any:
        return await self.servers.GetServer(servers_service_pb2.GetServerRequest(server_id=server_id))


class StandInMessages(MessagesServiceServicer):
    """The messages service, as far as servers asks it. `last`: the newest message by channel; while `gone`, it does
    not answer."""

    def __init__(self) -> None:
        self.last: dict[int, int] = {}
        self.gone = False
        self.asked = asyncio.Event()

    async def ListLastMessages(
        self, request: messages_service_pb2.ListLastMessagesRequest, context: object
    ) -> messages_service_pb2.ListLastMessagesResponse:
        require_service()
        self.asked.set()
        if self.gone:
            raise Unavailable("GONE")
        known = [
            messages_service_pb2.LastMessage(channel_id=channel_id, message_id=self.last[channel_id])
            for channel_id in request.channel_ids
            if channel_id in self.last
        ]
        return messages_service_pb2.ListLastMessagesResponse(last_messages=known)


class World:
    """The users of `NAMES`, and services that can be asked as any of them."""

    def __init__(
        self, stack: AsyncExitStack, beep: InProcess, clock: ManualClock, engine: AuthzSettings = AUTHZ_DEFAULTS
    ) -> None:
        self.clock = clock
        self._engine = engine
        self.bus = beep.bus
        self.messages = StandInMessages()
        beep.servers["messages"].add(add_MessagesServiceServicer_to_server, self.messages)
        self._stack = stack
        self._beep = beep
        self._service: AsyncExitStack | None = None
        self._facts_pass = asyncio.Event()
        self._facts_pass.set()
        self.authz = AuthzServiceStub(beep.channel("authz", service("messages")))

    async def start(self) -> None:
        await self._make_people()
        await self._stack.enter_async_context(authz.build(self._beep.runtime("authz"), self._engine))
        settings = UsersSettings(public_url="http://localhost:8080")
        await self._stack.enter_async_context(users.build(self._beep.runtime("users"), settings))
        await self.restart()

    async def restart(self) -> None:
        """Ends the servers service, if it runs, and starts it over the same data."""
        await self.close()
        self._service = AsyncExitStack()
        # Around its channel to authz, which must not hold up what others ask there.
        held = self._with_held_facts(self._beep.channel("authz", service("servers")))
        await self._service.enter_async_context(servers.build(self._beep.runtime("servers", authz=held)))

    async def close(self) -> None:
        if self._service is not None:
            await self._service.aclose()

    @asynccontextmanager
    async def held_facts(self) -> AsyncIterator[None]:
        """Inside, authz does not answer a change of facts; it answers everything else."""
        self._facts_pass.clear()
        try:
            yield
        finally:
            self._facts_pass.set()

    def channel(self, name: str, caller: Principal) -> Channel:
        """To any of the services."""
        return self._beep.channel(name, caller)

    def user(self, user_id: int) -> Caller:
        return Caller(self._beep.channel("servers", user(user_id)), user_id)

    def bot(self, bot_id: int) -> Caller:
        return Caller(self._beep.channel("servers", bot(bot_id)), bot_id)

    def service(self) -> Caller:
        return Caller(self._beep.channel("servers", service("messages")))

    async def make_bot(self, owner_id: int, *, is_public: bool = False) -> int:
        bots = BotsServiceStub(self._beep.channel("users", user(owner_id)))
        answer = await bots.CreateBot(CreateBotRequest(name="helper", is_public=is_public))
        return answer.bot.user.id

    async def rename(self, user_id: int, username: str) -> None:
        """In the database of users, which tells nobody of it."""
        db = await Database.open(self._beep.data / USERS_DATABASE, users_sqlite.MIGRATIONS)
        await db.write(lambda conn: conn.execute("UPDATE users SET username = ? WHERE id = ?", (username, user_id)))
        await db.close()

    async def may(self, user_id: int, channel_id: int, permission: Permission) -> bool:
        request = authz_service_pb2.AuthorizeRequest(user_id=user_id, channel_id=channel_id, required=permission)
        return (await self.authz.Authorize(request)).outcome == authz_service_pb2.OUTCOME_ALLOWED

    async def events(self, shard: str) -> list[Envelope]:
        """Everything that was published to the shard, oldest first."""
        return [record.envelope for record in await self.bus.read([shard], 0, 1000)]

    async def published(self, server_id: int, type: str, times: int = 1) -> None:
        """Returns when so many of these have been published to the server's shard, since it was made."""
        subscription = self.bus.subscribe([server_shard(server_id)], after=0)
        async with asyncio.timeout(5):
            async for batch in subscription:
                times -= sum(record.envelope.type == type for record in batch)
                if times <= 0:
                    break
        subscription.close()

    async def changes(self, server_id: int) -> list[Envelope]:
        """What was told of the server's changes, without what its audit log says of them."""
        events = await self.events(server_shard(server_id))
        return [envelope for envelope in events if envelope.type != "GUILD_AUDIT_LOG_ENTRY_CREATE"]

    async def dispatches(self, server_id: int) -> list[tuple[str, dict[str, Any]]]:
        return [(envelope.type, msgspec.json.decode(envelope.body)) for envelope in await self.changes(server_id)]

    async def _make_people(self) -> None:
        db = await Database.open(self._beep.data / USERS_DATABASE, users_sqlite.MIGRATIONS)
        store = users_sqlite.SqliteUserStore(db, lambda _: None)
        for user_id, name in NAMES.items():
            person = NewPerson(name, f"{name}@example.org", name, "")
            await store.provision(person, user_id, now_ms=self.clock.now_ms())
        await db.close()

    def _with_held_facts(self, channel: Channel) -> Channel:
        def connect(path: str, serialize: Any, deserialize: Any) -> Any:
            call = channel.unary_unary(path, serialize, deserialize)

            async def carry(request: Any, seconds: float, token: str) -> Any:
                if path.endswith("/ApplyFacts"):
                    await self._facts_pass.wait()
                return await call(request, timeout=seconds, metadata=(("authorization", token),))

            return carry

        return Channel("authz", service("servers"), self._beep.tokens, connect)


@asynccontextmanager
async def running_world(
    data: Path, clock: ManualClock | None = None, engine: AuthzSettings = AUTHZ_DEFAULTS
) -> AsyncIterator[World]:
    clock = clock or ManualClock()
    async with AsyncExitStack() as stack:
        beep = await stack.enter_async_context(in_process(data, clock, "authz", "users", "servers", "messages"))
        world = World(stack, beep, clock, engine)
        await world.start()
        stack.push_async_callback(world.close)
        yield world


class Refused:
    """`async with refused("UNKNOWN_SERVER"): …` — the one thing that may happen inside."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is None:
            pytest.fail(f"not refused with {self._reason}")
        if isinstance(error, BeepError):
            assert error.reason == self._reason
            return True
        return False


refused = Refused


async def settled() -> None:
    """Lets the tasks that were just woken run."""
    for _ in range(20):
        await asyncio.sleep(0)
