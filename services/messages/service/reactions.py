"""The servicer of `beep.messages.v1.ReactionsService`."""

from typing import Any, Final

from beep.messages.v1 import reactions_service_pb2 as pb
from beep.messages.v1.reactions_service_pb2_grpc import ReactionsServiceServicer
from services.common import limits
from services.common.auth import current_user_id
from services.common.authorization import Access, refusal
from services.common.permissions import Permission
from services.messages.decided import place_of, require_active
from services.messages.directory import Directory
from services.messages.domain import history
from services.messages.domain.emoji import normalise
from services.messages.domain.errors import UnknownMessage
from services.messages.domain.message import Message
from services.messages.events import MessageEvents
from services.messages.service.showing import Showing
from services.messages.store.ports import FirstOfItsEmoji, MessageStore, ReactionStore

_READS: Final = Permission.READ_MESSAGE_HISTORY


class ReactionsService(ReactionsServiceServicer):
    def __init__(
        self,
        store: MessageStore,
        reactions: ReactionStore,
        access: Access,
        directory: Directory,
        showing: Showing,
        events: MessageEvents,
    ) -> None:
        self._store = store
        self._reactions = reactions
        self._access = access
        self._directory = directory
        self._showing = showing
        self._events = events

    async def AddReaction(self, request: pb.AddReactionRequest, context: Any) -> pb.AddReactionResponse:
        user_id = current_user_id()
        decision = await self._access.in_channel(
            user_id, request.channel_id, required=_READS, asked=Permission.ADD_REACTIONS
        )
        require_active(decision)
        emoji = normalise(request.emoji)
        message = await self._find(request.channel_id, request.message_id)
        place = place_of(request.channel_id, decision)
        member = await self._showing.member(decision, user_id, with_user=True)
        record = self._events.record(place, self._events.reacted(place, message, user_id, emoji, member))
        may_begin = bool(decision.granted & Permission.ADD_REACTIONS)
        try:
            await self._reactions.add(
                request.channel_id, request.message_id, user_id, emoji, record, may_begin=may_begin
            )
        except FirstOfItsEmoji:
            # Decided for the bit itself, so that the refusal can be looked up.
            await self._access.in_channel(user_id, request.channel_id, required=Permission.ADD_REACTIONS)
            raise refusal(decision, Permission.ADD_REACTIONS) from None
        return pb.AddReactionResponse()

    async def RemoveReaction(self, request: pb.RemoveReactionRequest, context: Any) -> pb.RemoveReactionResponse:
        user_id = current_user_id()
        whose = request.user_id or user_id
        needed = _READS if whose == user_id else Permission.MANAGE_MESSAGES
        decision = await self._access.in_channel(user_id, request.channel_id, required=needed)
        require_active(decision)
        emoji = normalise(request.emoji)
        await self._find(request.channel_id, request.message_id)
        place = place_of(request.channel_id, decision)
        record = self._events.record(place, self._events.unreacted(place, request.message_id, whose, emoji))
        await self._reactions.remove(request.channel_id, request.message_id, whose, emoji, record)
        return pb.RemoveReactionResponse()

    async def ClearReactions(self, request: pb.ClearReactionsRequest, context: Any) -> pb.ClearReactionsResponse:
        decision = await self._access.in_channel(
            current_user_id(), request.channel_id, required=Permission.MANAGE_MESSAGES
        )
        require_active(decision)
        emoji = normalise(request.emoji) if request.emoji else ""
        await self._find(request.channel_id, request.message_id)
        place = place_of(request.channel_id, decision)
        record = self._events.record(place, self._events.reactions_cleared(place, request.message_id, emoji))
        await self._reactions.clear(request.channel_id, request.message_id, emoji, record)
        return pb.ClearReactionsResponse()

    async def ListReactions(self, request: pb.ListReactionsRequest, context: Any) -> pb.ListReactionsResponse:
        await self._access.in_channel(current_user_id(), request.channel_id, required=_READS)
        emoji = normalise(request.emoji)
        limit = history.check_limit(request.limit or limits.REACTIONS_PAGE_DEFAULT, limits.REACTIONS_PAGE)
        await self._find(request.channel_id, request.message_id)
        user_ids = await self._reactions.users(
            request.channel_id, request.message_id, emoji, after=request.after, limit=limit
        )
        people = await self._directory.users(user_ids)
        return pb.ListReactionsResponse(users=[people[user_id] for user_id in user_ids if user_id in people])

    async def _find(self, channel_id: int, message_id: int) -> Message:
        found = await self._store.get(channel_id, message_id)
        if found is None:
            raise UnknownMessage
        return found
