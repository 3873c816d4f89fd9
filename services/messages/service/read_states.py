"""The servicer of `beep.messages.v1.ReadStatesService`."""

from collections.abc import Iterable
from typing import Any, Final

from beep.messages.v1 import read_states_service_pb2 as pb
from beep.messages.v1.read_states_service_pb2_grpc import ReadStatesServiceServicer
from services.common.auth import PrincipalKind, current_principal, current_user_id, require_service
from services.common.authorization import Access
from services.common.errors import PermissionDenied
from services.common.permissions import Permission
from services.common.snowflake import at_ms
from services.messages.domain.read_state import ReadState, Scope
from services.messages.events import MessageEvents
from services.messages.store.ports import ReadStateStore

FORGOTTEN_AT_ONCE: Final = 1_000
"""By one write: senders wait behind each."""


class ReadStatesService(ReadStatesServiceServicer):
    def __init__(self, store: ReadStateStore, access: Access, events: MessageEvents) -> None:
        self._store = store
        self._access = access
        self._events = events

    async def AckMessage(self, request: pb.AckMessageRequest, context: Any) -> pb.AckMessageResponse:
        user_id = current_user_id()
        if current_principal().kind is PrincipalKind.BOT:
            raise PermissionDenied("PERSON_REQUIRED", "A bot reads nothing.")
        decision = await self._access.in_channel(user_id, request.channel_id, required=Permission.READ_MESSAGE_HISTORY)
        state = await self._store.acknowledge(
            user_id,
            request.channel_id,
            request.message_id,
            _targets(user_id, decision.server_id, decision.role_ids),
            lambda state: self._events.acknowledged(user_id, state),
        )
        return pb.AckMessageResponse(read_state=_shown(state))

    async def ListReadStates(self, request: pb.ListReadStatesRequest, context: Any) -> pb.ListReadStatesResponse:
        require_service()
        scopes = [
            Scope(
                channel_ids=tuple(scope.channel_ids),
                target_ids=_targets(request.user_id, scope.server_id, scope.role_ids),
                since_id=at_ms(scope.since_ms),
            )
            for scope in request.scopes
        ]
        states = await self._store.states(request.user_id, scopes)
        return pb.ListReadStatesResponse(read_states=map(_shown, states))

    async def ForgetReader(self, request: pb.ForgetReaderRequest, context: Any) -> pb.ForgetReaderResponse:
        require_service()
        while await self._store.forget_user(request.user_id, limit=FORGOTTEN_AT_ONCE):
            pass
        return pb.ForgetReaderResponse()


def _targets(user_id: int, server_id: int, role_ids: Iterable[int]) -> tuple[int, ...]:
    """Whom a mention names to be one of this user's: them, a role of theirs, or everybody, which is the server."""
    return (user_id, *role_ids, *((server_id,) if server_id else ()))


def _shown(state: ReadState) -> pb.ReadState:
    return pb.ReadState(
        channel_id=state.channel_id,
        last_read_message_id=state.last_read_id,
        mention_count=state.mention_count,
        last_message_id=state.last_id,
    )
