"""Asking authz before a request costs anything; the service that owns the noun asks again."""

from typing import TYPE_CHECKING

from beep.authz.v1.authz_service_pb2 import OUTCOME_ALLOWED, OUTCOME_HIDDEN, AuthorizeRequest
from services.common.errors import NotFound, PermissionDenied
from services.common.permissions import Permission

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub


async def require_in_channel(
    authz: "AuthzServiceAsyncStub", user_id: int, channel_id: int, required: Permission
) -> None:
    """Raises NotFound UNKNOWN_CHANNEL, or PermissionDenied MISSING_ACCESS or MISSING_PERMISSIONS."""
    answer = await authz.Authorize(AuthorizeRequest(user_id=user_id, channel_id=channel_id, required=int(required)))
    if answer.outcome == OUTCOME_HIDDEN:
        raise NotFound("UNKNOWN_CHANNEL")
    if answer.outcome != OUTCOME_ALLOWED:
        reason = "MISSING_ACCESS" if answer.missing & Permission.VIEW_CHANNEL else "MISSING_PERMISSIONS"
        raise PermissionDenied(reason, metadata={"decision_id": answer.decision_id})
