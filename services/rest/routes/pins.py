"""https://docs.discord.com/developers/resources/message#get-channel-pins, and the form that it replaced."""

from typing import Annotated

from litestar import delete, get, put
from litestar.params import QueryParameter

from beep.messages.v1.messages_service_pb2 import ListPinsRequest, PinMessageRequest, UnpinMessageRequest
from services.common import limits
from services.rest.fields import OptionalQueryMoment, PathId, milliseconds
from services.rest.request import ApiRequest
from services.wire.encoding import timestamp
from services.wire.message import MessageObject, PinObject, PinsPage, message_object

PIN_PATHS = [
    "/channels/{channel_id:str}/messages/pins/{message_id:str}",
    "/channels/{channel_id:str}/pins/{message_id:str}",
]


@get("/channels/{channel_id:str}/messages/pins")
async def list_pins(
    request: ApiRequest,
    channel_id: PathId,
    before: OptionalQueryMoment = None,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.PINS_PAGE)] = limits.PINS_PAGE,
) -> PinsPage:
    answer = await request.services.messages.ListPins(
        ListPinsRequest(channel_id=channel_id, before_ms=milliseconds(before) if before else 0, limit=limit),
        metadata=request.to_messages,
    )
    items = [PinObject(pinned_at=timestamp(pin.pinned_at_ms), message=message_object(pin)) for pin in answer.messages]
    return PinsPage(items=items, has_more=answer.has_more)


@get("/channels/{channel_id:str}/pins")
async def list_newest_pins(request: ApiRequest, channel_id: PathId) -> list[MessageObject]:
    answer = await request.services.messages.ListPins(
        ListPinsRequest(channel_id=channel_id, limit=limits.PINS_PAGE), metadata=request.to_messages
    )
    return [message_object(pin) for pin in answer.messages]


@put(PIN_PATHS, status_code=204)
async def pin_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> None:
    await request.services.messages.PinMessage(
        PinMessageRequest(channel_id=channel_id, message_id=message_id, reason=request.reason),
        metadata=request.to_messages,
    )


@delete(PIN_PATHS, status_code=204)
async def unpin_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> None:
    await request.services.messages.UnpinMessage(
        UnpinMessageRequest(channel_id=channel_id, message_id=message_id, reason=request.reason),
        metadata=request.to_messages,
    )


ROUTES = [list_pins, list_newest_pins, pin_message, unpin_message]
