"""https://docs.discord.com/developers/resources/guild"""

from typing import Annotated, Final

from litestar import delete, get, patch, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.servers_service_pb2 import (
    CreateServerRequest,
    DeleteServerRequest,
    GetPreviewRequest,
    GetServerRequest,
    UpdateServerRequest,
)
from services.common import limits
from services.rest.admission import LIMIT
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, ServerName, Snowflake, given, or_empty
from services.rest.files.pictures import PictureIn
from services.rest.request import ApiRequest
from services.wire.server import GuildObject, GuildPreview, guild_object, guild_preview

# Discord's word for a server that anybody may find and join.
DISCOVERABLE: Final = "DISCOVERABLE"

Description = Annotated[str, Meta(max_length=limits.SERVER_DESCRIPTION)]
Features = Annotated[list[str], Meta(max_length=64, description="DISCOVERABLE makes the server public.")]


class GuildCreate(Struct):
    name: ServerName
    description: Description | None = None
    features: Features | None = None
    icon: PictureIn | None = None


class GuildUpdate(Struct):
    name: ServerName | UnsetType | None = UNSET
    description: Description | UnsetType | None = UNSET
    features: Features | UnsetType | None = UNSET
    system_channel_id: Snowflake | UnsetType | None = UNSET
    # Hands the server over.
    owner_id: Snowflake | UnsetType | None = UNSET
    # null takes it away.
    icon: PictureIn | UnsetType | None = UNSET


@post("/guilds", dto=BodyDecoder[GuildCreate], return_dto=None, opt={LIMIT: "server_creates"})
async def create_server(request: ApiRequest, data: JSONBody[GuildCreate]) -> GuildObject:
    pictures = request.edge.pictures
    icon = None if data.icon is None else pictures.parse(data.icon, "icon")
    answer = await request.services.servers.CreateServer(
        CreateServerRequest(
            name=data.name,
            description=data.description or "",
            is_public=DISCOVERABLE in (data.features or ()),
            icon="" if icon is None else icon.name,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_servers,
    )
    server = answer.snapshot.server
    if icon is not None and server.icon:
        # It is kept under the server's id, which is known only now; a retry gets the name that the first try gave it.
        await pictures.put("icons", server.id, icon.named(server.icon))
    return guild_object(server, answer.snapshot.roles)


@get("/guilds/{server_id:str}")
async def get_server(request: ApiRequest, server_id: PathId) -> GuildObject:
    answer = await request.services.servers.GetServer(
        GetServerRequest(server_id=server_id), metadata=request.to_servers
    )
    return guild_object(answer.server, answer.roles)


@patch("/guilds/{server_id:str}", dto=BodyDecoder[GuildUpdate], return_dto=None)
async def update_server(request: ApiRequest, server_id: PathId, data: JSONBody[GuildUpdate]) -> GuildObject:
    features = given(data.features)
    async with request.edge.pictures.changing("icons", server_id, data.icon, "icon") as icon:
        answer = await request.services.servers.UpdateServer(
            UpdateServerRequest(
                server_id=server_id,
                name=given(data.name),
                description=or_empty(data.description, ""),
                is_public=None if features is None else DISCOVERABLE in features,
                system_channel_id=or_empty(data.system_channel_id, 0),
                owner_id=given(data.owner_id),
                icon=icon,
                reason=request.reason,
            ),
            metadata=request.to_servers,
        )
    return guild_object(answer.server, answer.roles)


@delete("/guilds/{server_id:str}", status_code=204)
async def delete_server(request: ApiRequest, server_id: PathId) -> None:
    await request.services.servers.DeleteServer(
        DeleteServerRequest(server_id=server_id, reason=request.reason), metadata=request.to_servers
    )


@get("/guilds/{server_id:str}/preview")
async def get_preview(request: ApiRequest, server_id: PathId) -> GuildPreview:
    """What anybody may know of a public server before joining it."""
    answer = await request.services.servers.GetPreview(
        GetPreviewRequest(server_id=server_id), metadata=request.to_servers
    )
    return guild_preview(answer.server)


ROUTES = [create_server, get_server, update_server, delete_server, get_preview]
