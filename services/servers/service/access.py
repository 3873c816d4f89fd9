"""What the caller may do: every method of the service asks this first."""

from collections.abc import Collection
from dataclasses import dataclass

from beep.authz.v1 import authz_service_pb2 as authz_pb
from services.common.auth import current_user_id
from services.common.authorization import Access
from services.common.errors import NotFound, PermissionDenied
from services.servers.domain.state import Actor, Member


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


class CallersAccess:
    """`services.common.authorization.Access` of whoever calls."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def in_server(self, server_id: int, *, required: int = 0, any_of: int = 0, asked: int = 0) -> Grant:
        user_id = current_user_id()
        answer = await self._access.in_server(user_id, server_id, required=required, any_of=any_of, asked=asked)
        return Grant(user_id, answer.server_id, answer.granted | required)

    async def in_channel(self, channel_id: int, *, required: int = 0, any_of: int = 0, asked: int = 0) -> Grant:
        user_id = current_user_id()
        answer = await self._access.in_channel(user_id, channel_id, required=required, any_of=any_of, asked=asked)
        return Grant(user_id, answer.server_id, answer.granted | required, answer.parent_channel_id != 0)

    async def views(self, user_id: int, channel_id: int) -> bool:
        """Whether somebody else may view the channel."""
        try:
            await self._access.in_channel(user_id, channel_id)
        except (NotFound, PermissionDenied):
            return False
        return True

    async def permissions(
        self, server_id: int, channel_ids: Collection[int], *, wanted: int = 0, user_id: int | None = None
    ) -> authz_pb.GetPermissionsResponse:
        """Which of the wanted rights (0: of all) a user (None: the caller) holds in the server and in these channels.

        Raises NotFound.
        """
        who = current_user_id() if user_id is None else user_id
        return await self._access.permissions(who, server_id, channel_ids, wanted=wanted)
