"""What whoever joins must pass, by whichever way: a link, an invitation, the directory, or as a bot."""

from dataclasses import replace
from typing import TYPE_CHECKING

from beep.users.v1.users_service_pb2 import GetIdentityKeysRequest
from services.common.auth import PrincipalKind, current_principal, current_user_id
from services.common.errors import PermissionDenied
from services.common.limits import SERVERS_PER_USER
from services.servers.domain.errors import TooManyServers
from services.servers.store.ports import NOTHING_ELSE, ServerStore, Wanted

if TYPE_CHECKING:
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub


class Entrance:
    """Finds out what a rule must know of one who joins. Without `users` nobody joins: bans hold."""

    def __init__(self, store: ServerStore, users: "UsersServiceAsyncStub") -> None:
        self._store = store
        self._users = users

    async def admit(self, user_id: int, server_id: int, wanted: Wanted = NOTHING_ELSE) -> Wanted:
        """What is to be loaded, besides what is `wanted`, for `Loaded.applicant` to tell of this user.

        Raises:
            TooManyServers
        """
        await self._require_room(user_id, server_id)
        return replace(
            wanted,
            member_ids=wanted.member_ids | {user_id},
            bans_on=frozenset({user_id}),
            ban_keys=await self.identity_keys(user_id),
            invitations_of=frozenset({user_id}),
        )

    async def identity_keys(self, user_id: int) -> frozenset[str]:
        return frozenset((await self._users.GetIdentityKeys(GetIdentityKeysRequest(user_id=user_id))).keys)

    async def require_room(self, user_id: int) -> None:
        """The user may make one more server. Raises TooManyServers."""
        if await self._store.count_servers_of(user_id) >= SERVERS_PER_USER:
            raise TooManyServers

    async def _require_room(self, user_id: int, server_id: int) -> None:
        """The user may be in one more server, or is in this one.

        Joining several at the same moment may exceed the limit by as many: it protects the installation and is no
        promise.
        """
        if await self._store.count_servers_of(user_id) < SERVERS_PER_USER:
            return
        loaded = await self._store.load(server_id, Wanted(member_ids=frozenset({user_id})))
        if loaded is None or user_id not in loaded.members:
            raise TooManyServers


def require_person() -> int:
    """The calling user. A bot joins only where somebody who manages the server adds it. Raises PermissionDenied."""
    user_id = current_user_id()
    if current_principal().kind is PrincipalKind.BOT:
        raise PermissionDenied("BOTS_CANNOT_USE", "Bots cannot do this.")
    return user_id
