"""https://docs.discord.com/developers/resources/channel#trigger-typing-indicator"""

from litestar import post

from beep.gateway.v1.typing_service_pb2 import StartTypingRequest
from services.rest.fields import PathId
from services.rest.request import ApiRequest


@post("/channels/{channel_id:str}/typing", status_code=204)
async def start_typing(request: ApiRequest, channel_id: PathId) -> None:
    await request.services.typing.StartTyping(StartTypingRequest(channel_id=channel_id), metadata=request.to_gateway)


ROUTES = [start_typing]
