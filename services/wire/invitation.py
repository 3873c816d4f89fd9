"""Invitations of a user by name: Beep's own. Those by link are Discord's (`services.wire.invite`)."""

from typing import TYPE_CHECKING

from msgspec import Struct

from services.wire.encoding import timestamp
from services.wire.server import PublicGuild, public_guild
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.servers.v1.invitations_service_pb2 import Invitation


class InvitationObject(Struct, kw_only=True):
    """Also the body of SERVER_INVITATION_CREATE."""

    id: str
    guild: PublicGuild
    inviter: UserObject
    invitee: UserObject
    created_at: str


class InvitationDelete(Struct, kw_only=True):
    """The body of SERVER_INVITATION_DELETE."""

    id: str


def invitation_object(invitation: "Invitation") -> InvitationObject:
    return InvitationObject(
        id=str(invitation.id),
        guild=public_guild(invitation.server),
        inviter=user_object(invitation.inviter),
        invitee=user_object(invitation.invitee),
        created_at=timestamp(invitation.created_at_ms),
    )
