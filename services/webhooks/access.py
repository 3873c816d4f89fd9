"""Asks authz, and says no in the words that the edges know."""

from typing import TYPE_CHECKING, Final

from beep.authz.v1 import authz_service_pb2 as authz_pb
from services.common.permissions import Permission
from services.webhooks.domain.errors import (
    MissingAccess,
    MissingPermissions,
    UnknownChannel,
    UnknownServer,
    WrongChannelType,
)

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

REQUIRED: Final = int(Permission.MANAGE_WEBHOOKS)


class Access:
    """MANAGE_WEBHOOKS decides on everything here; the token of a webhook stands for nothing but that webhook."""

    def __init__(self, authz: "AuthzServiceAsyncStub") -> None:
        self._authz = authz

    async def in_server(self, user_id: int, server_id: int) -> None:
        """Raises UnknownServer, MissingPermissions."""
        answer = await self._authz.Authorize(
            authz_pb.AuthorizeRequest(user_id=user_id, server_id=server_id, required=REQUIRED)
        )
        if not _of_a_member(answer):
            raise UnknownServer

    async def in_channel(self, user_id: int, channel_id: int) -> int:
        """The server of the channel.

        Raises:
            UnknownChannel, MissingAccess, MissingPermissions.
            WrongChannelType: a thread, or a channel of no server.
        """
        answer = await self._authz.Authorize(
            authz_pb.AuthorizeRequest(user_id=user_id, channel_id=channel_id, required=REQUIRED)
        )
        if not _of_a_member(answer):
            raise UnknownChannel
        if answer.parent_channel_id or not answer.server_id:
            raise WrongChannelType
        return answer.server_id


def _of_a_member(answer: authz_pb.AuthorizeResponse) -> bool:
    """False when nothing may be told. Raises MissingAccess or MissingPermissions for a member who lacks the right."""
    if answer.outcome == authz_pb.OUTCOME_DENIED:
        if answer.missing & Permission.VIEW_CHANNEL:
            raise MissingAccess(missing=answer.missing, decision_id=answer.decision_id)
        raise MissingPermissions(missing=answer.missing, decision_id=answer.decision_id)
    return answer.outcome == authz_pb.OUTCOME_ALLOWED
