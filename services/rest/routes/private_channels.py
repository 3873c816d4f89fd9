"""Direct messages and groups: https://docs.discord.com/developers/resources/user#create-dm

What is done to one by its id alone (`/channels/{id}`) is in `channels`, with those of servers.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from litestar import delete, get, post, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from beep.users.v1.private_channels_service_pb2 import (
    AddRecipientRequest,
    ClosePrivateChannelRequest,
    GetPrivateChannelRequest,
    ListPrivateChannelsRequest,
    OpenPrivateChannelRequest,
    RemoveRecipientRequest,
    UpdatePrivateChannelRequest,
)
from services.common import limits
from services.rest.body import BodyDecoder
from services.rest.fields import PathId, Snowflake
from services.rest.last_messages import last_messages
from services.rest.request import ApiRequest
from services.wire.encoding import optional_id
from services.wire.private_channel import PrivateChannelObject, private_channel_object

if TYPE_CHECKING:
    from beep.users.v1.private_channels_service_pb2 import PrivateChannel


class PrivateChannelCreate(Struct):
    """`recipient_id`, or `recipients`: one for a direct message, several friends for a group, which may have a name."""

    recipient_id: Snowflake | None = None
    recipients: Annotated[list[Snowflake], Meta(max_length=limits.GROUP_PARTICIPANTS)] | None = None
    name: Annotated[str, Meta(max_length=limits.GROUP_NAME)] | None = None


@get("/users/@me/channels")
async def list_private_channels(request: ApiRequest) -> list[PrivateChannelObject]:
    """The direct messages that the caller has open, and their groups."""
    answer = await request.services.private_channels.ListPrivateChannels(
        ListPrivateChannelsRequest(), metadata=request.to_users
    )
    return await _all_shown(request, answer.channels)


@post("/users/@me/channels", status_code=200, dto=BodyDecoder[PrivateChannelCreate], return_dto=None)
async def open_private_channel(request: ApiRequest, data: JSONBody[PrivateChannelCreate]) -> PrivateChannelObject:
    """Opens the direct message with somebody, the same one every time, or founds a group."""
    recipients = [data.recipient_id] if data.recipient_id is not None else data.recipients or []
    answer = await request.services.private_channels.OpenPrivateChannel(
        OpenPrivateChannelRequest(
            recipient_ids=recipients, name=data.name or "", idempotency_key=request.idempotency_key
        ),
        metadata=request.to_users,
    )
    return await _shown(request, answer.channel)


@put("/channels/{channel_id:str}/recipients/{user_id:str}", status_code=204)
async def add_recipient(request: ApiRequest, channel_id: PathId, user_id: PathId) -> None:
    """Brings a friend into a group."""
    await request.services.private_channels.AddRecipient(
        AddRecipientRequest(channel_id=channel_id, user_id=user_id), metadata=request.to_users
    )


@delete("/channels/{channel_id:str}/recipients/{user_id:str}", status_code=204)
async def remove_recipient(request: ApiRequest, channel_id: PathId, user_id: PathId) -> None:
    """Sends somebody out of a group that the caller owns."""
    await request.services.private_channels.RemoveRecipient(
        RemoveRecipientRequest(channel_id=channel_id, user_id=user_id), metadata=request.to_users
    )


async def get_private_channel(request: ApiRequest, channel_id: int) -> PrivateChannelObject:
    answer = await request.services.private_channels.GetPrivateChannel(
        GetPrivateChannelRequest(channel_id=channel_id), metadata=request.to_users
    )
    return await _shown(request, answer.channel)


async def update_private_channel(
    request: ApiRequest, channel_id: int, *, name: str | None, icon: str | None
) -> PrivateChannelObject:
    """Renames a group, or gives it a picture that is stored already."""
    answer = await request.services.private_channels.UpdatePrivateChannel(
        UpdatePrivateChannelRequest(channel_id=channel_id, name=name, icon=icon), metadata=request.to_users
    )
    return await _shown(request, answer.channel)


async def close_private_channel(request: ApiRequest, channel_id: int) -> PrivateChannelObject:
    """Leaves a group, or takes a direct message out of the caller's list until the next message in it."""
    answer = await request.services.private_channels.ClosePrivateChannel(
        ClosePrivateChannelRequest(channel_id=channel_id), metadata=request.to_users
    )
    return await _shown(request, answer.channel)


async def _shown(request: ApiRequest, channel: "PrivateChannel") -> PrivateChannelObject:
    [one] = await _all_shown(request, [channel])
    return one


async def _all_shown(request: ApiRequest, channels: Sequence["PrivateChannel"]) -> list[PrivateChannelObject]:
    """The caller's channels, as they see them, each with its last message."""
    last = await last_messages(request, [channel.id for channel in channels])
    rendered = []
    for channel in channels:
        shown = private_channel_object(channel, request.caller.user_id)
        shown.last_message_id = optional_id(last.get(channel.id, 0))
        rendered.append(shown)
    return rendered


ROUTES = [list_private_channels, open_private_channel, add_recipient, remove_recipient]
