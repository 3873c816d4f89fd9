"""Builds users: the only place that does."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from litestar import Litestar
from litestar.types import ASGIApp

from beep.authz.v1.authz_service_pb2 import ApplyFactsRequest
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.facts_service_pb2_grpc import add_FactsServiceServicer_to_server
from beep.users.v1.accounts_service_pb2_grpc import add_AccountsServiceServicer_to_server
from beep.users.v1.bots_service_pb2_grpc import add_BotsServiceServicer_to_server
from beep.users.v1.private_channels_service_pb2_grpc import add_PrivateChannelsServiceServicer_to_server
from beep.users.v1.relationships_service_pb2_grpc import add_RelationshipsServiceServicer_to_server
from beep.users.v1.security_service_pb2_grpc import add_SecurityServiceServicer_to_server
from beep.users.v1.tokens_service_pb2_grpc import add_TokensServiceServicer_to_server
from beep.users.v1.users_service_pb2_grpc import add_UsersServiceServicer_to_server
from services.common.bus import Envelope, Inbox
from services.common.outbox import OutboxRecord, Relay, SqliteOutbox
from services.common.runtime import Runtime, running
from services.common.snowflake import SnowflakeGenerator
from services.common.sqlite import Database
from services.users import config
from services.users.config import Settings
from services.users.domain import identity_key
from services.users.identity.embedded import keys
from services.users.identity.embedded import schema as identity_schema
from services.users.identity.embedded.announcements import Announcements
from services.users.identity.embedded.clients import registered_clients
from services.users.identity.embedded.code_check import CodeCheck
from services.users.identity.embedded.http import identity_router
from services.users.identity.embedded.oauth import Rules
from services.users.identity.embedded.passwords import Passwords
from services.users.identity.embedded.provider import EmbeddedIdentity
from services.users.identity.embedded.second_factor import SecretBox
from services.users.identity.embedded.security import EmbeddedSecurity
from services.users.identity.embedded.sign_in_guesses import SignInGuesses
from services.users.identity.ports import AccountChanged, SessionEnded
from services.users.identity.verifier import TokenVerifier
from services.users.key_file import read_or_create
from services.users.mail.directory import MailDirectory
from services.users.mail.http import is_loopback, mail_router
from services.users.mail.outbox import MailRelay
from services.users.messages import Messages
from services.users.service.account_news import AccountNews
from services.users.service.accounts import AccountsService
from services.users.service.acquaintances import Acquaintances
from services.users.service.bots import BotsService
from services.users.service.deletion import Deletions
from services.users.service.deletion_steps import DeletionSteps
from services.users.service.facts import FactsService
from services.users.service.groups import Groups
from services.users.service.pairs import Pairs
from services.users.service.private_channels import PrivateChannelsService
from services.users.service.relationships import RelationshipsService
from services.users.service.revocations import Revocations
from services.users.service.security import SecurityService
from services.users.service.sessions import Sessions
from services.users.service.tokens import TokensService
from services.users.service.users import UsersService
from services.users.store import sqlite
from services.users.store.sqlite import SqliteUserStore
from services.users.store.sqlite_deletions import SqliteDeletionStore
from services.users.store.sqlite_facts import SqliteFactStore
from services.users.store.sqlite_groups import SqliteGroupStore
from services.users.store.sqlite_pairs import SqlitePairStore

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

INBOX = "users"


@dataclass(frozen=True, slots=True)
class Built:
    """`mounts` are the provider's and the mail's pages for the public port, by the first part of their paths."""

    mounts: Mapping[str, ASGIApp]


@asynccontextmanager
async def build(runtime: Runtime, settings: Settings) -> AsyncIterator[Built]:
    """Serve accounts, profiles, bots and tokens at the runtime's server for as long as the context is open."""
    async with AsyncExitStack() as stack:
        ids = SnowflakeGenerator(settings.worker, runtime.clock)
        db = await Database.open(runtime.data / config.DATABASE, sqlite.MIGRATIONS)
        stack.push_async_callback(db.close)
        apply_facts = _facts_to(AuthzServiceStub(runtime.peers["authz"]))
        relay = Relay(SqliteOutbox(db, runtime.clock), runtime.bus, runtime.clock, apply_facts=apply_facts)
        await relay.start()
        stack.push_async_callback(relay.close)
        store = SqliteUserStore(db, relay.notify)
        # Its own revocations must outlive every token that the provider could still renew.
        kept_ms = (settings.access_lifetime_s + settings.refresh_lifetime_s) * 1000
        revocations = Revocations(store, relay, runtime.clock, ids, kept_ms)

        persons_key = read_or_create(runtime.data / config.PERSONS_KEY, lambda: secrets.token_bytes(32))
        email_key = partial(identity_key.email_key, persons_key)
        news = AccountNews(store, ids, email_key)

        directory = MailDirectory(runtime.data / config.MAIL_DIRECTORY, runtime.clock)
        identity, security = await _embedded_identity(
            stack, runtime, settings, directory, revocations.session_ended, news.changed
        )
        verifier = TokenVerifier(
            issuers=identity.issuers, audience=settings.audience, keys=identity.keys, clock=runtime.clock
        )
        sessions = Sessions(identity, revocations)

        server = runtime.server
        server.add(add_UsersServiceServicer_to_server, UsersService(store, identity, runtime.clock, ids, email_key))
        server.add(add_AccountsServiceServicer_to_server, AccountsService(store, identity, runtime.clock))
        tokens = TokensService(store, verifier, sessions, runtime.clock, ids)
        server.add(add_TokensServiceServicer_to_server, tokens)
        bots = BotsService(store, relay, ids, secrets.token_bytes)
        server.add(add_BotsServiceServicer_to_server, bots)

        pair_store, group_store = SqlitePairStore(db, relay.notify), SqliteGroupStore(db, relay.notify)
        messages = Messages(runtime.peers)
        pairs = Pairs(pair_store, store, messages, relay, ids)
        groups = Groups(group_store, store, messages, relay, ids)
        relationships = RelationshipsService(pair_store, store, pairs, runtime.clock)
        server.add(add_RelationshipsServiceServicer_to_server, relationships)
        private_channels = PrivateChannelsService(pair_store, group_store, store, pairs, groups, ids)
        server.add(add_PrivateChannelsServiceServicer_to_server, private_channels)
        server.add(add_FactsServiceServicer_to_server, FactsService(SqliteFactStore(db), relay))
        steps = DeletionSteps(
            store=store,
            identity=identity,
            security=security,
            sessions=sessions,
            pairs=pairs,
            groups=groups,
            messages=messages,
            relay=relay,
            peers=runtime.peers,
            clock=runtime.clock,
            ids=ids,
            random_bytes=secrets.token_bytes,
            email_key=email_key,
        )
        deletions = Deletions(SqliteDeletionStore(db), steps.in_order(), steps.owns_servers)
        await stack.enter_async_context(running(deletions.run()))
        account_security = SecurityService(store, identity, security, sessions, deletions)
        server.add(add_SecurityServiceServicer_to_server, account_security)

        acquaintances = Acquaintances(pair_store, group_store, store, ids)

        async def handle(envelope: Envelope) -> None:
            await pairs.message_came(envelope)
            await acquaintances.profile_changed(envelope)

        inbox = Inbox(INBOX, runtime.bus, db, handle, runtime.clock)
        await stack.enter_async_context(running(inbox.run()))

        server.set_serving(True)
        stack.callback(server.set_serving, False)
        routers = {config.IDENTITY_PATH: identity_router(identity, security)}
        if is_loopback(urlsplit(settings.public_url).hostname or ""):
            routers[config.MAIL_PATH] = mail_router(directory)
        pages = Litestar(list(routers.values()), openapi_config=None, logging_config=None)
        yield Built(dict.fromkeys(routers, pages))


def _facts_to(authz: "AuthzServiceAsyncStub") -> Callable[[OutboxRecord], Awaitable[object]]:
    async def apply(record: OutboxRecord) -> None:
        await authz.ApplyFacts(ApplyFactsRequest.FromString(record.facts or b""))

    return apply


async def _embedded_identity(
    stack: AsyncExitStack,
    runtime: Runtime,
    settings: Settings,
    directory: MailDirectory,
    session_ended: SessionEnded,
    account_changed: AccountChanged,
) -> tuple[EmbeddedIdentity, EmbeddedSecurity]:
    clock = runtime.clock
    db = await Database.open(runtime.data / config.IDENTITY_DATABASE, identity_schema.MIGRATIONS)
    stack.push_async_callback(db.close)
    mail = MailRelay(db, directory, clock)
    mail.start()
    stack.push_async_callback(mail.close)
    passwords = Passwords()
    stack.callback(passwords.close)
    rules = Rules(
        issuer=settings.issuer,
        audience=settings.audience,
        clients=registered_clients(
            web_redirect_uris=settings.web_redirect_uris, service_secrets=settings.service_secrets
        ),
        key=keys.load_or_create(runtime.data / config.IDENTITY_KEY),
        access_lifetime_s=settings.access_lifetime_s,
        refresh_lifetime_s=settings.refresh_lifetime_s,
    )
    box = SecretBox(read_or_create(runtime.data / config.TOTP_KEY, lambda: secrets.token_bytes(32)))
    guesses = SignInGuesses(clock)
    codes = CodeCheck(db, box, clock)
    announcements = Announcements(db, session_ended, clock)
    identity = EmbeddedIdentity(
        db=db,
        rules=rules,
        passwords=passwords,
        mail=mail,
        guesses=guesses,
        codes=codes,
        announcements=announcements,
        clock=clock,
    )
    security = EmbeddedSecurity(
        db=db,
        issuer=settings.issuer,
        passwords=passwords,
        mail=mail,
        box=box,
        sign_ins=guesses,
        codes=codes,
        announcements=announcements,
        account_changed=account_changed,
        clock=clock,
    )
    await identity.start()
    return identity, security
