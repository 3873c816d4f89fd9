"""Public servers: found by anybody, joined without an invitation. Beep's own."""

from typing import Annotated

from litestar import get, put
from litestar.params import QueryParameter

from beep.servers.v1.servers_service_pb2 import JoinServerRequest, ListPublicServersRequest
from services.common import limits
from services.rest.fields import PathId, QueryId, QueryText
from services.rest.request import ApiRequest
from services.wire.server import PublicGuild, public_guild


@get("/servers/public")
async def list_public_servers(
    request: ApiRequest,
    text: QueryText = "",
    after: QueryId = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.SERVERS_PER_USER)] = 50,
) -> list[PublicGuild]:
    answer = await request.services.servers.ListPublicServers(
        ListPublicServersRequest(query=text, after=after, limit=limit), metadata=request.to_servers
    )
    return [public_guild(server) for server in answer.servers]


@put("/servers/{server_id:str}/members/@me")
async def join_server(request: ApiRequest, server_id: PathId) -> PublicGuild:
    """Joining again is no error."""
    answer = await request.services.servers.JoinServer(
        JoinServerRequest(server_id=server_id), metadata=request.to_servers
    )
    return public_guild(answer.server)


ROUTES = [list_public_servers, join_server]
