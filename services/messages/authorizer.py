"""Asks authz, and says no in the words that the edges know."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from beep.authz.v1 import authz_service_pb2 as authz_pb
from services.common.errors import NotFound, PermissionDenied
from services.common.permissions import Permission
from services.messages.domain.errors import CannotMessageUser, ThreadArchived
from services.messages.domain.place import Place

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

NOTHING: Final = Permission(0)
READS: Final = Permission.VIEW_CHANNEL | Permission.READ_MESSAGE_HISTORY
# What a participant of a private channel can do, unless a block has silenced it.
SPEAKS: Final = (
    Permission.SEND_MESSAGES
    | Permission.EMBED_LINKS
    | Permission.ATTACH_FILES
    | Permission.ADD_REACTIONS
    | Permission.PIN_MESSAGES
)


class Authorizer:
    """One call to authz decides one request."""

    def __init__(self, authz: "AuthzServiceAsyncStub") -> None:
        self._authz = authz

    async def require(
        self, user_id: int, channel_id: int, required: Permission = NOTHING, *, optional: Permission = NOTHING
    ) -> authz_pb.AuthorizeResponse:
        """The answer to a user who may view the channel and do all of `required` there.

        Raises:
            NotFound: UNKNOWN_CHANNEL, also when it is not for this user to know that there is one.
            PermissionDenied: MISSING_ACCESS without VIEW_CHANNEL, CANNOT_MESSAGE_USER in a private channel that is
                silenced, else MISSING_PERMISSIONS.
        """
        decision = await self._authz.Authorize(
            authz_pb.AuthorizeRequest(user_id=user_id, channel_id=channel_id, required=required, optional=optional)
        )
        if decision.outcome == authz_pb.OUTCOME_ALLOWED:
            return decision
        if decision.outcome == authz_pb.OUTCOME_DENIED:
            raise refusal(decision, Permission(decision.missing))
        raise NotFound("UNKNOWN_CHANNEL", "Unknown channel.")

    async def require_any(self, user_id: int, channel_id: int, any_of: Permission) -> authz_pb.AuthorizeResponse:
        """As `require`, for a right that each of several bits grants."""
        decision = await self.require(user_id, channel_id, optional=any_of)
        if not decision.granted & any_of:
            raise refusal(decision, any_of)
        return decision

    async def require_on_server(self, user_id: int, server_id: int, required: Permission) -> None:
        """As `require`, for rights on the server itself; raises NotFound UNKNOWN_SERVER."""
        decision = await self._authz.Authorize(
            authz_pb.AuthorizeRequest(user_id=user_id, server_id=server_id, required=required)
        )
        if decision.outcome == authz_pb.OUTCOME_DENIED:
            raise refusal(decision, Permission(decision.missing))
        if decision.outcome != authz_pb.OUTCOME_ALLOWED:
            raise NotFound("UNKNOWN_SERVER", "Unknown server.")

    async def missing_to_read(self, user_id: int, server_id: int, channel_ids: Sequence[int]) -> dict[int, Permission]:
        """What a member lacks to read the past of each of these channels; those of other servers are left out.

        Raises:
            NotFound: UNKNOWN_SERVER, also when it is not for this user to know that there is one.
        """
        held = await self._authz.GetPermissions(
            authz_pb.GetPermissionsRequest(user_id=user_id, server_id=server_id, channel_ids=channel_ids)
        )
        if not held.is_member:
            raise NotFound("UNKNOWN_SERVER", "Unknown server.")
        return {each.channel_id: READS & ~Permission(each.permissions) for each in held.channels}


def require_active(decision: authz_pb.AuthorizeResponse) -> None:
    """Raises ThreadArchived."""
    if decision.archived:
        raise ThreadArchived


def place_of(channel_id: int, decision: authz_pb.AuthorizeResponse) -> Place:
    """Where the channel is that was decided about."""
    return Place(channel_id, decision.server_id, decision.parent_channel_id, tuple(decision.participant_ids))


def refusal(decision: authz_pb.AuthorizeResponse, missing: Permission) -> PermissionDenied:
    """What a member gets who lacks `missing`; the decision id lets a moderator look up why."""
    if not decision.server_id and decision.participant_ids and missing & SPEAKS:
        return CannotMessageUser()
    metadata = {"missing": str(int(missing)), "decision_id": decision.decision_id}
    if missing & Permission.VIEW_CHANNEL:
        return PermissionDenied("MISSING_ACCESS", "Missing access.", metadata=metadata)
    return PermissionDenied("MISSING_PERMISSIONS", "Missing permissions.", metadata=metadata)
