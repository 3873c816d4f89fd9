"""Invitations of a user by name: Beep's own. Those by link are in `routes.invites`."""

from litestar import delete, get, post, put
from litestar.params import JSONBody
from msgspec import Struct

from beep.servers.v1.invitations_service_pb2 import (
    AcceptInvitationRequest,
    CancelInvitationRequest,
    DeclineInvitationRequest,
    InviteUserRequest,
    ListInvitationsRequest,
    ListServerInvitationsRequest,
)
from services.common.errors import FieldViolation
from services.rest.admission import LIMIT
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import PathId, Snowflake, Username
from services.rest.request import ApiRequest
from services.wire.invitation import InvitationObject, invitation_object
from services.wire.server import PublicGuild, public_guild


class InvitationCreate(Struct):
    """One of both."""

    username: Username | None = None
    user_id: Snowflake | None = None


class AcceptedInvitation(Struct):
    guild: PublicGuild


@post(
    "/servers/{server_id:str}/invitations",
    dto=BodyDecoder[InvitationCreate],
    return_dto=None,
    opt={LIMIT: "invitations"},
)
async def invite_user(request: ApiRequest, server_id: PathId, data: JSONBody[InvitationCreate]) -> InvitationObject:
    """Inviting somebody again gives the invitation that there is."""
    wanted = InviteUserRequest(server_id=server_id, reason=request.reason)
    if data.username is not None and data.user_id is None:
        wanted.username = data.username
    elif data.user_id is not None and data.username is None:
        wanted.user_id = data.user_id
    else:
        raise InvalidForm(FieldViolation("username", "BASE_TYPE_REQUIRED", "Either username or user_id is required."))
    answer = await request.services.invitations.InviteUser(wanted, metadata=request.to_servers)
    return invitation_object(answer.invitation)


@get("/servers/{server_id:str}/invitations")
async def list_server_invitations(request: ApiRequest, server_id: PathId) -> list[InvitationObject]:
    answer = await request.services.invitations.ListServerInvitations(
        ListServerInvitationsRequest(server_id=server_id), metadata=request.to_servers
    )
    return [invitation_object(invitation) for invitation in answer.invitations]


@delete("/servers/{server_id:str}/invitations/{invitation_id:str}", status_code=204)
async def cancel_invitation(request: ApiRequest, server_id: PathId, invitation_id: PathId) -> None:
    await request.services.invitations.CancelInvitation(
        CancelInvitationRequest(server_id=server_id, invitation_id=invitation_id, reason=request.reason),
        metadata=request.to_servers,
    )


@get("/users/@me/invitations")
async def list_invitations(request: ApiRequest) -> list[InvitationObject]:
    answer = await request.services.invitations.ListInvitations(ListInvitationsRequest(), metadata=request.to_servers)
    return [invitation_object(invitation) for invitation in answer.invitations]


@put("/users/@me/invitations/{invitation_id:str}")
async def accept_invitation(request: ApiRequest, invitation_id: PathId) -> AcceptedInvitation:
    answer = await request.services.invitations.AcceptInvitation(
        AcceptInvitationRequest(invitation_id=invitation_id), metadata=request.to_servers
    )
    return AcceptedInvitation(guild=public_guild(answer.server))


@delete("/users/@me/invitations/{invitation_id:str}", status_code=204)
async def decline_invitation(request: ApiRequest, invitation_id: PathId) -> None:
    await request.services.invitations.DeclineInvitation(
        DeclineInvitationRequest(invitation_id=invitation_id), metadata=request.to_servers
    )


ROUTES = [
    invite_user,
    list_server_invitations,
    cancel_invitation,
    list_invitations,
    accept_invitation,
    decline_invitation,
]
