"""The servicer of `beep.messages.v1.MessagesService`: reads are answered here, changes by those whose job they are."""

from typing import Any, Final

from beep.messages.v1 import messages_service_pb2 as pb
from beep.messages.v1.messages_service_pb2_grpc import MessagesServiceServicer
from services.common import limits
from services.common.auth import current_user_id, require_service
from services.common.authorization import Access
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE
from services.messages.channels import Channels
from services.messages.domain import history
from services.messages.domain.errors import UnknownMessage
from services.messages.searching import permitted
from services.messages.service.editing import Editing
from services.messages.service.pinning import Pinning
from services.messages.service.removing import Removing
from services.messages.service.sending import Sending
from services.messages.service.showing import Showing
from services.messages.store.ports import MessageStore

READS: Final = Permission.READ_MESSAGE_HISTORY


class MessagesService(MessagesServiceServicer):
    def __init__(
        self,
        store: MessageStore,
        access: Access,
        channels: Channels,
        showing: Showing,
        *,
        sending: Sending,
        editing: Editing,
        pinning: Pinning,
        removing: Removing,
    ) -> None:
        self._store = store
        self._access = access
        self._channels = channels
        self._showing = showing
        self._sending = sending
        self._editing = editing
        self._pinning = pinning
        self._removing = removing

    async def CreateMessage(self, request: pb.CreateMessageRequest, context: Any) -> pb.CreateMessageResponse:
        return pb.CreateMessageResponse(message=await self._sending.send(request))

    async def GetMessage(self, request: pb.GetMessageRequest, context: Any) -> pb.GetMessageResponse:
        user_id = current_user_id()
        await self._access.in_channel(user_id, request.channel_id, required=READS)
        found = await self._store.get(request.channel_id, request.message_id)
        if found is None:
            raise UnknownMessage
        return pb.GetMessageResponse(message=await self._showing.one(found, reader_id=user_id))

    async def ListMessages(self, request: pb.ListMessagesRequest, context: Any) -> pb.ListMessagesResponse:
        user_id = current_user_id()
        await self._access.in_channel(user_id, request.channel_id, required=READS)
        page = await self._store.page(request.channel_id, _window(request))
        return pb.ListMessagesResponse(messages=await self._showing.all(page, reader_id=user_id))

    async def UpdateMessage(self, request: pb.UpdateMessageRequest, context: Any) -> pb.UpdateMessageResponse:
        return pb.UpdateMessageResponse(message=await self._editing.edit(request))

    async def DeleteMessage(self, request: pb.DeleteMessageRequest, context: Any) -> pb.DeleteMessageResponse:
        await self._removing.delete(request.channel_id, request.message_id, request.reason)
        return pb.DeleteMessageResponse()

    async def BulkDeleteMessages(
        self, request: pb.BulkDeleteMessagesRequest, context: Any
    ) -> pb.BulkDeleteMessagesResponse:
        await self._removing.delete_many(request.channel_id, request.message_ids, request.reason)
        return pb.BulkDeleteMessagesResponse()

    async def PinMessage(self, request: pb.PinMessageRequest, context: Any) -> pb.PinMessageResponse:
        await self._pinning.pin(request.channel_id, request.message_id, request.reason)
        return pb.PinMessageResponse()

    async def UnpinMessage(self, request: pb.UnpinMessageRequest, context: Any) -> pb.UnpinMessageResponse:
        await self._pinning.unpin(request.channel_id, request.message_id, request.reason)
        return pb.UnpinMessageResponse()

    async def ListPins(self, request: pb.ListPinsRequest, context: Any) -> pb.ListPinsResponse:
        user_id = current_user_id()
        await self._access.in_channel(user_id, request.channel_id, required=READS)
        limit = history.check_limit(request.limit, limits.PINS_PAGE)
        before_ms = request.before_ms or MAX_SNOWFLAKE
        pins = await self._store.pins(request.channel_id, before_ms=before_ms, limit=limit + 1)
        shown = await self._showing.all(pins[:limit], reader_id=user_id)
        return pb.ListPinsResponse(messages=shown, has_more=len(pins) > limit)

    async def SearchMessages(self, request: pb.SearchMessagesRequest, context: Any) -> pb.SearchMessagesResponse:
        user_id = current_user_id()
        search = await permitted(request, user_id, access=self._access, channels=self._channels)
        if search is None:
            return pb.SearchMessagesResponse()
        found = await self._store.search(search)
        shown = await self._showing.all(found.messages, reader_id=user_id)
        return pb.SearchMessagesResponse(messages=shown, total=found.total)

    async def PurgeAuthor(self, request: pb.PurgeAuthorRequest, context: Any) -> pb.PurgeAuthorResponse:
        await self._removing.purge_author(request.server_id, request.author_id, since_ms=request.since_ms)
        return pb.PurgeAuthorResponse()

    async def FindAttachments(self, request: pb.FindAttachmentsRequest, context: Any) -> pb.FindAttachmentsResponse:
        require_service()
        return pb.FindAttachmentsResponse(attachment_ids=sorted(await self._store.attached(request.attachment_ids)))

    async def ListLastMessages(self, request: pb.ListLastMessagesRequest, context: Any) -> pb.ListLastMessagesResponse:
        require_service()
        last = await self._store.last_ids(request.channel_ids)
        return pb.ListLastMessagesResponse(
            last_messages=[pb.LastMessage(channel_id=channel, message_id=id_) for channel, id_ in last.items()]
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
