"""How far somebody has read: what Discord's own clients use and its documentation leaves out."""

from litestar import post

from beep.messages.v1.read_states_service_pb2 import AckMessageRequest
from services.rest.fields import PathId
from services.rest.request import ApiRequest
from services.wire.message import Acknowledged


@post("/channels/{channel_id:str}/messages/{message_id:str}/ack", status_code=200)
async def acknowledge_message(request: ApiRequest, channel_id: PathId, message_id: PathId) -> Acknowledged:
    """Marks everything up to this message as read, and what comes after it as unread."""
    await request.services.read_states.AckMessage(
        AckMessageRequest(channel_id=channel_id, message_id=message_id), metadata=request.to_messages
    )
    return Acknowledged()


ROUTES = [acknowledge_message]
