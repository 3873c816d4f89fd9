"""https://docs.discord.com/developers/events/gateway#get-gateway"""

from typing import Final

from litestar import get
from msgspec import Struct

from services.rest.admission import OPEN
from services.rest.request import ApiRequest

# One shard carries a whole installation, and signing in is limited by the gateway itself, so these only reassure.
SESSION_STARTS: Final = 1000
SESSION_STARTS_RESET_MS: Final = 24 * 3600 * 1000
MAX_CONCURRENCY: Final = 16


class GatewayObject(Struct):
    url: str


class SessionStartLimit(Struct):
    total: int
    remaining: int
    reset_after: int
    max_concurrency: int


class BotGatewayObject(GatewayObject):
    shards: int
    session_start_limit: SessionStartLimit


@get("/gateway", opt={OPEN: True})
async def get_gateway(request: ApiRequest) -> GatewayObject:
    return GatewayObject(url=request.edge.settings.gateway_url)


@get("/gateway/bot")
async def get_bot_gateway(request: ApiRequest) -> BotGatewayObject:
    return BotGatewayObject(
        url=request.edge.settings.gateway_url,
        shards=1,
        session_start_limit=SessionStartLimit(SESSION_STARTS, SESSION_STARTS, SESSION_STARTS_RESET_MS, MAX_CONCURRENCY),
    )


ROUTES = [get_gateway, get_bot_gateway]
