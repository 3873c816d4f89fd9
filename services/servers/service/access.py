"""Asks authz first, and refuses in the words that the edges know."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from beep.authz.v1 import authz_service_pb2 as authz_pb
from services.common.auth import current_user_id
from services.common.permissions import Permission
from services.servers.domain.errors import MissingAccess, MissingPermissions, UnknownChannel, UnknownServer
from services.servers.domain.state import Actor, Member

if TYPE_CHECKING:
    from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceAsyncStub

# Whatever else authz may answer one day hides as much as HIDDEN does.
_OF_A_MEMBER: Final = frozenset({authz_pb.OUTCOME_ALLOWED, authz_pb.OUTCOME_DENIED})


@dataclass(frozen=True, slots=True)
class Grant:
    """The caller is a member and was allowed. `permissions`: which they hold of the bits that were asked about.

    `in_thread`: it was a thread that was asked about.
    """

    user_id: int
    server_id: int
    permissions: int
    in_thread: bool = False

    def actor(self, member: Member) -> Actor:
        return Actor(self.user_id, member.role_ids, self.permissions)


class Access:
    """One call to authz decides one request; the caller is who it is about."""

    def __init__(self, authz: "AuthzServiceAsyncStub") -> None:
        self._authz = authz

    async def in_server(self, server_id: int, required: int = 0, *, any_of: int = 0, asked: int = 0) -> Grant:
        """The caller holds all of `required` and one of `any_of` in the server; `asked` is only reported on.

        Raises:
            UnknownServer, MissingPermissions.
        """
        user_id = current_user_id()
        request = authz_pb.AuthorizeRequest(
            user_id=user_id, server_id=server_id, required=required, optional=any_of | asked
        )
        answer = await self._authz.Authorize(request)
        if answer.outcome not in _OF_A_MEMBER:
            raise UnknownServer
        return _grant(user_id, answer, required, any_of)

    async def in_channel(self, channel_id: int, required: int = 0, *, any_of: int = 0, asked: int = 0) -> Grant:
        """As `in_server`, in a channel that the caller may view.

        Raises:
            UnknownChannel, MissingAccess, MissingPermissions.
        """
        user_id = current_user_id()
        request = authz_pb.AuthorizeRequest(
            user_id=user_id, channel_id=channel_id, required=required, optional=any_of | asked
        )
        answer = await self._authz.Authorize(request)
        if answer.outcome not in _OF_A_MEMBER:
            raise UnknownChannel
        return _grant(user_id, answer, required, any_of)

    async def views(self, user_id: int, channel_id: int) -> bool:
        """Whether somebody else may view the channel."""
        answer = await self._authz.Authorize(authz_pb.AuthorizeRequest(user_id=user_id, channel_id=channel_id))
        return answer.outcome == authz_pb.OUTCOME_ALLOWED

    async def permissions(
        self, server_id: int, channel_ids: list[int], *, user_id: int | None = None
    ) -> authz_pb.GetPermissionsResponse:
        """All that a user (None: the caller) holds in the server and in these channels. Raises UnknownServer."""
        answer = await self._authz.GetPermissions(
            authz_pb.GetPermissionsRequest(
                user_id=current_user_id() if user_id is None else user_id,
                server_id=server_id,
                channel_ids=channel_ids,
            )
        )
        if not answer.is_member:
            raise UnknownServer
        return answer


def _grant(user_id: int, answer: authz_pb.AuthorizeResponse, required: int, any_of: int) -> Grant:
    if answer.outcome == authz_pb.OUTCOME_DENIED:
        if answer.missing & Permission.VIEW_CHANNEL:
            raise MissingAccess(missing=answer.missing, decision_id=answer.decision_id)
        raise MissingPermissions(missing=answer.missing, decision_id=answer.decision_id)
    if any_of and not answer.granted & any_of:
        raise MissingPermissions(missing=any_of, decision_id=answer.decision_id)
    return Grant(user_id, answer.server_id, answer.granted | required, answer.parent_channel_id != 0)
