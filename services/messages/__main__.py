"""Builds messages: the only place that does."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.messages.v1.messages_service_pb2_grpc import add_MessagesServiceServicer_to_server
from beep.messages.v1.reactions_service_pb2_grpc import add_ReactionsServiceServicer_to_server
from beep.messages.v1.read_states_service_pb2_grpc import add_ReadStatesServiceServicer_to_server
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceStub
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from services.common.authorization import Access
from services.common.bus import Inbox
from services.common.outbox import OutboxRecord, Relay, SqliteOutbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.messages.channels import Channels
from services.messages.config import DATABASE, DEFAULTS, Settings
from services.messages.directory import Directory
from services.messages.events import MessageEvents
from services.messages.inbox import Commands
from services.messages.indexing import Indexer
from services.messages.nonces import keep_forgetting
from services.messages.service.editing import Editing
from services.messages.service.messages import MessagesService
from services.messages.service.pinning import Pinning
from services.messages.service.reactions import ReactionsService
from services.messages.service.read_states import ReadStatesService
from services.messages.service.removing import Removing
from services.messages.service.sending import Sending
from services.messages.service.showing import Showing
from services.messages.store.sqlite import MIGRATIONS, SqliteMessageStore, SqliteReactionStore, SqliteReadStateStore


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings = DEFAULTS) -> AsyncIterator[None]:
    """Serve messages at the runtime's server for as long as the context is open."""
    clock, url = runtime.clock, settings.public_url
    users, servers = runtime.peers["users"], runtime.peers["servers"]
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
        reactions = SqliteReactionStore(database, committed)
        indexer = Indexer(store, clock)
        channels_stub = ChannelsServiceStub(servers)
        directory = Directory(
            UsersServiceStub(users),
            MembersServiceStub(servers),
            ServersServiceStub(servers),
            channels_stub,
            runtime.bus,
        )
        stack.callback(directory.close)

        ids = SnowflakeGenerator(settings.worker, clock)
        events = MessageEvents(ids.next)
        access = Access(AuthzServiceStub(runtime.peers["authz"]))
        channels = Channels(channels_stub, ThreadsServiceStub(servers), PrivateChannelsServiceStub(users), directory)
        showing = Showing(store, reactions, directory, url)
        removing = Removing(store, access, events, clock)
        messages = MessagesService(
            store,
            access,
            channels,
            showing,
            sending=Sending(store, access, channels, directory, showing, events, ids, url),
            editing=Editing(store, access, directory, showing, events, clock),
            pinning=Pinning(store, access, channels, directory, showing, events, ids, clock, url),
            removing=removing,
        )
        read_states = ReadStatesService(SqliteReadStateStore(database, committed), access, events)

        inbox = Inbox("messages", runtime.bus, database, Commands(removing).handle, clock)
        for job in (directory.follow(), keep_forgetting(store, clock), indexer.run(), inbox.run()):
            await stack.enter_async_context(running(job))
        runtime.server.add(add_MessagesServiceServicer_to_server, messages)
        runtime.server.add(
            add_ReactionsServiceServicer_to_server,
            ReactionsService(store, reactions, access, directory, showing, events),
        )
        runtime.server.add(add_ReadStatesServiceServicer_to_server, read_states)
        runtime.server.set_serving(True)
        stack.callback(runtime.server.set_serving, False)
        yield
