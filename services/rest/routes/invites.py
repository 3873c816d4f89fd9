"""https://docs.discord.com/developers/resources/invite"""

from typing import Annotated

from litestar import delete, get, post
from litestar.params import JSONBody
from msgspec import Meta, Struct, structs

from beep.servers.v1.invites_service_pb2 import (
    AcceptInviteRequest,
    CreateInviteRequest,
    DeleteInviteRequest,
    GetInviteRequest,
    ListChannelInvitesRequest,
    ListServerInvitesRequest,
)
from services.common import limits
from services.rest.body import BodyDecoder
from services.rest.fields import PathCode, PathId
from services.rest.request import ApiRequest
from services.wire.invite import InviteObject, invite_object

DEFAULT_MAX_AGE = 24 * 3600


class InviteCreate(Struct):
    max_age: Annotated[int, Meta(ge=0, le=limits.INVITE_MAX_AGE)] | None = None
    max_uses: Annotated[int, Meta(ge=0, le=limits.INVITE_MAX_USES)] | None = None
    temporary: bool | None = None
    unique: bool | None = None


class AcceptedInvite(InviteObject, kw_only=True):
    """`new_member` is false for somebody who was one already."""

    new_member: bool


@post("/channels/{channel_id:str}/invites", status_code=200, dto=BodyDecoder[InviteCreate], return_dto=None)
async def create_invite(
    request: ApiRequest, channel_id: PathId, data: JSONBody[InviteCreate | None] = None
) -> InviteObject:
    # Libraries may send no body at all.
    data = data or InviteCreate()
    answer = await request.services.invites.CreateInvite(
        CreateInviteRequest(
            channel_id=channel_id,
            max_age_seconds=DEFAULT_MAX_AGE if data.max_age is None else data.max_age,
            max_uses=data.max_uses or 0,
            temporary=data.temporary or False,
            unique=data.unique or False,
            reason=request.reason,
            idempotency_key=request.idempotency_key,
        ),
        metadata=request.to_servers,
    )
    return invite_object(answer.invite)


@get("/channels/{channel_id:str}/invites")
async def list_channel_invites(request: ApiRequest, channel_id: PathId) -> list[InviteObject]:
    answer = await request.services.invites.ListChannelInvites(
        ListChannelInvitesRequest(channel_id=channel_id), metadata=request.to_servers
    )
    return [invite_object(invite) for invite in answer.invites]


@get("/guilds/{server_id:str}/invites")
async def list_server_invites(request: ApiRequest, server_id: PathId) -> list[InviteObject]:
    answer = await request.services.invites.ListServerInvites(
        ListServerInvitesRequest(server_id=server_id), metadata=request.to_servers
    )
    return [invite_object(invite) for invite in answer.invites]


@get("/invites/{code:str}")
async def get_invite(request: ApiRequest, code: PathCode) -> InviteObject:
    answer = await request.services.invites.GetInvite(GetInviteRequest(code=code), metadata=request.to_servers)
    return invite_object(answer.invite)


@delete("/invites/{code:str}", status_code=200)
async def delete_invite(request: ApiRequest, code: PathCode) -> InviteObject:
    answer = await request.services.invites.DeleteInvite(
        DeleteInviteRequest(code=code, reason=request.reason), metadata=request.to_servers
    )
    return invite_object(answer.invite)


@post("/invites/{code:str}", status_code=200)
async def accept_invite(request: ApiRequest, code: PathCode) -> AcceptedInvite:
    answer = await request.services.invites.AcceptInvite(AcceptInviteRequest(code=code), metadata=request.to_servers)
    return AcceptedInvite(**structs.asdict(invite_object(answer.invite)), new_member=answer.joined)


ROUTES = [create_invite, list_channel_invites, list_server_invites, get_invite, delete_invite, accept_invite]
