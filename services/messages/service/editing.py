"""What an author says anew, and what who manages messages hides."""

from beep.messages.v1 import message_pb2
from beep.messages.v1 import messages_service_pb2 as pb
from services.common.auth import current_user_id
from services.common.authorization import Access
from services.common.clock import Clock
from services.common.permissions import Permission
from services.messages.decided import place_of, require_active
from services.messages.directory import Directory
from services.messages.domain import attachment, message
from services.messages.domain.attachment import Attachment
from services.messages.domain.embeds import may_show
from services.messages.domain.errors import UnknownMessage
from services.messages.domain.message import Message, MessageType
from services.messages.events import MessageEvents
from services.messages.render import attachment_from
from services.messages.service.mentioning import Mentioning
from services.messages.service.order import MAX_CONFLICTS, contended
from services.messages.service.showing import Showing
from services.messages.store.ports import MessageStore


class Editing:
    def __init__(
        self,
        store: MessageStore,
        access: Access,
        directory: Directory,
        showing: Showing,
        events: MessageEvents,
        clock: Clock,
    ) -> None:
        self._store = store
        self._access = access
        self._showing = showing
        self._events = events
        self._clock = clock
        self._mentioning = Mentioning(directory)

    async def edit(self, request: pb.UpdateMessageRequest) -> message_pb2.Message:
        user_id, speaks = current_user_id(), _speaks(request)
        decision = await self._access.in_channel(
            user_id,
            request.channel_id,
            required=_rights_to_edit(request),
            asked=Permission.MENTION_EVERYONE | Permission.MANAGE_MESSAGES,
        )
        require_active(decision)
        manages = bool(decision.granted & Permission.MANAGE_MESSAGES)
        place = place_of(request.channel_id, decision)
        for _ in range(MAX_CONFLICTS):
            old = await self._store.get(request.channel_id, request.message_id)
            if old is None:
                raise UnknownMessage
            message.check_editable(old, editor_id=user_id, manages=manages, only_flags=not speaks)
            mentioned = None
            if speaks:
                mentioned = await self._mentioning.by_edited(old, await self._answered(old), request, decision)
            edited = message.edit(
                old,
                now_ms=self._clock.now_ms(),
                content=request.content if request.HasField("content") else None,
                embeds=request.embeds if request.HasField("embeds") else None,
                flags=request.flags if request.HasField("flags") else None,
                mentions=mentioned,
                attachments=_attachments(old, request),
            )
            member = await self._showing.member(decision, user_id) if old.author_id == user_id else None
            shown = await self._showing.one(edited, reader_id=user_id, member=member)
            gone = [file for file in old.attachments if file not in edited.attachments]
            record = self._events.record(place, self._events.updated(shown), also=self._events.files_gone(gone))
            if await self._store.replace(edited, record):
                return shown
        raise contended()

    async def _answered(self, edited: Message) -> Message | None:
        if edited.type is not MessageType.REPLY:
            return None
        return await self._store.get(edited.channel_id, edited.reference_id)


def _speaks(request: pb.UpdateMessageRequest) -> bool:
    said = request.HasField("content") or request.HasField("embeds") or request.HasField("allowed_mentions")
    return said or request.set_attachments or bool(request.new_attachments)


def _rights_to_edit(request: pb.UpdateMessageRequest) -> Permission:
    required = Permission.SEND_MESSAGES if _speaks(request) else Permission.VIEW_CHANNEL
    if may_show(request.embeds):
        required |= Permission.EMBED_LINKS
    if request.new_attachments:
        required |= Permission.ATTACH_FILES
    return required


def _attachments(old: Message, request: pb.UpdateMessageRequest) -> tuple[Attachment, ...] | None:
    """None: as they are. New ones join those that are there, unless it is said which of these to keep."""
    if not request.set_attachments and not request.new_attachments:
        return None
    kept = request.kept_attachment_ids if request.set_attachments else [file.id for file in old.attachments]
    return attachment.changed(old.attachments, kept_ids=kept, new=tuple(map(attachment_from, request.new_attachments)))
