"""Builds messages: the only place that does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.messages.v1.messages_service_pb2_grpc import add_MessagesServiceServicer_to_server
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from services.common.outbox import OutboxRecord, Relay, SqliteOutbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.messages.authorizer import Authorizer
from services.messages.channels import Channels
from services.messages.config import DATABASE, DEFAULTS, Settings
from services.messages.directory import Directory
from services.messages.indexing import Indexer
from services.messages.nonces import keep_forgetting
from services.messages.service import MessagesService
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings = DEFAULTS) -> AsyncIterator[None]:
    """Serve messages at the runtime's server for as long as the context is open."""
    clock, peers = runtime.clock, runtime.peers
    async with AsyncExitStack() as stack:
        database = await Database.open(runtime.data / DATABASE, MIGRATIONS)
        stack.push_async_callback(database.close)
        relay = Relay(SqliteOutbox(database, clock), runtime.bus, clock)
        await relay.start()
        stack.push_async_callback(relay.close)

        def committed(record: OutboxRecord) -> None:
            relay.notify(record)
            indexer.wake()

        store = SqliteMessageStore(database, committed)
        indexer = Indexer(store, clock)
        directory = Directory(
            UsersServiceStub(peers["users"]),
            MembersServiceStub(peers["servers"]),
            ServersServiceStub(peers["servers"]),
            runtime.bus,
        )
        stack.callback(directory.close)
        await stack.enter_async_context(running(directory.follow()))
        await stack.enter_async_context(running(keep_forgetting(store, clock)))

        ids = SnowflakeGenerator(settings.worker, clock)
        authorizer = Authorizer(AuthzServiceStub(peers["authz"]))
        channels = Channels(ChannelsServiceStub(peers["servers"]))
        service = MessagesService(store, authorizer, channels, directory, ids, clock)
        runtime.server.add(add_MessagesServiceServicer_to_server, service)
        runtime.server.set_serving(True)
        stack.callback(runtime.server.set_serving, False)
        yield
