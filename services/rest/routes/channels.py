"""https://docs.discord.com/developers/resources/channel"""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.channels_service_pb2 import (
    ChannelMove,
    CreateChannelRequest,
    DeleteChannelRequest,
    GetChannelRequest,
    ListChannelsRequest,
    MoveChannelsRequest,
    UpdateChannelRequest,
)
from services.common import limits
from services.common.errors import FieldViolation, NotFound
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import ChannelName, PathId, Position, Snowflake, given, or_empty
from services.rest.request import ApiRequest
from services.rest.routes import private_channels
from services.rest.routes.overwrites import OverwritesIn, overwrites
from services.wire.channel import TYPES_BY_NUMBER, ChannelObject, channel_object
from services.wire.private_channel import PrivateChannelObject

Topic = Annotated[str, Meta(max_length=limits.CHANNEL_TOPIC)]
SlowMode = Annotated[int, Meta(ge=0, le=limits.CHANNEL_RATE_LIMIT)]


class ChannelCreate(Struct):
    name: ChannelName
    type: int | None = None
    topic: Topic | None = None
    position: Position | None = None
    parent_id: Snowflake | None = None
    nsfw: bool | None = None
    rate_limit_per_user: SlowMode | None = None
    permission_overwrites: OverwritesIn | None = None


class ChannelUpdate(Struct):
    name: ChannelName | UnsetType | None = UNSET
    topic: Topic | UnsetType | None = UNSET
    position: Position | UnsetType | None = UNSET
    parent_id: Snowflake | UnsetType | None = UNSET
    nsfw: bool | UnsetType | None = UNSET
    rate_limit_per_user: SlowMode | UnsetType | None = UNSET
    permission_overwrites: OverwritesIn | UnsetType | None = UNSET


class ChannelPosition(Struct):
    id: Snowflake
    position: Position | None = None
    parent_id: Snowflake | UnsetType | None = UNSET


ChannelPositions = Annotated[list[ChannelPosition], Meta(max_length=limits.CHANNELS_PER_SERVER)]


@post("/guilds/{server_id:str}/channels", dto=BodyDecoder[ChannelCreate], return_dto=None)
async def create_channel(request: ApiRequest, server_id: PathId, data: JSONBody[ChannelCreate]) -> ChannelObject:
    kind = TYPES_BY_NUMBER.get(data.type or 0)
    if kind is None:
        choices = ", ".join(map(str, sorted(TYPES_BY_NUMBER)))
        raise InvalidForm(FieldViolation("type", "BASE_TYPE_CHOICES", f"Value must be one of {{{choices}}}."))
    answer = await request.services.channels.CreateChannel(
        CreateChannelRequest(
            server_id=server_id,
            name=data.name,
            type=kind,
            topic=data.topic or "",
            position=data.position,
            parent_id=data.parent_id or 0,
            nsfw=data.nsfw or False,
            rate_limit_per_user=data.rate_limit_per_user or 0,
            overwrites=overwrites(data.permission_overwrites),
            reason=request.reason,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_servers,
    )
    return channel_object(answer.channel)


@get("/guilds/{server_id:str}/channels")
async def list_channels(request: ApiRequest, server_id: PathId) -> list[ChannelObject]:
    answer = await request.services.channels.ListChannels(
        ListChannelsRequest(server_id=server_id), metadata=request.to_servers
    )
    return [channel_object(channel) for channel in answer.channels]


@patch("/guilds/{server_id:str}/channels", status_code=204, dto=BodyDecoder[ChannelPositions], return_dto=None)
async def move_channels(request: ApiRequest, server_id: PathId, data: JSONBody[ChannelPositions]) -> None:
    moves = [
        ChannelMove(channel_id=move.id, position=move.position, parent_id=or_empty(move.parent_id, 0)) for move in data
    ]
    await request.services.channels.MoveChannels(
        MoveChannelsRequest(server_id=server_id, moves=moves), metadata=request.to_servers
    )


@get("/channels/{channel_id:str}")
async def get_channel(request: ApiRequest, channel_id: PathId) -> ChannelObject | PrivateChannelObject:
    try:
        answer = await request.services.channels.GetChannel(
            GetChannelRequest(channel_id=channel_id), metadata=request.to_servers
        )
    except NotFound as error:
        _require_unknown_channel(error)
        return await private_channels.get_private_channel(request, channel_id)
    return channel_object(answer.channel)


@patch("/channels/{channel_id:str}", dto=BodyDecoder[ChannelUpdate], return_dto=None)
async def update_channel(
    request: ApiRequest, channel_id: PathId, data: JSONBody[ChannelUpdate]
) -> ChannelObject | PrivateChannelObject:
    try:
        return await _update_server_channel(request, channel_id, data)
    except NotFound as error:
        _require_unknown_channel(error)
        return await private_channels.update_private_channel(request, channel_id, name=or_empty(data.name, ""))


async def _update_server_channel(request: ApiRequest, channel_id: int, data: ChannelUpdate) -> ChannelObject:
    replacing = given(data.permission_overwrites)
    answer = await request.services.channels.UpdateChannel(
        UpdateChannelRequest(
            channel_id=channel_id,
            name=given(data.name),
            topic=or_empty(data.topic, ""),
            position=given(data.position),
            parent_id=or_empty(data.parent_id, 0),
            nsfw=or_empty(data.nsfw, False),
            rate_limit_per_user=or_empty(data.rate_limit_per_user, 0),
            overwrites=overwrites(replacing),
            set_overwrites=replacing is not None,
            reason=request.reason,
        ),
        metadata=request.to_servers,
    )
    return channel_object(answer.channel)


@delete("/channels/{channel_id:str}", status_code=200)
async def delete_channel(request: ApiRequest, channel_id: PathId) -> ChannelObject | PrivateChannelObject:
    try:
        answer = await request.services.channels.DeleteChannel(
            DeleteChannelRequest(channel_id=channel_id, reason=request.reason), metadata=request.to_servers
        )
    except NotFound as error:
        _require_unknown_channel(error)
        return await private_channels.close_private_channel(request, channel_id)
    return channel_object(answer.channel)


def _require_unknown_channel(error: NotFound) -> None:
    """A channel that `servers` does not know, or hides, may be a private one of the caller's."""
    if error.reason != "UNKNOWN_CHANNEL":
        raise error


ROUTES = [
    create_channel,
    list_channels,
    move_channels,
    get_channel,
    update_channel,
    delete_channel,
]
