"""The whole users service as `beep up` builds it, with its HTTP side, on in-process channels and a real bus."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from litestar.types import ASGIApp

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.messages.v1.messages_service_pb2 import LastMessage, ListLastMessagesRequest, ListLastMessagesResponse
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceServicer, add_MessagesServiceServicer_to_server
from beep.messages.v1.read_states_service_pb2 import ForgetReaderRequest, ForgetReaderResponse
from beep.messages.v1.read_states_service_pb2_grpc import (
    ReadStatesServiceServicer,
    add_ReadStatesServiceServicer_to_server,
)
from beep.servers.v1.servers_service_pb2 import (
    ListServersRequest,
    ListServersResponse,
    RemoveUserRequest,
    RemoveUserResponse,
    ServerMembership,
)
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceServicer, add_ServersServiceServicer_to_server
from beep.users.v1.accounts_service_pb2 import RegisterRequest
from beep.users.v1.accounts_service_pb2_grpc import AccountsServiceStub
from beep.users.v1.bots_service_pb2_grpc import BotsServiceStub
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceStub
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceStub
from beep.users.v1.security_service_pb2_grpc import SecurityServiceStub
from beep.users.v1.tokens_service_pb2 import TOKEN_SCHEME_ANY, AuthenticateRequest, AuthenticateResponse
from beep.users.v1.tokens_service_pb2_grpc import TokensServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from services.authz.__main__ import build as build_authz
from services.common.auth import InternalTokens, Principal, PrincipalKind, load_or_create_key, require_service
from services.common.bus import Envelope, Record
from services.common.bus.sqlite import SqliteBus
from services.common.errors import FailedPrecondition, Unavailable
from services.common.rpc import Metadata, RpcServer, acting_as
from services.common.runtime import Runtime
from services.users.__main__ import build
from services.users.config import IDENTITY_KEY, Settings
from services.users.identity.embedded import keys
from tests.integration.users.embedded_identity import ORIGIN, PASSWORD, SERVICE_SECRET, Browser
from tests.support.clock import ManualClock

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub
    from beep.users.v1.accounts_service_pb2_grpc import AccountsServiceAsyncStub
    from beep.users.v1.bots_service_pb2_grpc import BotsServiceAsyncStub
    from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceAsyncStub
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub
    from beep.users.v1.security_service_pb2_grpc import SecurityServiceAsyncStub
    from beep.users.v1.tokens_service_pb2_grpc import TokensServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub


class GatedBus(SqliteBus):
    """A bus whose publications can be held up, as by a broker that is slow."""

    gate: asyncio.Event | None = None
    held: asyncio.Event | None = None

    def hold(self) -> asyncio.Event:
        """Hold publications until the event that is returned is set; `held` is set when one has come."""
        self.gate, self.held = asyncio.Event(), asyncio.Event()
        return self.gate

    async def publish(self, envelopes: Sequence[Envelope]) -> list[int]:
        if self.gate is not None and self.held is not None:
            self.held.set()
            await self.gate.wait()
        return await super().publish(envelopes)


class StandInServers(ServersServiceServicer):
    """The servers service, as far as users asks it. `owners` own a server; while `gone`, it does not answer."""

    def __init__(self) -> None:
        self.owners: set[int] = set()
        self.removed: list[int] = []
        self.gone = False

    async def ListServers(self, request: ListServersRequest, context: object) -> ListServersResponse:
        require_service()
        return ListServersResponse(servers=[ServerMembership(is_owner=request.user_id in self.owners)])

    async def RemoveUser(self, request: RemoveUserRequest, context: object) -> RemoveUserResponse:
        require_service()
        if self.gone:
            raise Unavailable("GONE")
        if request.user_id in self.owners:
            raise FailedPrecondition("OWNER_CANNOT_LEAVE")
        self.removed.append(request.user_id)
        return RemoveUserResponse()


class StandInMessages(MessagesServiceServicer, ReadStatesServiceServicer):
    """The messages service, as far as users asks it. `newest`: by channel."""

    def __init__(self) -> None:
        self.newest: dict[int, int] = {}
        self.forgotten: list[int] = []
        self.gone = False

    async def ListLastMessages(self, request: ListLastMessagesRequest, context: object) -> ListLastMessagesResponse:
        require_service()
        if self.gone:
            raise Unavailable("GONE")
        found = [
            LastMessage(channel_id=id, message_id=self.newest[id]) for id in request.channel_ids if id in self.newest
        ]
        return ListLastMessagesResponse(last_messages=found)

    async def ForgetReader(self, request: ForgetReaderRequest, context: object) -> ForgetReaderResponse:
        require_service()
        if self.gone:
            raise Unavailable("GONE")
        self.forgotten.append(request.user_id)
        return ForgetReaderResponse()


class RunningUsers:
    """Stubs whose caller is the service `rest`, unless the metadata of `as_user` says otherwise."""

    def __init__(
        self,
        runtime: Runtime,
        bus: GatedBus,
        pages: ASGIApp,
        http: httpx.AsyncClient,
        servers: StandInServers,
        messages: StandInMessages,
    ) -> None:
        authz = runtime.peers["authz"]
        channel = runtime.server.in_process_channel(Principal(PrincipalKind.SERVICE, service="rest"))
        self.authz: AuthzServiceAsyncStub = AuthzServiceStub(authz)
        self.accounts: AccountsServiceAsyncStub = AccountsServiceStub(channel)
        self.bots: BotsServiceAsyncStub = BotsServiceStub(channel)
        self.private_channels: PrivateChannelsServiceAsyncStub = PrivateChannelsServiceStub(channel)
        self.relationships: RelationshipsServiceAsyncStub = RelationshipsServiceStub(channel)
        self.security: SecurityServiceAsyncStub = SecurityServiceStub(channel)
        self.tokens: TokensServiceAsyncStub = TokensServiceStub(channel)
        self.users: UsersServiceAsyncStub = UsersServiceStub(channel)
        self.servers = servers
        self.messages = messages
        self.clock = runtime.clock
        self.bus = bus
        self.http = http
        self.pages = pages
        self.browser = Browser(http)
        self.provider_key = keys.load_or_create(runtime.data / IDENTITY_KEY)
        self._internal = runtime.tokens

    def as_user(self, who: AuthenticateResponse) -> Metadata:
        kind = PrincipalKind.BOT if who.user.bot else PrincipalKind.USER
        return acting_as(self._internal, Principal(kind, who.user.id, auth_session_id=who.auth_session_id), "users")

    async def register(self, name: str = "ada", email: str = "") -> None:
        await self.accounts.Register(
            RegisterRequest(email=email or f"{name}@example.org", username=name, password=PASSWORD, global_name="")
        )

    async def mails(self, email: str, at_least: int = 1) -> list[dict[str, str]]:
        """What is in the mailbox; waits for the mail queue."""
        while True:
            answer = await self.http.get("/mail", params={"to": email}, headers={"Accept": "application/json"})
            mails: list[dict[str, str]] = answer.json()
            if len(mails) >= at_least:
                return mails

    async def validate(self, email: str) -> None:
        link = re.search(r"token=(\S+)", (await self.mails(email))[0]["text"])
        assert link
        assert (await self.http.post("/identity/validate", data={"token": link[1]})).status_code == 200

    async def authenticate(self, token: str) -> AuthenticateResponse:
        return await self.tokens.Authenticate(AuthenticateRequest(token=token, scheme=TOKEN_SCHEME_ANY))

    async def person(self, name: str = "ada") -> AuthenticateResponse:
        """Somebody who has signed up and signed in."""
        await self.register(name)
        await self.validate(f"{name}@example.org")
        tokens = await self.browser.sign_in(f"{name}@example.org")
        return await self.authenticate(tokens["access_token"])

    async def published(self, user_id: int) -> list[Record]:
        subscription = self.bus.subscribe([f"user:{user_id}"], after=0)
        async for batch in subscription:
            return batch
        return []

    async def event(self, shard: str, kind: str) -> Envelope:
        """The first event of this kind in a shard, once it is there."""
        async for batch in self.bus.subscribe([shard], after=0):
            for record in batch:
                if record.envelope.type == kind:
                    return record.envelope
        raise AssertionError(f"the bus was closed before {kind} came")


@asynccontextmanager
async def running_users(path: Path) -> AsyncIterator[RunningUsers]:
    clock = ManualClock()
    bus = await GatedBus.open(path / "bus.db", clock)
    tokens = InternalTokens(load_or_create_key(path / "internal.pem"), clock)
    deciding = Runtime(path, clock, tokens, bus, RpcServer("authz", tokens), {})
    authz = deciding.server.in_process_channel(Principal(PrincipalKind.SERVICE, service="users"))
    stand_in, of_servers = StandInServers(), RpcServer("servers", tokens)
    of_servers.add(add_ServersServiceServicer_to_server, stand_in)
    servers = of_servers.in_process_channel(Principal(PrincipalKind.SERVICE, service="users"))
    listening, of_messages = StandInMessages(), RpcServer("messages", tokens)
    of_messages.add(add_MessagesServiceServicer_to_server, listening)
    of_messages.add(add_ReadStatesServiceServicer_to_server, listening)
    messages = of_messages.in_process_channel(Principal(PrincipalKind.SERVICE, service="users"))
    peers = {"authz": authz, "servers": servers, "messages": messages}
    runtime = Runtime(path, clock, tokens, bus, RpcServer("users", tokens), peers)
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(build_authz(deciding))
            settings = Settings(public_url=ORIGIN, service_secrets={"importer": SERVICE_SECRET})
            built = await stack.enter_async_context(build(runtime, settings))
            app = built.mounts["/identity"]
            transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
            http = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=ORIGIN))
            yield RunningUsers(runtime, bus, app, http, stand_in, listening)
    finally:
        await bus.close()
