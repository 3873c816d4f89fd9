"""A new message: decided by one call to authz, written once, whatever is retried."""

from beep.messages.v1 import message_pb2
from beep.messages.v1 import messages_service_pb2 as pb
from services.common.auth import PrincipalKind, current_principal, current_user_id
from services.common.authorization import Access
from services.common.permissions import Permission
from services.common.snowflake import SnowflakeGenerator
from services.messages.channels import Channels
from services.messages.decided import place_of
from services.messages.directory import Directory
from services.messages.domain import message
from services.messages.domain.embeds import may_show
from services.messages.domain.errors import unknown_reply
from services.messages.domain.message import Message
from services.messages.domain.place import Place
from services.messages.events import MessageEvents
from services.messages.render import attachment_from, people_of, render
from services.messages.service.mentioning import Mentioning, allowed_by
from services.messages.service.order import in_order
from services.messages.service.showing import Showing
from services.messages.store.ports import MessageStore

# Whoever keeps order in a channel is not slowed down by its slow mode.
_IGNORES_SLOW_MODE = Permission.MANAGE_MESSAGES | Permission.MANAGE_CHANNELS | Permission.BYPASS_SLOWMODE


class Sending:
    def __init__(
        self,
        store: MessageStore,
        access: Access,
        channels: Channels,
        directory: Directory,
        showing: Showing,
        events: MessageEvents,
        ids: SnowflakeGenerator,
        public_url: str,
    ) -> None:
        self._store = store
        self._access = access
        self._channels = channels
        self._directory = directory
        self._showing = showing
        self._events = events
        self._ids = ids
        self._public_url = public_url
        self._mentioning = Mentioning(directory)

    async def send(self, request: pb.CreateMessageRequest) -> message_pb2.Message:
        user_id, channel_id = current_user_id(), request.channel_id
        decision = await self._access.in_channel(
            user_id, channel_id, required=_rights_to_send(request), asked=Permission.MENTION_EVERYONE
        )
        place = place_of(channel_id, decision)
        interval_ms = await self._interval_ms(place, user_id)
        draft = message.draft(
            request.content,
            embeds=request.embeds,
            flags=request.flags,
            tts=request.tts,
            nonce=request.nonce,
            attachments=tuple(map(attachment_from, request.attachments)),
        )
        nonce = draft.nonce if request.enforce_nonce else ""
        answered = await self._answered(request)
        if answered is None and request.reply_to_message_id and request.fail_if_reply_missing:
            # A retry gets the first message also when the one that it answers has been deleted since.
            first = await self._store.find_by_nonce(channel_id, user_id, nonce) if nonce else None
            if first is None:
                raise unknown_reply()
            return await self._repeated(first, request)

        mentioned = await self._mentioning.by_new(draft.content, allowed_by(request), decision, answered)
        member = await self._showing.member(decision, user_id)
        people = await self._directory.users({user_id, *mentioned.user_ids, *people_of((answered,))})
        channel_type = await self._channels.type_number(place)
        if decision.archived:
            await self._channels.unarchive(channel_id)
        is_person = current_principal().kind is PrincipalKind.USER

        async def write(message_id: int) -> message_pb2.Message:
            new = message.send(
                draft, message_id=message_id, place=place, author_id=user_id, mentions=mentioned, answered=answered
            )
            shown = render(
                new,
                people,
                public_url=self._public_url,
                answered=answered,
                member=member,
                nonce=draft.nonce,
                nonce_is_number=request.nonce_is_number,
            )
            record = self._events.record(
                place,
                self._events.created(shown, channel_type),
                also=self._events.written(place, message_id, user_id),
            )
            stored = await self._store.insert(new, record, nonce=nonce, interval_ms=interval_ms, reads=is_person)
            return shown if stored is new else await self._repeated(stored, request)

        return await in_order(self._ids, write)

    async def _interval_ms(self, place: Place, user_id: int) -> int:
        """What slow mode asks of this user here. Only where it is on does it cost a second decision."""
        if place.is_private:
            return 0
        interval_ms = await self._channels.slow_mode_ms(place)
        if not interval_ms:
            return 0
        decision = await self._access.in_channel(user_id, place.channel_id, asked=_IGNORES_SLOW_MODE)
        return 0 if decision.granted & _IGNORES_SLOW_MODE else interval_ms

    async def _answered(self, request: pb.CreateMessageRequest) -> Message | None:
        """The message that a new one answers; None if it answers none, or one that is gone."""
        if not request.reply_to_message_id:
            return None
        answered = await self._store.get(request.channel_id, request.reply_to_message_id)
        if answered is not None:
            message.check_answerable(answered)
        return answered

    async def _repeated(self, first: Message, request: pb.CreateMessageRequest) -> message_pb2.Message:
        """What a retry gets: the message of the first try as it is by now, with the nonce that they share."""
        shown = await self._showing.one(first, reader_id=first.author_id)
        shown.nonce, shown.nonce_is_number = request.nonce, request.nonce_is_number
        return shown


def _rights_to_send(request: pb.CreateMessageRequest) -> Permission:
    required = Permission.SEND_MESSAGES
    if request.reply_to_message_id:
        required |= Permission.READ_MESSAGE_HISTORY
    if may_show(request.embeds):
        required |= Permission.EMBED_LINKS
    if request.attachments:
        required |= Permission.ATTACH_FILES
    return required
