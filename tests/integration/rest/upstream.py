"""The services behind the edge, scripted: each call is recorded, and answered as the test says."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from beep.authz.v1 import authz_service_pb2_grpc
from beep.gateway.v1 import typing_service_pb2_grpc
from beep.messages.v1 import messages_service_pb2_grpc, reactions_service_pb2_grpc, read_states_service_pb2_grpc
from beep.messages.v1.messages_service_pb2 import ListLastMessagesResponse
from beep.servers.v1 import (
    audit_log_service_pb2_grpc,
    bans_service_pb2_grpc,
    channels_service_pb2_grpc,
    invitations_service_pb2_grpc,
    invites_service_pb2_grpc,
    members_service_pb2_grpc,
    roles_service_pb2_grpc,
    servers_service_pb2_grpc,
    threads_service_pb2_grpc,
)
from beep.users.v1 import (
    accounts_service_pb2_grpc,
    bots_service_pb2_grpc,
    private_channels_service_pb2_grpc,
    relationships_service_pb2_grpc,
    security_service_pb2_grpc,
    tokens_service_pb2_grpc,
    users_service_pb2_grpc,
)
from beep.users.v1.tokens_service_pb2 import AuthenticateRequest, AuthenticateResponse
from beep.users.v1.user_pb2 import User
from beep.webhooks.v1 import webhooks_service_pb2_grpc
from services.common.auth import InternalTokens, Principal, PrincipalKind, current_principal
from services.common.errors import NotFound, Unauthenticated
from services.common.rpc import Channel, RpcServer

Answer = Callable[[Any], Awaitable[Any]]

_SERVICES = {
    "authz": [(authz_service_pb2_grpc, "AuthzService")],
    "users": [
        (accounts_service_pb2_grpc, "AccountsService"),
        (bots_service_pb2_grpc, "BotsService"),
        (private_channels_service_pb2_grpc, "PrivateChannelsService"),
        (relationships_service_pb2_grpc, "RelationshipsService"),
        (security_service_pb2_grpc, "SecurityService"),
        (tokens_service_pb2_grpc, "TokensService"),
        (users_service_pb2_grpc, "UsersService"),
    ],
    "servers": [
        (audit_log_service_pb2_grpc, "AuditLogService"),
        (bans_service_pb2_grpc, "BansService"),
        (channels_service_pb2_grpc, "ChannelsService"),
        (invitations_service_pb2_grpc, "InvitationsService"),
        (invites_service_pb2_grpc, "InvitesService"),
        (members_service_pb2_grpc, "MembersService"),
        (roles_service_pb2_grpc, "RolesService"),
        (servers_service_pb2_grpc, "ServersService"),
        (threads_service_pb2_grpc, "ThreadsService"),
    ],
    "messages": [
        (messages_service_pb2_grpc, "MessagesService"),
        (reactions_service_pb2_grpc, "ReactionsService"),
        (read_states_service_pb2_grpc, "ReadStatesService"),
    ],
    "gateway": [(typing_service_pb2_grpc, "TypingService")],
    "webhooks": [(webhooks_service_pb2_grpc, "WebhooksService")],
}


@dataclass(frozen=True)
class Call:
    request: Any
    principal: Principal


class Upstream:
    """`accounts` says whose each token is; `answer` scripts any other call by its name."""

    def __init__(self, tokens: InternalTokens) -> None:
        self.accounts: dict[str, AuthenticateResponse] = {}
        self.calls: dict[str, list[Call]] = defaultdict(list)
        self.servers: dict[str, RpcServer] = {}
        self._answers: dict[str, Answer] = {"Authenticate": self._authenticate}
        # Unless a test says otherwise, a channel that is no server's is not there, and none has a message.
        self.answer("GetPrivateChannel", NotFound("UNKNOWN_CHANNEL"))
        self.answer("ListLastMessages", ListLastMessagesResponse())
        for name, parts in _SERVICES.items():
            server = self.servers[name] = RpcServer(name, tokens)
            for module, service in parts:
                getattr(module, f"add_{service}Servicer_to_server")(
                    self._servicer(getattr(module, f"{service}Servicer")), server
                )
            server.set_serving(True)

    def channels(self) -> dict[str, Channel]:
        rest = Principal(PrincipalKind.SERVICE, service="rest")
        return {name: server.in_process_channel(rest) for name, server in self.servers.items()}

    def answer(self, rpc: str, answer: Any) -> None:
        """`answer` is what the call returns, an exception that it raises, or a coroutine function of the request."""

        async def fixed(_: Any) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

        self._answers[rpc] = answer if callable(answer) else fixed

    def only(self, rpc: str) -> Call:
        [call] = self.calls[rpc]
        return call

    def add_user(self, user_id: int, token: str, *, bot: bool = False, expires_at_ms: int = 0) -> None:
        self.accounts[token] = AuthenticateResponse(
            user=User(id=user_id, username=f"user{user_id}", bot=bot),
            auth_session_id=f"session of {token}",
            expires_at_ms=expires_at_ms,
        )

    async def _authenticate(self, request: AuthenticateRequest) -> AuthenticateResponse:
        account = self.accounts.get(request.token)
        if account is None:
            raise Unauthenticated("UNAUTHENTICATED", "This token does not count.")
        return account

    def _servicer(self, interface: type) -> Any:
        def method(rpc: str) -> Callable[..., Awaitable[Any]]:
            async def serve(_self: object, request: Any, _context: object) -> Any:
                self.calls[rpc].append(Call(request, current_principal()))
                return await self._answers[rpc](request)

            return serve

        methods = {rpc: method(rpc) for rpc in vars(interface) if rpc[0].isupper()}
        return type(interface.__name__, (interface,), methods)()
