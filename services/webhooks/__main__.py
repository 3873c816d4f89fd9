"""Builds webhooks: the only place that does."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from beep.webhooks.v1.webhooks_service_pb2_grpc import add_WebhooksServiceServicer_to_server
from services.common.authorization import Access
from services.common.bus import Inbox
from services.common.outbox import Relay, SqliteOutbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.webhooks.config import DATABASE, DEFAULTS, Settings
from services.webhooks.domain.webhook import TOKEN_LENGTH
from services.webhooks.service import WebhooksService
from services.webhooks.store.sqlite import MIGRATIONS, SqliteWebhookStore


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings = DEFAULTS) -> AsyncIterator[None]:
    """Serve webhooks at the runtime's server for as long as the context is open."""
    clock, peers = runtime.clock, runtime.peers
    async with AsyncExitStack() as stack:
        database = await Database.open(runtime.data / DATABASE, MIGRATIONS)
        stack.push_async_callback(database.close)
        relay = Relay(SqliteOutbox(database, clock), runtime.bus, clock)
        await relay.start()
        stack.push_async_callback(relay.close)

        service = WebhooksService(
            SqliteWebhookStore(database, relay.notify),
            Access(AuthzServiceStub(peers["authz"])),
            ChannelsServiceStub(peers["servers"]),
            UsersServiceStub(peers["users"]),
            SnowflakeGenerator(settings.worker, clock),
            clock,
            _new_token,
        )
        inbox = Inbox("webhooks", runtime.bus, database, service.channels_deleted, clock)
        await stack.enter_async_context(running(inbox.run()))
        runtime.server.add(add_WebhooksServiceServicer_to_server, service)
        runtime.server.set_serving(True)
        stack.callback(runtime.server.set_serving, False)
        yield


def _new_token() -> str:
    """`TOKEN_LENGTH` characters of base64url: each has six random bits."""
    return secrets.token_urlsafe(TOKEN_LENGTH * 6 // 8)
