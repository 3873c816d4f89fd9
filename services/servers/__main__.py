"""Builds servers: the only place that does."""

import secrets
import string
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.facts_service_pb2_grpc import add_FactsServiceServicer_to_server
from beep.servers.v1.audit_log_service_pb2_grpc import add_AuditLogServiceServicer_to_server
from beep.servers.v1.bans_service_pb2_grpc import add_BansServiceServicer_to_server
from beep.servers.v1.channels_service_pb2_grpc import add_ChannelsServiceServicer_to_server
from beep.servers.v1.invitations_service_pb2_grpc import add_InvitationsServiceServicer_to_server
from beep.servers.v1.invites_service_pb2_grpc import add_InvitesServiceServicer_to_server
from beep.servers.v1.members_service_pb2_grpc import add_MembersServiceServicer_to_server
from beep.servers.v1.roles_service_pb2_grpc import add_RolesServiceServicer_to_server
from beep.servers.v1.servers_service_pb2_grpc import add_ServersServiceServicer_to_server
from beep.servers.v1.threads_service_pb2_grpc import add_ThreadsServiceServicer_to_server
from beep.users.v1.bots_service_pb2_grpc import BotsServiceStub
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from services.common.authorization import Access
from services.common.bus import Inbox
from services.common.outbox import OutboxRecord, Relay, SqliteOutbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.servers.archiving import Archiving
from services.servers.config import DATABASE, DEFAULTS, Settings
from services.servers.directory import Directory
from services.servers.mutes import MuteTimer
from services.servers.notices import Notices
from services.servers.service.access import CallersAccess
from services.servers.service.audit_log import AuditLogService
from services.servers.service.bans import BansService
from services.servers.service.changes import Changes
from services.servers.service.channels import ChannelsService
from services.servers.service.entrance import Entrance
from services.servers.service.facts import FactsService
from services.servers.service.invitations import InvitationsService
from services.servers.service.invites import InvitesService
from services.servers.service.members import MembersService
from services.servers.service.queues import ServerQueues
from services.servers.service.roles import RolesService
from services.servers.service.servers import ServersService
from services.servers.service.threads import ThreadsService
from services.servers.store.sqlite import MIGRATIONS, SqliteServerStore
from services.servers.store.sqlite_facts import SqliteFactStore

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

CODE_ALPHABET: Final = string.ascii_letters + string.digits
CODE_LENGTH: Final = 8


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings = DEFAULTS) -> AsyncIterator[None]:
    """Serve servers at the runtime's server for as long as the context is open."""
    clock, peers, server = runtime.clock, runtime.peers, runtime.server
    authz = AuthzServiceStub(peers["authz"])
    async with AsyncExitStack() as stack:
        database = await Database.open(runtime.data / DATABASE, MIGRATIONS)
        stack.push_async_callback(database.close)
        relay = Relay(SqliteOutbox(database, clock), runtime.bus, clock, apply_facts=_facts_to(authz))
        await relay.start()
        stack.push_async_callback(relay.close)

        store = SqliteServerStore(database, relay.notify)
        users = UsersServiceStub(peers["users"])
        directory = Directory(users, runtime.bus, settings.profiles_kept)
        stack.callback(directory.close)
        ids = SnowflakeGenerator(settings.worker, clock)
        changes = Changes(store, relay, directory, ServerQueues(settings.waiting_per_server), clock, ids.next)
        mutes = MuteTimer(store, changes, clock)
        await stack.enter_async_context(running(directory.follow()))
        await stack.enter_async_context(running(mutes.run()))
        await stack.enter_async_context(running(Archiving(store, changes, peers, clock).run()))
        access, entrance = CallersAccess(Access(authz)), Entrance(store, users)
        notices = Notices(store, changes, directory, entrance)
        inbox = Inbox("servers", runtime.bus, database, notices.handle, clock)
        await stack.enter_async_context(running(inbox.run()))

        servers = ServersService(store, changes, access, directory, entrance)
        server.add(add_ServersServiceServicer_to_server, servers)
        server.add(add_ChannelsServiceServicer_to_server, ChannelsService(store, changes, access))
        server.add(add_ThreadsServiceServicer_to_server, ThreadsService(store, changes, access))
        server.add(add_RolesServiceServicer_to_server, RolesService(store, changes, access))
        bots = BotsServiceStub(peers["users"])
        members = MembersService(store, changes, access, directory, entrance, bots, mutes.changed)
        server.add(add_MembersServiceServicer_to_server, members)
        invites = InvitesService(store, changes, access, directory, entrance, _new_code)
        server.add(add_InvitesServiceServicer_to_server, invites)
        relationships = RelationshipsServiceStub(peers["users"])
        invitations = InvitationsService(store, changes, access, directory, entrance, users, relationships)
        server.add(add_InvitationsServiceServicer_to_server, invitations)
        bans = BansService(store, changes, access, directory, entrance, users)
        server.add(add_BansServiceServicer_to_server, bans)
        server.add(add_AuditLogServiceServicer_to_server, AuditLogService(store, access))
        server.add(add_FactsServiceServicer_to_server, FactsService(SqliteFactStore(database), relay))
        server.set_serving(True)
        stack.callback(server.set_serving, False)
        yield


def _facts_to(authz: "AuthzServiceAsyncStub") -> Callable[[OutboxRecord], Awaitable[object]]:
    async def apply(record: OutboxRecord) -> None:
        await authz.ApplyFacts(ApplyFactsRequest.FromString(record.facts or b""))

    return apply


def _new_code() -> str:
    return "".join(secrets.choice(CODE_ALPHABET) for _ in range(CODE_LENGTH))
