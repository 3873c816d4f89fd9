"""`AccountsService`: signing up."""

from contextlib import suppress
from typing import Final

from beep.users.v1 import accounts_service_pb2
from beep.users.v1.accounts_service_pb2_grpc import AccountsServiceServicer
from services.common.auth import require_service
from services.common.clock import Clock
from services.users.domain.email import normalise_email
from services.users.domain.errors import invalid_field
from services.users.domain.password import check_password
from services.users.domain.username import parse_global_name, parse_username
from services.users.identity.ports import EmailTaken, IdentityProvider, NewAccount
from services.users.store.ports import UsernameTaken, UserStore

RESERVATION_MS: Final = 25 * 3600 * 1000
"""Longer than a validation link lives, so that a name is never lost between the link and the first sign-in."""


class AccountsService(AccountsServiceServicer):
    """Called by edges, for people who have no identity yet.

    A registration reserves the username, then makes the account at the provider. The user comes into being when a token
    of the account is first seen (`TokensService`), as it does for people whom Google or a directory vouches for. So
    whatever dies in between leaves nothing but a reservation, which ends by itself, and the same person may try again.
    """

    def __init__(self, store: UserStore, identity: IdentityProvider, clock: Clock) -> None:
        self._store = store
        self._identity = identity
        self._clock = clock

    async def Register(
        self, request: accounts_service_pb2.RegisterRequest, context: object
    ) -> accounts_service_pb2.RegisterResponse:
        require_service()
        email = normalise_email(request.email)
        username = parse_username(request.username)
        global_name = parse_global_name(request.global_name)
        check_password(request.password, email=email, username=username)
        now = self._clock.now_ms()
        try:
            await self._store.reserve(username, email, now_ms=now, until_ms=now + RESERVATION_MS)
        except UsernameTaken:
            raise invalid_field("username", "USERNAME_ALREADY_TAKEN", "This username is taken. Try another.") from None
        # The same answer as a success. The reservation stays for the same reason: a name that became free at once would
        # tell that the address has an account.
        with suppress(EmailTaken):
            await self._identity.register(NewAccount(email, username, request.password, global_name))
        return accounts_service_pb2.RegisterResponse()

    async def ResendVerification(
        self, request: accounts_service_pb2.ResendVerificationRequest, context: object
    ) -> accounts_service_pb2.ResendVerificationResponse:
        require_service()
        await self._identity.resend_validation(normalise_email(request.email))
        return accounts_service_pb2.ResendVerificationResponse()
