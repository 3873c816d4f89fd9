"""Bot accounts, and adding one to a server: Beep's own, because Discord does it on web pages."""

from typing import Annotated

from litestar import get, post, put
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType, structs

from beep.servers.v1.members_service_pb2 import AddBotRequest
from beep.users.v1.bots_service_pb2 import CreateBotRequest, ListBotsRequest, ResetBotTokenRequest
from services.common import limits
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, Permissions
from services.rest.request import ApiRequest
from services.wire.member import MemberObject, member_object
from services.wire.user import ApplicationObject, application_object


class BotCreate(Struct):
    name: Annotated[str, Meta(min_length=limits.USERNAME_MIN, max_length=limits.USERNAME)]
    description: Annotated[str, Meta(max_length=limits.SERVER_DESCRIPTION)] = ""
    bot_public: bool = False


class BotAdd(Struct):
    permissions: Permissions = 0


class BotToken(Struct):
    token: str


class CreatedBot(ApplicationObject, kw_only=True):
    """The token is shown here and nowhere else, and not again at a retry with the same Idempotency-Key."""

    token: str | UnsetType = UNSET


@post("/bots", dto=BodyDecoder[BotCreate], return_dto=None)
async def create_bot(request: ApiRequest, data: JSONBody[BotCreate]) -> CreatedBot:
    answer = await request.services.bots.CreateBot(
        CreateBotRequest(
            name=data.name,
            description=data.description,
            is_public=data.bot_public,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_users,
    )
    application = application_object(answer.bot, request.caller.user)
    return CreatedBot(**structs.asdict(application), token=answer.token or UNSET)


@get("/bots")
async def list_bots(request: ApiRequest) -> list[ApplicationObject]:
    answer = await request.services.bots.ListBots(ListBotsRequest(), metadata=request.to_users)
    return [application_object(bot, request.caller.user) for bot in answer.bots]


@post("/bots/{bot_id:str}/token", status_code=200)
async def reset_bot_token(request: ApiRequest, bot_id: PathId) -> BotToken:
    answer = await request.services.bots.ResetBotToken(ResetBotTokenRequest(bot_id=bot_id), metadata=request.to_users)
    # Before the answer: the old token is refused from then on.
    request.edge.authenticator.forget(bot_id)
    return BotToken(token=answer.token)


@put("/servers/{server_id:str}/bots/{bot_id:str}", dto=BodyDecoder[BotAdd], return_dto=None)
async def add_bot(request: ApiRequest, server_id: PathId, bot_id: PathId, data: JSONBody[BotAdd]) -> MemberObject:
    answer = await request.services.members.AddBot(
        AddBotRequest(server_id=server_id, bot_id=bot_id, permissions=data.permissions, reason=request.reason),
        metadata=request.to_servers,
    )
    return member_object(answer.member)


ROUTES = [create_bot, list_bots, reset_bot_token, add_bot]
