"""What may be asked of messages. Every call goes the same way:

    authorise (one call to authz) → decide (`domain`, pure) → write message and events at once (`store`) → answer

The answer follows the durable write and waits for nobody else: the relay publishes the events right behind it.
"""

from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

from beep.authz.v1.authz_service_pb2 import AuthorizeResponse
from beep.messages.v1 import message_pb2
from beep.messages.v1 import messages_service_pb2 as pb
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceServicer
from beep.servers.v1.member_pb2 import Member
from services.common import limits
from services.common.auth import current_user_id
from services.common.clock import Clock
from services.common.errors import Aborted
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE, SnowflakeGenerator
from services.messages.authorizer import Authorizer, refusal
from services.messages.channels import Channels
from services.messages.directory import Directory
from services.messages.domain import history, mentions, message
from services.messages.domain.errors import UnknownMessage, unknown_reply
from services.messages.domain.mentions import AllowedMentions, Mentions
from services.messages.domain.message import Message, MessageType
from services.messages.events import MessageEvents, in_one_record
from services.messages.render import people_in, render
from services.messages.searching import permitted
from services.messages.store.ports import IdTooLow, MessageStore

T = TypeVar("T")

# How often a change is decided anew because somebody else changed the same message in between.
MAX_CONFLICTS: Final = 8


class MessagesService(MessagesServiceServicer):
    """The servicer of `beep.messages.v1.MessagesService`."""

    def __init__(
        self,
        store: MessageStore,
        authorizer: Authorizer,
        channels: Channels,
        directory: Directory,
        ids: SnowflakeGenerator,
        clock: Clock,
    ) -> None:
        self._store = store
        self._authorizer = authorizer
        self._channels = channels
        self._directory = directory
        self._ids = ids
        self._clock = clock
        self._events = MessageEvents(ids.next)

    async def CreateMessage(self, request: pb.CreateMessageRequest, context: Any) -> pb.CreateMessageResponse:
        user_id, channel_id = current_user_id(), request.channel_id
        decision = await self._authorizer.require(
            user_id, channel_id, _rights_to_send(request), optional=Permission.MENTION_EVERYONE
        )
        await self._channels.require_messages(channel_id)
        draft = message.draft(
            request.content, embeds=request.embeds, flags=request.flags, tts=request.tts, nonce=request.nonce
        )
        nonce = draft.nonce if request.enforce_nonce else ""
        answered = await self._answered(request)
        if answered is None and request.reply_to_message_id and request.fail_if_reply_missing:
            # A retry gets the first message also when the one that it answers has been deleted since.
            first = await self._store.find_by_nonce(channel_id, user_id, nonce) if nonce else None
            if first is None:
                raise unknown_reply()
            return await self._repeated(first, request)

        allowed = _allowed(request)
        replied_to = answered.author_id if answered is not None and allowed.replied_user else 0
        mentioned = await self._mentioned(draft.content, allowed, decision, replied_to)
        member = await self._member(decision, user_id)
        people = await self._directory.users({user_id, *mentioned.user_ids, *_people((answered,))})

        async def write(message_id: int) -> pb.CreateMessageResponse:
            new = message.send(
                draft,
                message_id=message_id,
                channel_id=channel_id,
                server_id=decision.server_id,
                author_id=user_id,
                mentions=mentioned,
                answered=answered,
            )
            shown = render(
                new,
                people,
                answered=answered,
                member=member,
                nonce=draft.nonce,
                nonce_is_number=request.nonce_is_number,
            )
            stored = await self._store.insert(new, in_one_record(self._events.created(shown)), nonce=nonce)
            return pb.CreateMessageResponse(message=shown) if stored is new else await self._repeated(stored, request)

        return await self._in_order(write)

    async def GetMessage(self, request: pb.GetMessageRequest, context: Any) -> pb.GetMessageResponse:
        await self._authorizer.require(current_user_id(), request.channel_id, Permission.READ_MESSAGE_HISTORY)
        return pb.GetMessageResponse(message=await self._shown(await self._find(request)))

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Any) -> pb.ListMessagesResponse:
        await self._authorizer.require(current_user_id(), request.channel_id, Permission.READ_MESSAGE_HISTORY)
        page = await self._store.page(request.channel_id, _window(request))
        return pb.ListMessagesResponse(messages=await self._show(page))

    async def UpdateMessage(self, request: pb.UpdateMessageRequest, context: Any) -> pb.UpdateMessageResponse:
        user_id = current_user_id()
        speaks = request.HasField("content") or request.HasField("embeds") or request.HasField("allowed_mentions")
        required = Permission.SEND_MESSAGES if speaks else Permission.VIEW_CHANNEL
        if _has_embeds(request.embeds):
            required |= Permission.EMBED_LINKS
        decision = await self._authorizer.require(
            user_id,
            request.channel_id,
            required,
            optional=Permission.MENTION_EVERYONE | Permission.MANAGE_MESSAGES,
        )
        manages = bool(decision.granted & Permission.MANAGE_MESSAGES)
        for _ in range(MAX_CONFLICTS):
            old = await self._find(request)
            message.check_editable(old, editor_id=user_id, manages=manages, only_flags=not speaks)
            edited = message.edit(
                old,
                now_ms=self._clock.now_ms(),
                content=request.content if request.HasField("content") else None,
                embeds=request.embeds if request.HasField("embeds") else None,
                flags=request.flags if request.HasField("flags") else None,
                mentions=await self._mentioned_anew(old, request, decision) if speaks else None,
            )
            member = await self._member(decision, user_id) if old.author_id == user_id else None
            shown = await self._shown(edited, member=member)
            if await self._store.replace(edited, in_one_record(self._events.updated(shown))):
                return pb.UpdateMessageResponse(message=shown)
        raise _contended()

    async def DeleteMessage(self, request: pb.DeleteMessageRequest, context: Any) -> pb.DeleteMessageResponse:
        user_id, channel_id = current_user_id(), request.channel_id
        decision = await self._authorizer.require(user_id, channel_id, optional=Permission.MANAGE_MESSAGES)
        found = await self._find(request)
        if found.author_id != user_id and not decision.granted & Permission.MANAGE_MESSAGES:
            raise refusal(decision, Permission.MANAGE_MESSAGES)
        event = self._events.deleted(decision.server_id, channel_id, found.id)
        if not await self._store.delete(channel_id, (found.id,), in_one_record(event)):
            raise UnknownMessage
        return pb.DeleteMessageResponse()

    async def BulkDeleteMessages(
        self, request: pb.BulkDeleteMessagesRequest, context: Any
    ) -> pb.BulkDeleteMessagesResponse:
        channel_id = request.channel_id
        decision = await self._authorizer.require(current_user_id(), channel_id, Permission.MANAGE_MESSAGES)
        asked = message.check_bulk_delete(request.message_ids, now_ms=self._clock.now_ms())
        if found := sorted(await self._store.get_many(channel_id, asked)):
            event = self._events.bulk_deleted(decision.server_id, channel_id, found)
            await self._store.delete(channel_id, found, in_one_record(event))
        return pb.BulkDeleteMessagesResponse()

    async def PinMessage(self, request: pb.PinMessageRequest, context: Any) -> pb.PinMessageResponse:
        user_id, channel_id = current_user_id(), request.channel_id
        decision = await self._authorizer.require_any(user_id, channel_id, _MAY_PIN)
        for _ in range(MAX_CONFLICTS):
            old = await self._find(request)
            if old.pinned_at_ms or await self._pin(old, decision, user_id):
                return pb.PinMessageResponse()
        raise _contended()

    async def UnpinMessage(self, request: pb.UnpinMessageRequest, context: Any) -> pb.UnpinMessageResponse:
        channel_id = request.channel_id
        decision = await self._authorizer.require_any(current_user_id(), channel_id, _MAY_PIN)
        for _ in range(MAX_CONFLICTS):
            old = await self._find(request)
            if not old.pinned_at_ms:
                return pb.UnpinMessageResponse()
            unpinned = message.unpin(old)
            newest = await self._store.pins(channel_id, before_ms=MAX_SNOWFLAKE, limit=2)
            last_ms = max((pin.pinned_at_ms for pin in newest if pin.id != old.id), default=0)
            record = in_one_record(
                self._events.updated(await self._shown(unpinned)),
                self._events.pins_changed(decision.server_id, channel_id, last_ms),
            )
            if await self._store.replace(unpinned, record):
                return pb.UnpinMessageResponse()
        raise _contended()

    async def ListPins(self, request: pb.ListPinsRequest, context: Any) -> pb.ListPinsResponse:
        await self._authorizer.require(current_user_id(), request.channel_id, Permission.READ_MESSAGE_HISTORY)
        limit = history.check_limit(request.limit, limits.PINS_PAGE)
        before_ms = request.before_ms or MAX_SNOWFLAKE
        pins = await self._store.pins(request.channel_id, before_ms=before_ms, limit=limit + 1)
        return pb.ListPinsResponse(messages=await self._show(pins[:limit]), has_more=len(pins) > limit)

    async def SearchMessages(self, request: pb.SearchMessagesRequest, context: Any) -> pb.SearchMessagesResponse:
        search = await permitted(request, current_user_id(), authorizer=self._authorizer, channels=self._channels)
        if search is None:
            return pb.SearchMessagesResponse()
        found = await self._store.search(search)
        return pb.SearchMessagesResponse(messages=await self._show(found.messages), total=found.total)

    async def _in_order(self, write: Callable[[int], Coroutine[Any, Any, T]]) -> T:
        """Run `write` with the id for a new message, which it hands to the store before it first waits.

        So in a channel ids rise in the order of the writes. The store refuses one that would not: then the clock went
        back over a restart, or another process writes too, and `write` is run again with an id above the highest.
        """
        above = 0
        while True:
            try:
                return await write(self._ids.next(above=above))
            except IdTooLow as refused:
                above = refused.highest

    async def _find(self, request: "_NamesMessage") -> Message:
        found = await self._store.get(request.channel_id, request.message_id)
        if found is None:
            raise UnknownMessage
        return found

    async def _pin(self, old: Message, decision: AuthorizeResponse, user_id: int) -> bool:
        """Try to pin the message, and say so in the channel; False if it was changed meanwhile."""
        pinned = message.pin(old, now_ms=self._clock.now_ms())
        shown = await self._shown(pinned)
        member = await self._member(decision, user_id)
        people = await self._directory.users((user_id,))

        async def write(message_id: int) -> bool:
            notice = message.pin_notice(pinned, message_id=message_id, author_id=user_id)
            record = in_one_record(
                self._events.updated(shown),
                self._events.pins_changed(pinned.server_id, pinned.channel_id, pinned.pinned_at_ms),
                self._events.created(render(notice, people, member=member)),
            )
            return await self._store.pin(pinned, notice, record, most=limits.PINS_PER_CHANNEL)

        return await self._in_order(write)

    async def _answered(self, request: pb.CreateMessageRequest) -> Message | None:
        """The message that a new one answers; None if it answers none, or one that is gone."""
        if not request.reply_to_message_id:
            return None
        answered = await self._store.get(request.channel_id, request.reply_to_message_id)
        if answered is not None:
            message.check_answerable(answered)
        return answered

    async def _repeated(self, first: Message, request: pb.CreateMessageRequest) -> pb.CreateMessageResponse:
        """What a retry gets: the message of the first try as it is by now, with the nonce that they share."""
        shown = await self._shown(first)
        shown.nonce, shown.nonce_is_number = request.nonce, request.nonce_is_number
        return pb.CreateMessageResponse(message=shown)

    async def _mentioned(
        self, content: str, allowed: AllowedMentions, decision: AuthorizeResponse, replied_to: int
    ) -> Mentions:
        mentions.check_allowed(allowed)
        named = mentions.named_in(content, allowed)
        if named == mentions.NOBODY and not replied_to:
            return named
        everyone_granted = bool(decision.granted & Permission.MENTION_EVERYONE)
        roles = await self._directory.roles(decision.server_id) if named.role_ids else {}
        return mentions.decide(
            named,
            known_users=await self._directory.users({*named.user_ids, replied_to}),
            mentionable_roles={role for role, open_to_all in roles.items() if open_to_all or everyone_granted},
            everyone_granted=everyone_granted,
            replied_to=replied_to,
        )

    async def _mentioned_anew(
        self, old: Message, request: pb.UpdateMessageRequest, decision: AuthorizeResponse
    ) -> Mentions:
        """After an edit. Without `allowed_mentions` it tells the author of what it answers if it did before."""
        content = request.content if request.HasField("content") else old.content
        allowed = _allowed(request)
        answered = await self._store.get(old.channel_id, old.reference_id) if old.type is MessageType.REPLY else None
        replied_to = answered.author_id if answered is not None and allowed.replied_user else 0
        if not request.HasField("allowed_mentions") and replied_to not in old.mentions.user_ids:
            replied_to = 0
        return await self._mentioned(content, allowed, decision, replied_to)

    async def _member(self, decision: AuthorizeResponse, user_id: int) -> Member | None:
        """The caller's membership, with the roles by which this very call was decided."""
        known = await self._directory.member(decision.server_id, user_id)
        if known is None:
            return None
        return Member(
            server_id=known.server_id,
            nick=known.nick,
            role_ids=decision.role_ids,
            joined_at_ms=known.joined_at_ms,
            muted_until_ms=known.muted_until_ms,
        )

    async def _shown(self, one: Message, *, member: Member | None = None) -> message_pb2.Message:
        (shown,) = await self._show((one,), member=member)
        return shown

    async def _show(self, found: Sequence[Message], *, member: Member | None = None) -> list[message_pb2.Message]:
        """The messages with their people, by one look-up, and what they answer, by one look-up for each channel."""
        answered: dict[int, Message] = {}
        for channel_id in {one.channel_id for one in found if one.type is MessageType.REPLY}:
            replies = [one for one in found if one.type is MessageType.REPLY and one.channel_id == channel_id]
            answered |= await self._store.get_many(channel_id, {one.reference_id for one in replies})
        people = await self._directory.users(_people((*found, *answered.values())))
        return [
            render(
                one,
                people,
                answered=answered.get(one.reference_id) if one.type is MessageType.REPLY else None,
                member=member,
            )
            for one in found
        ]


_NamesMessage = (
    pb.GetMessageRequest
    | pb.UpdateMessageRequest
    | pb.DeleteMessageRequest
    | pb.PinMessageRequest
    | pb.UnpinMessageRequest
)
_MAY_PIN: Final = Permission.PIN_MESSAGES | Permission.MANAGE_MESSAGES


def _rights_to_send(request: pb.CreateMessageRequest) -> Permission:
    required = Permission.SEND_MESSAGES
    if request.reply_to_message_id:
        required |= Permission.READ_MESSAGE_HISTORY
    if _has_embeds(request.embeds):
        required |= Permission.EMBED_LINKS
    return required


def _has_embeds(embeds: bytes) -> bool:
    """Whether it may be anything but an empty array, which is how an edit takes embeds away."""
    return bool(embeds.strip(b" \t\r\n[]"))


def _allowed(request: pb.CreateMessageRequest | pb.UpdateMessageRequest) -> AllowedMentions:
    if not request.HasField("allowed_mentions"):
        return mentions.ALL_ALLOWED
    allowed = request.allowed_mentions
    return AllowedMentions(
        parse_users=allowed.parse_users,
        parse_roles=allowed.parse_roles,
        parse_everyone=allowed.parse_everyone,
        user_ids=tuple(allowed.user_ids),
        role_ids=tuple(allowed.role_ids),
        replied_user=allowed.replied_user,
    )


def _window(request: pb.ListMessagesRequest) -> history.Window:
    limit = history.check_limit(request.limit)
    match request.WhichOneof("from"):
        case "before":
            return history.before(request.before, limit)
        case "after":
            return history.after(request.after, limit)
        case "around":
            return history.around(request.around, limit)
        case _:
            return history.newest(limit)


def _people(found: Iterable[Message | None]) -> set[int]:
    return {user_id for one in found if one is not None for user_id in people_in(one)}


def _contended() -> Aborted:
    return Aborted("CONFLICT", "Too many changes of one message at the same time; try again.")
