"""`UsersService`: profiles."""

from collections.abc import Callable

from beep.users.v1 import users_service_pb2
from beep.users.v1.users_service_pb2_grpc import UsersServiceServicer
from services.common.auth import current_user_id, require_service
from services.common.clock import Clock
from services.common.errors import InvalidArgument, NotFound
from services.common.limits import USERS_PAGE
from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.domain.errors import invalid_field
from services.users.domain.profile import Profile, parse_change
from services.users.domain.user import User
from services.users.events import identity_changed, profile_changed
from services.users.identity.ports import AccountState, IdentityProvider
from services.users.store.ports import UsernameTaken, UserStore


class UsersService(UsersServiceServicer):
    """Profiles are public to whoever is signed in; an account only to its owner."""

    def __init__(
        self,
        store: UserStore,
        identity: IdentityProvider,
        clock: Clock,
        ids: SnowflakeGenerator,
        email_key: Callable[[str], str],
    ) -> None:
        """`email_key`: what stays of an address when its account goes (`domain.identity_key`)."""
        self._store = store
        self._identity = identity
        self._clock = clock
        self._ids = ids
        self._email_key = email_key

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
        profile, state = await self._own()
        return users_service_pb2.GetAccountResponse(account=render.account(profile, state))

    async def FindUser(
        self, request: users_service_pb2.FindUserRequest, context: object
    ) -> users_service_pb2.FindUserResponse:
        user = await self._store.person_named(request.username.strip().lower())
        if user is None:
            raise _not_found()
        return users_service_pb2.FindUserResponse(user=render.user(user))

    async def UpdateAccount(
        self, request: users_service_pb2.UpdateAccountRequest, context: object
    ) -> users_service_pb2.UpdateAccountResponse:
        profile, state = await self._own()

        change = parse_change(
            profile.user.kind,
            username=request.username if request.HasField("username") else None,
            global_name=request.global_name if request.HasField("global_name") else None,
            avatar=request.avatar if request.HasField("avatar") else None,
            first_name=request.first_name if request.HasField("first_name") else None,
            last_name=request.last_name if request.HasField("last_name") else None,
        )
        event_ids = [self._ids.next() for _ in range(4)]
        try:
            updated = await self._store.update_profile(
                profile.user.id,
                change,
                email="" if state is None else state.email,
                now_ms=self._clock.now_ms(),
                record=lambda before, after: profile_changed(
                    event_ids, render.account(after, state), old_avatar=before.user.avatar
                ),
            )
        except UsernameTaken:
            raise invalid_field("username", "USERNAME_ALREADY_TAKEN", "This username is taken. Try another.") from None
        return users_service_pb2.UpdateAccountResponse(account=render.account(updated, state))

    async def GetIdentityKeys(
        self, request: users_service_pb2.GetIdentityKeysRequest, context: object
    ) -> users_service_pb2.GetIdentityKeysResponse:
        require_service()
        users = await self._store.users([request.user_id])
        if not users:
            raise _not_found()
        state = await self._state(users[0])
        found = [self._email_key(state.email)] if state is not None and state.verified else []
        keys = await self._store.remember_identity_keys(
            request.user_id, found, record=identity_changed(self._ids.next(), request.user_id)
        )
        return users_service_pb2.GetIdentityKeysResponse(keys=keys)

    async def _own(self) -> tuple[Profile, AccountState | None]:
        profile = await self._store.profile(current_user_id())
        if profile is None:
            raise _not_found()
        return profile, await self._state(profile.user)

    async def _state(self, user: User) -> AccountState | None:
        return None if user.subject is None else await self._identity.account(user.subject)


def _not_found() -> NotFound:
    return NotFound("USER_NOT_FOUND", "There is no such user.")
