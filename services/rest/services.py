"""The services behind the edge, by their generated stubs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceStub
from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceStub
from beep.gateway.v1.typing_service_pb2_grpc import TypingServiceStub
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceStub
from beep.messages.v1.reactions_service_pb2_grpc import ReactionsServiceStub
from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceStub
from beep.servers.v1.audit_log_service_pb2_grpc import AuditLogServiceStub
from beep.servers.v1.bans_service_pb2_grpc import BansServiceStub
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceStub
from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceStub
from beep.servers.v1.invites_service_pb2_grpc import InvitesServiceStub
from beep.servers.v1.members_service_pb2_grpc import MembersServiceStub
from beep.servers.v1.roles_service_pb2_grpc import RolesServiceStub
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceStub
from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceStub
from beep.users.v1.accounts_service_pb2_grpc import AccountsServiceStub
from beep.users.v1.bots_service_pb2_grpc import BotsServiceStub
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceStub
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceStub
from beep.users.v1.security_service_pb2_grpc import SecurityServiceStub
from beep.users.v1.tokens_service_pb2_grpc import TokensServiceStub
from beep.users.v1.users_service_pb2_grpc import UsersServiceStub
from beep.webhooks.v1.webhooks_service_pb2_grpc import WebhooksServiceStub
from services.common.authorization import Access
from services.common.rpc import Channel

if TYPE_CHECKING:
    from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceAsyncStub
    from beep.gateway.v1.typing_service_pb2_grpc import TypingServiceAsyncStub
    from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceAsyncStub
    from beep.messages.v1.reactions_service_pb2_grpc import ReactionsServiceAsyncStub
    from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceAsyncStub
    from beep.servers.v1.audit_log_service_pb2_grpc import AuditLogServiceAsyncStub
    from beep.servers.v1.bans_service_pb2_grpc import BansServiceAsyncStub
    from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceAsyncStub
    from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceAsyncStub
    from beep.servers.v1.invites_service_pb2_grpc import InvitesServiceAsyncStub
    from beep.servers.v1.members_service_pb2_grpc import MembersServiceAsyncStub
    from beep.servers.v1.roles_service_pb2_grpc import RolesServiceAsyncStub
    from beep.servers.v1.servers_service_pb2_grpc import ServersServiceAsyncStub
    from beep.servers.v1.threads_service_pb2_grpc import ThreadsServiceAsyncStub
    from beep.users.v1.accounts_service_pb2_grpc import AccountsServiceAsyncStub
    from beep.users.v1.bots_service_pb2_grpc import BotsServiceAsyncStub
    from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceAsyncStub
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub
    from beep.users.v1.security_service_pb2_grpc import SecurityServiceAsyncStub
    from beep.users.v1.tokens_service_pb2_grpc import TokensServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub
    from beep.webhooks.v1.webhooks_service_pb2_grpc import WebhooksServiceAsyncStub

AUTHZ = "authz"
USERS = "users"
SERVERS = "servers"
MESSAGES = "messages"
GATEWAY = "gateway"
WEBHOOKS = "webhooks"


@dataclass(frozen=True, slots=True)
class Services:
    access: Access
    explain: "ExplainServiceAsyncStub"
    accounts: "AccountsServiceAsyncStub"
    bots: "BotsServiceAsyncStub"
    private_channels: "PrivateChannelsServiceAsyncStub"
    relationships: "RelationshipsServiceAsyncStub"
    security: "SecurityServiceAsyncStub"
    tokens: "TokensServiceAsyncStub"
    users: "UsersServiceAsyncStub"
    servers: "ServersServiceAsyncStub"
    channels: "ChannelsServiceAsyncStub"
    roles: "RolesServiceAsyncStub"
    members: "MembersServiceAsyncStub"
    invites: "InvitesServiceAsyncStub"
    threads: "ThreadsServiceAsyncStub"
    invitations: "InvitationsServiceAsyncStub"
    bans: "BansServiceAsyncStub"
    audit_log: "AuditLogServiceAsyncStub"
    messages: "MessagesServiceAsyncStub"
    reactions: "ReactionsServiceAsyncStub"
    read_states: "ReadStatesServiceAsyncStub"
    typing: "TypingServiceAsyncStub"
    webhooks: "WebhooksServiceAsyncStub"

    @classmethod
    def from_peers(cls, peers: Mapping[str, Channel]) -> Self:
        users, servers = peers[USERS], peers[SERVERS]
        return cls(
            access=Access(AuthzServiceStub(peers[AUTHZ])),
            explain=ExplainServiceStub(peers[AUTHZ]),
            accounts=AccountsServiceStub(users),
            bots=BotsServiceStub(users),
            private_channels=PrivateChannelsServiceStub(users),
            relationships=RelationshipsServiceStub(users),
            security=SecurityServiceStub(users),
            tokens=TokensServiceStub(users),
            users=UsersServiceStub(users),
            servers=ServersServiceStub(servers),
            channels=ChannelsServiceStub(servers),
            roles=RolesServiceStub(servers),
            members=MembersServiceStub(servers),
            invites=InvitesServiceStub(servers),
            threads=ThreadsServiceStub(servers),
            invitations=InvitationsServiceStub(servers),
            bans=BansServiceStub(servers),
            audit_log=AuditLogServiceStub(servers),
            messages=MessagesServiceStub(peers[MESSAGES]),
            reactions=ReactionsServiceStub(peers[MESSAGES]),
            read_states=ReadStatesServiceStub(peers[MESSAGES]),
            typing=TypingServiceStub(peers[GATEWAY]),
            webhooks=WebhooksServiceStub(peers[WEBHOOKS]),
        )
