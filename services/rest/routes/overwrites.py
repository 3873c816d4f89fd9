"""https://docs.discord.com/developers/resources/channel#edit-channel-permissions"""

from collections.abc import Sequence
from typing import Annotated

from litestar import delete, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from beep.servers.v1.channel_pb2 import Overwrite
from beep.servers.v1.channels_service_pb2 import DeleteOverwriteRequest, SetOverwriteRequest
from services.common import limits
from services.common.errors import FieldViolation
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import PathId, Permissions, Snowflake
from services.rest.request import ApiRequest
from services.wire.channel import TARGETS_BY_NUMBER


class OverwriteEdit(Struct):
    type: int
    allow: Permissions | None = None
    deny: Permissions | None = None


class OverwriteIn(OverwriteEdit, kw_only=True):
    id: Snowflake


OverwritesIn = Annotated[list[OverwriteIn], Meta(max_length=limits.OVERWRITES_PER_CHANNEL)]


def overwrites(given: Sequence[OverwriteIn] | None) -> list[Overwrite]:
    """Raises InvalidForm for a target that is neither a role nor a member."""
    return [
        _overwrite(entry.id, entry, f"permission_overwrites.{index}.type") for index, entry in enumerate(given or ())
    ]


@put(
    "/channels/{channel_id:str}/permissions/{target_id:str}",
    status_code=204,
    dto=BodyDecoder[OverwriteEdit],
    return_dto=None,
)
async def set_overwrite(
    request: ApiRequest, channel_id: PathId, target_id: PathId, data: JSONBody[OverwriteEdit]
) -> None:
    await request.services.channels.SetOverwrite(
        SetOverwriteRequest(
            channel_id=channel_id, overwrite=_overwrite(target_id, data, "type"), reason=request.reason
        ),
        metadata=request.to_servers,
    )


@delete("/channels/{channel_id:str}/permissions/{target_id:str}", status_code=204)
async def delete_overwrite(request: ApiRequest, channel_id: PathId, target_id: PathId) -> None:
    await request.services.channels.DeleteOverwrite(
        DeleteOverwriteRequest(channel_id=channel_id, target_id=target_id, reason=request.reason),
        metadata=request.to_servers,
    )


def _overwrite(target_id: int, edit: OverwriteEdit, field: str) -> Overwrite:
    target = TARGETS_BY_NUMBER.get(edit.type)
    if target is None:
        raise InvalidForm(FieldViolation(field, "BASE_TYPE_CHOICES", "Value must be one of {0, 1}."))
    return Overwrite(target_id=target_id, target=target, allow=edit.allow or 0, deny=edit.deny or 0)


ROUTES = [set_overwrite, delete_overwrite]
