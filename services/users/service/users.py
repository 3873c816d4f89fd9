"""`UsersService`: profiles."""

from beep.users.v1 import user_pb2, users_service_pb2
from beep.users.v1.users_service_pb2_grpc import UsersServiceServicer
from services.common.auth import current_user_id
from services.common.errors import InvalidArgument, NotFound
from services.common.limits import USERS_PAGE
from services.users import render
from services.users.identity.ports import IdentityProvider
from services.users.store.ports import UserStore


class UsersService(UsersServiceServicer):
    """Profiles are public to whoever is signed in; an account only to its owner."""

    def __init__(self, store: UserStore, identity: IdentityProvider) -> None:
        self._store = store
        self._identity = identity

    async def GetUsers(
        self, request: users_service_pb2.GetUsersRequest, context: object
    ) -> users_service_pb2.GetUsersResponse:
        if len(request.ids) > USERS_PAGE:
            raise InvalidArgument("TOO_MANY_IDS", f"At most {USERS_PAGE} ids at once.")
        users = await self._store.users(request.ids)
        return users_service_pb2.GetUsersResponse(users=map(render.user, users))

    async def GetAccount(
        self, request: users_service_pb2.GetAccountRequest, context: object
    ) -> users_service_pb2.GetAccountResponse:
        found = await self._store.users([current_user_id()])
        if not found:
            raise NotFound("USER_NOT_FOUND", "There is no such user.")
        account = user_pb2.Account(user=render.user(found[0]))
        state = None if found[0].subject is None else await self._identity.account(found[0].subject)
        if state is not None:
            account.email, account.verified, account.mfa_enabled = state.email, state.verified, state.mfa_enabled
        return users_service_pb2.GetAccountResponse(account=account)

    async def FindUser(
        self, request: users_service_pb2.FindUserRequest, context: object
    ) -> users_service_pb2.FindUserResponse:
        user = await self._store.person_named(request.username.strip().lower())
        if user is None:
            raise NotFound("USER_NOT_FOUND", "There is no such user.")
        return users_service_pb2.FindUserResponse(user=render.user(user))
