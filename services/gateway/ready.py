"""READY: what a client begins with. Of people also their friends, private channels, invitations and unread marks."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from beep.messages.v1.read_states_service_pb2 import ListReadStatesRequest, ReadStateScope
from beep.messages.v1.read_states_service_pb2 import ReadState as ReadStateMessage
from beep.servers.v1.channel_pb2 import CHANNEL_TYPE_PUBLIC_THREAD, Channel
from beep.servers.v1.invitations_service_pb2 import Invitation, ListInvitationsRequest
from beep.users.v1.private_channels_service_pb2 import ListPrivateChannelsRequest, PrivateChannel
from beep.users.v1.relationships_service_pb2 import RELATIONSHIP_TYPE_FRIEND, ListRelationshipsRequest, Relationship
from beep.users.v1.tokens_service_pb2 import AuthenticateResponse
from beep.users.v1.user_pb2 import Account
from beep.users.v1.users_service_pb2 import GetAccountRequest
from services.common.auth import InternalTokens, Principal, PrincipalKind
from services.common.rpc import acting_as
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.replay import NOT_REPLAYABLE
from services.gateway.loading import Seen
from services.gateway.presences import Presences
from services.gateway.session import Session
from services.wire.encoding import encode, optional_id
from services.wire.invitation import invitation_object
from services.wire.private_channel import private_channel_object
from services.wire.ready import ReadState, ReadStateEntry, Ready, ReadyApplication
from services.wire.relationship import relationship_object
from services.wire.server import UnavailableGuild
from services.wire.user import AccountObject, account_object

if TYPE_CHECKING:
    from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceAsyncStub
    from beep.servers.v1.invitations_service_pb2_grpc import InvitationsServiceAsyncStub
    from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceAsyncStub
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub


@dataclass(frozen=True, slots=True)
class ReadyStubs:
    users: "UsersServiceAsyncStub"
    relationships: "RelationshipsServiceAsyncStub"
    private_channels: "PrivateChannelsServiceAsyncStub"
    invitations: "InvitationsServiceAsyncStub"
    read_states: "ReadStatesServiceAsyncStub"


@dataclass(frozen=True, slots=True)
class Personal:
    """What was read of a person."""

    relationships: Collection[Relationship]
    private_channels: Collection[PrivateChannel]
    invitations: Collection[Invitation]


@dataclass(frozen=True, slots=True)
class Begun:
    account: AccountObject
    personal: Personal | None
    """None: a bot, which has none of it; whoever owns it may be down."""


class ReadyWriter:
    """Reads the user, and writes READY. The user's shard is followed by then."""

    def __init__(self, stubs: ReadyStubs, identity: InternalTokens, presences: Presences) -> None:
        self._stubs = stubs
        self._identity = identity
        self._presences = presences
        self.resume_url = ""

    async def begin(self, session: Session, user: AuthenticateResponse) -> Begun:
        """Read the user.

        Raises:
            BeepError: one of the services does not answer. The client is to come again.
        """
        if session.bot:
            return Begun(account_object(Account(user=user.user)), None)
        principal = Principal(PrincipalKind.USER, user.user.id, "", user.auth_session_id, tuple(user.global_roles))
        metadata = acting_as(self._identity, principal, "users")
        account = await self._stubs.users.GetAccount(GetAccountRequest(), metadata=metadata)
        return Begun(account_object(account.account), await self._read_personal(session.user_id))

    async def _read_personal(self, user_id: int) -> Personal:
        stubs = self._stubs
        relationships = await stubs.relationships.ListRelationships(ListRelationshipsRequest(user_id=user_id))
        channels = await stubs.private_channels.ListPrivateChannels(ListPrivateChannelsRequest(user_id=user_id))
        invitations = await stubs.invitations.ListInvitations(ListInvitationsRequest(user_id=user_id))
        return Personal(relationships.relationships, channels.channels, invitations.invitations)

    async def finish(
        self, begun: Begun, session: Session, server_ids: Collection[int], seen: Mapping[int, Seen | None]
    ) -> Dispatch:
        """`seen`: of people, what they see of each server; it decides whose messages count as unread."""
        ready = Ready(
            user=begun.account,
            guilds=[UnavailableGuild(id=str(server_id), unavailable=True) for server_id in server_ids],
            session_id=session.id,
            resume_gateway_url=self.resume_url,
            shard=session.shard,
        )
        if begun.personal is None:
            ready.application = ReadyApplication(id=begun.account.id)
        else:
            await self._fill(ready, begun.personal, session.user_id, seen)
        return Dispatch("READY", encode(ready), NOT_REPLAYABLE)

    async def _fill(self, ready: Ready, personal: Personal, user_id: int, seen: Mapping[int, Seen | None]) -> None:
        states = await self._read_states(personal, user_id, seen)
        for channel in personal.private_channels:
            rendered = private_channel_object(channel, user_id)
            if channel.id in states:
                rendered.last_message_id = optional_id(states[channel.id].last_message_id)
            ready.private_channels.append(rendered)
        friends = [r.user.id for r in personal.relationships if r.type == RELATIONSHIP_TYPE_FRIEND]
        ready.relationships = [relationship_object(relationship) for relationship in personal.relationships]
        ready.presences = await self._presences.shown(friends)
        ready.read_state = ReadState([_entry(state) for state in states.values()])
        ready.invitations = [invitation_object(invitation) for invitation in personal.invitations]

    async def _read_states(
        self, personal: Personal, user_id: int, seen: Mapping[int, Seen | None]
    ) -> dict[int, ReadStateMessage]:
        scopes = [_scope(server_id, user_id, server) for server_id, server in seen.items() if server is not None]
        scopes.append(ReadStateScope(channel_ids=[channel.id for channel in personal.private_channels]))
        answer = await self._stubs.read_states.ListReadStates(ListReadStatesRequest(user_id=user_id, scopes=scopes))
        return {state.channel_id: state for state in answer.read_states}


def _scope(server_id: int, user_id: int, seen: Seen) -> ReadStateScope:
    visible = seen.view.channel_ids
    member = seen.snapshot.member(user_id)
    return ReadStateScope(
        server_id=server_id,
        channel_ids=[c.id for c in seen.snapshot.channels if (c.parent_id if _is_thread(c) else c.id) in visible],
        role_ids=member.role_ids if member is not None else (),
        since_ms=member.joined_at_ms if member is not None else 0,
    )


def _is_thread(channel: Channel) -> bool:
    return channel.type == CHANNEL_TYPE_PUBLIC_THREAD


def _entry(state: ReadStateMessage) -> ReadStateEntry:
    return ReadStateEntry(
        id=str(state.channel_id),
        last_message_id=optional_id(state.last_read_message_id),
        mention_count=state.mention_count,
    )
