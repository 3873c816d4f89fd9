"""Builds the gateway: the only place that does."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.gateway.v1.typing_service_pb2_grpc import add_TypingServiceServicer_to_server
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceStub
from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceStub
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceStub
from beep.users.v1.tokens_service_pb2_grpc import TokensServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from services.common.authorization import Access
from services.common.runtime import Runtime
from services.gateway.commands import Commands
from services.gateway.config import DATABASE, REPLAY_FILE, Settings
from services.gateway.connection import Connection
from services.gateway.dispatcher import Dispatcher
from services.gateway.hub import Hub
from services.gateway.last_messages import LastMessages
from services.gateway.loading import Loader
from services.gateway.news import LaneTools
from services.gateway.presences import Presences
from services.gateway.ready import ReadyStubs, ReadyWriter
from services.gateway.recent import RecentDispatches
from services.gateway.recovery import recover
from services.gateway.session import Session
from services.gateway.sessions import Sessions, SessionTools
from services.gateway.store.memory import MemoryPresenceStore
from services.gateway.store.replay_file import ReplayFile, boot_id
from services.gateway.store.sqlite import SqliteSessionStore
from services.gateway.tasks import Tasks
from services.gateway.typing_service import Typing
from services.gateway.views import Snapshots, Views

BACKLOG = 4096
"""Connections that wait to be accepted: all clients of a gateway come back at once."""
SESSION_ID_BYTES = 16
EVENT_ID_BITS = 63


@dataclass(frozen=True, slots=True)
class Gateway:
    """A running gateway.

    Attributes:
        connection: makes the protocol of one accepted socket, for a listener that is not the gateway's own.
        port: where it listens itself; None: nowhere.
    """

    connection: Callable[[], asyncio.Protocol]
    port: int | None


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings) -> AsyncIterator[Gateway]:
    """Serve WebSockets for as long as the context is open."""
    clock, bus = runtime.clock, runtime.bus
    async with AsyncExitStack() as stack:
        store = await SqliteSessionStore.open(runtime.data / DATABASE)
        stack.push_async_callback(store.close)
        replay = ReplayFile(runtime.data / REPLAY_FILE, boot=boot_id(), epoch=bus.epoch)
        stack.callback(replay.close)
        tasks = Tasks()
        stack.push_async_callback(tasks.close)

        recent = RecentDispatches(bus, settings.recent_bytes)
        hub = Hub(recent, tasks, clock, settings)
        users, messages = runtime.peers["users"], runtime.peers["messages"]
        authz = AuthzServiceStub(runtime.peers["authz"])
        servers = ServersServiceStub(runtime.peers["servers"])
        tools = LaneTools(
            hub=hub,
            bus=bus,
            recent=recent,
            views=Views(authz, clock),
            snapshots=Snapshots(servers, LastMessages(MessagesServiceStub(messages)), clock),
            store=store,
            tasks=tasks,
            clock=clock,
        )
        relationships = RelationshipsServiceStub(users)
        presences = Presences(
            MemoryPresenceStore(),
            store,
            hub,
            bus,
            relationships,
            tasks,
            clock,
            new_event_id=_new_event_id,
            grace=settings.presence_grace,
        )
        loader = Loader(tools, presences)
        dispatcher = loader.dispatcher = Dispatcher(bus, tools, replay, loader, presences)
        ready = ReadyWriter(
            ReadyStubs(
                UsersServiceStub(users),
                relationships,
                PrivateChannelsServiceStub(users),
                InvitationsServiceStub(runtime.peers["servers"]),
                ReadStatesServiceStub(messages),
            ),
            runtime.tokens,
            presences,
        )
        session_tools = SessionTools(
            tokens=TokensServiceStub(users),
            servers=servers,
            hub=hub,
            replay=replay,
            store=store,
            clock=clock,
            new_id=lambda: secrets.token_hex(SESSION_ID_BYTES),
            starts_at_once=settings.starts_at_once,
            sessions_per_user=settings.sessions_per_user,
        )
        sessions = Sessions(session_tools, loader, ready, presences, dispatcher)
        members = MembersServiceStub(runtime.peers["servers"])
        commands = Commands(sessions, dispatcher, presences, hub, members, servers, tasks)

        async def bury(session: Session) -> None:
            await store.forget([session.id])
            # Not before: two sessions in the store must never share a ring.
            replay.release(session.slot)

        def on_forgotten(session: Session) -> None:
            presences.gone(session)
            dispatcher.remove(session)
            tasks.spawn(bury(session))

        hub.on_forgotten, hub.on_lost = on_forgotten, presences.lost
        await recover(dispatcher, tools, store, replay)
        await presences.restore(hub.sessions.values())
        tasks.spawn(dispatcher.run())
        stack.callback(dispatcher.close)
        tasks.spawn(hub.keep_time())
        tasks.spawn(presences.keep_settling())

        typing = Typing(Access(authz), servers, bus, clock, _new_event_id)
        runtime.server.add(add_TypingServiceServicer_to_server, typing)

        def connection() -> Connection:
            return Connection(hub, commands, clock, settings)

        port = await stack.enter_async_context(_listening(settings, connection))
        ready.resume_url = settings.public_url or f"ws://{settings.host}:{port}"
        runtime.server.set_serving(True)
        try:
            yield Gateway(connection, port)
        finally:
            runtime.server.set_serving(False)
            hub.close()
            # One turn of the loop writes what was said; who does not read it has its connection cut.
            await asyncio.sleep(0)
            hub.abort()


def _new_event_id() -> int:
    # For what has no cause that it could follow from. Two of 63 random bits do not meet while the bus remembers them.
    return secrets.randbits(EVENT_ID_BITS)


@asynccontextmanager
async def _listening(settings: Settings, connection: Callable[[], Connection]) -> AsyncIterator[int | None]:
    if settings.port is None:
        yield None
        return
    listener = await asyncio.get_running_loop().create_server(connection, settings.host, settings.port, backlog=BACKLOG)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        await listener.wait_closed()
