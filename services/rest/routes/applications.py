"""What a bot asks about itself: https://docs.discord.com/developers/resources/application"""

from litestar import get

from beep.users.v1.bots_service_pb2 import GetBotRequest
from services.rest.request import ApiRequest
from services.wire.user import ApplicationObject, application_object


@get(["/applications/@me", "/oauth2/applications/@me"])
async def get_own_application(request: ApiRequest) -> ApplicationObject:
    answer = await request.services.bots.GetBot(GetBotRequest(), metadata=request.to_users)
    return application_object(answer.bot, answer.owner)


ROUTES = [get_own_application]
