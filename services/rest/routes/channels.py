"""https://docs.discord.com/developers/resources/channel"""

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.params import JSONBody
from msgspec import UNSET, Meta, Struct, UnsetType

from beep.servers.v1.channel_pb2 import Channel
from beep.servers.v1.channels_service_pb2 import (
    ChannelMove,
    CreateChannelRequest,
    DeleteChannelRequest,
    GetChannelRequest,
    ListChannelsRequest,
    MoveChannelsRequest,
    UpdateChannelRequest,
)
from beep.servers.v1.threads_service_pb2 import DeleteThreadRequest, UpdateThreadRequest
from services.common import limits
from services.common.errors import FieldViolation, NotFound
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import AutoArchive, ChannelName, PathId, Position, SlowMode, Snowflake, given, or_empty
from services.rest.files.pictures import PictureIn
from services.rest.last_messages import fill_in_last_messages
from services.rest.request import ApiRequest
from services.rest.routes import private_channels
from services.rest.routes.overwrites import OverwritesIn, overwrites
from services.wire.channel import TYPES_BY_NUMBER, ChannelObject, channel_object
from services.wire.private_channel import PrivateChannelObject
from services.wire.thread import ThreadObject, thread_object

Topic = Annotated[str, Meta(max_length=limits.CHANNEL_TOPIC)]


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
    # Of threads only.
    archived: bool | UnsetType | None = UNSET
    locked: bool | UnsetType | None = UNSET
    auto_archive_duration: AutoArchive | UnsetType | None = UNSET
    # Of groups only; null takes it away.
    icon: PictureIn | UnsetType | None = UNSET


class ChannelPosition(Struct):
    id: Snowflake
    position: Position | None = None
    parent_id: Snowflake | UnsetType | None = UNSET
    # Take over the overwrites of the category.
    lock_permissions: bool | None = None


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
    await fill_in_last_messages(request, answer.channels)
    return [channel_object(channel) for channel in answer.channels]


@patch("/guilds/{server_id:str}/channels", status_code=204, dto=BodyDecoder[ChannelPositions], return_dto=None)
async def move_channels(request: ApiRequest, server_id: PathId, data: JSONBody[ChannelPositions]) -> None:
    moves = [
        ChannelMove(
            channel_id=move.id,
            position=move.position,
            parent_id=or_empty(move.parent_id, 0),
            lock_permissions=move.lock_permissions or False,
        )
        for move in data
    ]
    await request.services.channels.MoveChannels(
        MoveChannelsRequest(server_id=server_id, moves=moves, reason=request.reason), metadata=request.to_servers
    )


@get("/channels/{channel_id:str}")
async def get_channel(request: ApiRequest, channel_id: PathId) -> ChannelObject | ThreadObject | PrivateChannelObject:
    channel = await _server_channel(request, channel_id)
    if channel is None:
        return await private_channels.get_private_channel(request, channel_id)
    await fill_in_last_messages(request, [channel])
    return thread_object(channel) if channel.HasField("thread") else channel_object(channel)


@patch("/channels/{channel_id:str}", dto=BodyDecoder[ChannelUpdate], return_dto=None)
async def update_channel(
    request: ApiRequest, channel_id: PathId, data: JSONBody[ChannelUpdate]
) -> ChannelObject | ThreadObject | PrivateChannelObject:
    channel = await _server_channel(request, channel_id)
    if channel is None:
        name = or_empty(data.name, "")
        async with request.edge.pictures.changing("channel-icons", channel_id, data.icon, "icon") as icon:
            return await private_channels.update_private_channel(request, channel_id, name=name, icon=icon)
    if channel.HasField("thread"):
        return await _update_thread(request, channel_id, data)
    return await _update_server_channel(request, channel_id, data)


async def _update_thread(request: ApiRequest, thread_id: int, data: ChannelUpdate) -> ThreadObject:
    answer = await request.services.threads.UpdateThread(
        UpdateThreadRequest(
            thread_id=thread_id,
            name=given(data.name),
            archived=given(data.archived),
            locked=given(data.locked),
            auto_archive_minutes=given(data.auto_archive_duration),
            rate_limit_per_user=or_empty(data.rate_limit_per_user, 0),
            reason=request.reason,
        ),
        metadata=request.to_servers,
    )
    await fill_in_last_messages(request, [answer.thread])
    return thread_object(answer.thread)


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
    await fill_in_last_messages(request, [answer.channel])
    return channel_object(answer.channel)


@delete("/channels/{channel_id:str}", status_code=200)
async def delete_channel(
    request: ApiRequest, channel_id: PathId
) -> ChannelObject | ThreadObject | PrivateChannelObject:
    channel = await _server_channel(request, channel_id)
    if channel is None:
        return await private_channels.close_private_channel(request, channel_id)
    if channel.HasField("thread"):
        gone = await request.services.threads.DeleteThread(
            DeleteThreadRequest(thread_id=channel_id, reason=request.reason), metadata=request.to_servers
        )
        return thread_object(gone.thread)
    answer = await request.services.channels.DeleteChannel(
        DeleteChannelRequest(channel_id=channel_id, reason=request.reason), metadata=request.to_servers
    )
    return channel_object(answer.channel)


async def _server_channel(request: ApiRequest, channel_id: int) -> Channel | None:
    """A channel or thread of a server. None: it may be a private channel of the caller's."""
    try:
        answer = await request.services.channels.GetChannel(
            GetChannelRequest(channel_id=channel_id), metadata=request.to_servers
        )
    except NotFound as error:
        if error.reason == "UNKNOWN_CHANNEL":
            return None
        raise
    return answer.channel


ROUTES = [
    create_channel,
    list_channels,
    move_channels,
    get_channel,
    update_channel,
    delete_channel,
]
