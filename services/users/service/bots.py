"""`BotsService`: bots, their applications and their tokens."""

from collections.abc import Callable

from beep.users.v1 import bots_service_pb2
from beep.users.v1.bots_service_pb2_grpc import BotsServiceServicer
from services.common.auth import PrincipalKind, current_principal
from services.common.errors import InvalidArgument, NotFound, PermissionDenied, ResourceExhausted
from services.common.limits import BOTS_PER_USER, IDEMPOTENCY_KEY
from services.common.outbox import Relay
from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.domain.bot import parse_bot_name, parse_description
from services.users.domain.bot_token import SECRET_BYTES, TOKEN_ID_BYTES, BotToken, make_bot_token
from services.users.domain.user import Bot, User, UserKind
from services.users.events import session_revoked
from services.users.store.ports import TooManyBots, UserStore


class BotsService(BotsServiceServicer):
    """A bot belongs to the person who made it; to others it does not exist, but to services."""

    def __init__(
        self, store: UserStore, relay: Relay, ids: SnowflakeGenerator, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._store = store
        self._relay = relay
        self._ids = ids
        self._random_bytes = random_bytes

    async def CreateBot(
        self, request: bots_service_pb2.CreateBotRequest, context: object
    ) -> bots_service_pb2.CreateBotResponse:
        owner_id = _person()
        if len(request.idempotency_key) > IDEMPOTENCY_KEY:
            raise InvalidArgument("IDEMPOTENCY_KEY_TOO_LONG", f"At most {IDEMPOTENCY_KEY} characters.")
        name = parse_bot_name(request.name)
        user = User(self._ids.next(), UserKind.BOT, name)
        bot = Bot(user, owner_id, name, parse_description(request.description), request.is_public)
        token = self._new_token(user.id)
        try:
            stored, created = await self._store.create_bot(
                bot, token, idempotency_key=request.idempotency_key, limit=BOTS_PER_USER
            )
        except TooManyBots:
            raise ResourceExhausted("TOO_MANY_BOTS", f"A person has at most {BOTS_PER_USER} bots.") from None
        return bots_service_pb2.CreateBotResponse(bot=render.bot(stored), token=token.text if created else "")

    async def ListBots(
        self, request: bots_service_pb2.ListBotsRequest, context: object
    ) -> bots_service_pb2.ListBotsResponse:
        bots = await self._store.bots_of(_person())
        return bots_service_pb2.ListBotsResponse(bots=map(render.bot, bots))

    async def GetBot(self, request: bots_service_pb2.GetBotRequest, context: object) -> bots_service_pb2.GetBotResponse:
        caller = current_principal()
        bot = await self._store.bot(request.bot_id or caller.user_id)
        if bot is None or not (caller.is_service or caller.user_id in (bot.owner_id, bot.user.id)):
            raise _not_found()
        (owner,) = await self._store.users([bot.owner_id])
        return bots_service_pb2.GetBotResponse(bot=render.bot(bot), owner=render.user(owner))

    async def ResetBotToken(
        self, request: bots_service_pb2.ResetBotTokenRequest, context: object
    ) -> bots_service_pb2.ResetBotTokenResponse:
        owner_id = _person()
        bot = await self._store.bot(request.bot_id)
        if bot is None or bot.owner_id != owner_id:
            raise _not_found()
        token = self._new_token(bot.user.id)
        event_id = self._ids.next()
        record = await self._store.replace_bot_token(
            bot.user.id, token, lambda token_id: session_revoked(event_id, bot.user.id, token_id)
        )
        await self._relay.published(record.id)
        return bots_service_pb2.ResetBotTokenResponse(token=token.text)

    def _new_token(self, bot_id: int) -> BotToken:
        return make_bot_token(
            bot_id, token_id=self._random_bytes(TOKEN_ID_BYTES), secret=self._random_bytes(SECRET_BYTES)
        )


def _person() -> int:
    caller = current_principal()
    if caller.kind is not PrincipalKind.USER:
        raise PermissionDenied("PERSON_REQUIRED", "Only a person has bots.")
    return caller.user_id


def _not_found() -> NotFound:
    return NotFound("BOT_NOT_FOUND", "There is no such bot.")
