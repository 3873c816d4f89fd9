"""`SecurityService`: how the caller signs in, and the end of the account."""

from dataclasses import dataclass

from beep.users.v1 import security_service_pb2 as pb
from beep.users.v1.security_service_pb2_grpc import SecurityServiceServicer
from services.common.auth import current_principal, require_service
from services.users.domain.email import normalise_email
from services.users.domain.errors import (
    CodeRequired,
    DeadToken,
    TotpIsOff,
    TotpIsOn,
    UnknownSession,
    UnknownUser,
    WrongCode,
    WrongPassword,
)
from services.users.domain.password import check_password
from services.users.domain.user import User
from services.users.identity import ports
from services.users.identity.ports import AccountSecurity, AccountState, IdentityProvider
from services.users.service.callers import person
from services.users.service.deletion import Deletions
from services.users.service.sessions import Sessions
from services.users.store.ports import UserStore


@dataclass(frozen=True, slots=True)
class _Caller:
    user_id: int
    username: str
    subject: str
    state: AccountState


class SecurityService(SecurityServiceServicer):
    """People only, each for themselves. What is done without a session is asked by edges, as themselves."""

    def __init__(
        self,
        store: UserStore,
        identity: IdentityProvider,
        security: AccountSecurity,
        sessions: Sessions,
        deletions: Deletions,
    ) -> None:
        self._store = store
        self._identity = identity
        self._security = security
        self._sessions = sessions
        self._deletions = deletions

    # Password and address.

    async def ChangePassword(self, request: pb.ChangePasswordRequest, context: object) -> pb.ChangePasswordResponse:
        caller = await self._caller()
        check_password(request.new_password, email=caller.state.email, username=caller.username, field="new_password")
        await self._check_password(caller, request.password)
        keep = current_principal().auth_session_id
        await self._security.change_password(caller.subject, request.new_password, keep=keep)
        return pb.ChangePasswordResponse()

    async def RequestPasswordReset(
        self, request: pb.RequestPasswordResetRequest, context: object
    ) -> pb.RequestPasswordResetResponse:
        require_service()
        await self._security.send_password_reset(normalise_email(request.email))
        return pb.RequestPasswordResetResponse()

    async def ResetPassword(self, request: pb.ResetPasswordRequest, context: object) -> pb.ResetPasswordResponse:
        require_service()
        account = await self._security.account_of_reset(request.token)
        if account is None:
            raise DeadToken
        email, username = account
        check_password(request.new_password, email=email, username=username, field="new_password")
        try:
            await self._security.reset_password(request.token, request.new_password)
        except ports.DeadLink:
            raise DeadToken from None
        return pb.ResetPasswordResponse()

    async def RequestEmailChange(
        self, request: pb.RequestEmailChangeRequest, context: object
    ) -> pb.RequestEmailChangeResponse:
        caller = await self._caller()
        new_email = normalise_email(request.new_email, field="new_email")
        await self._check_password(caller, request.password)
        await self._security.send_email_change(caller.subject, new_email)
        return pb.RequestEmailChangeResponse()

    async def ConfirmEmailChange(
        self, request: pb.ConfirmEmailChangeRequest, context: object
    ) -> pb.ConfirmEmailChangeResponse:
        require_service()
        try:
            await self._security.confirm_email_change(request.token)
        except ports.DeadLink:
            raise DeadToken from None
        return pb.ConfirmEmailChangeResponse()

    # The second factor.

    async def BeginTotp(self, request: pb.BeginTotpRequest, context: object) -> pb.BeginTotpResponse:
        caller = await self._caller()
        await self._check_password(caller, request.password)
        try:
            made = await self._security.begin_totp(caller.subject)
        except ports.TotpState:
            raise TotpIsOn from None
        return pb.BeginTotpResponse(secret=made.secret, uri=made.uri)

    async def ConfirmTotp(self, request: pb.ConfirmTotpRequest, context: object) -> pb.ConfirmTotpResponse:
        caller = await self._caller()
        if caller.state.mfa_enabled:
            raise TotpIsOn
        try:
            codes = await self._security.confirm_totp(caller.subject, request.code)
        except ports.WrongCode:
            raise WrongCode from None
        except ports.TotpState:
            raise TotpIsOff from None
        return pb.ConfirmTotpResponse(recovery_codes=codes)

    async def DisableTotp(self, request: pb.DisableTotpRequest, context: object) -> pb.DisableTotpResponse:
        caller = await self._caller()
        await self._check_password(caller, request.password)
        await self._check_code(caller, request.code)
        await self._security.disable_totp(caller.subject)
        return pb.DisableTotpResponse()

    async def RegenerateRecoveryCodes(
        self, request: pb.RegenerateRecoveryCodesRequest, context: object
    ) -> pb.RegenerateRecoveryCodesResponse:
        caller = await self._caller()
        await self._check_password(caller, request.password)
        await self._check_code(caller, request.code)
        try:
            codes = await self._security.renew_recovery_codes(caller.subject)
        except ports.TotpState:
            raise TotpIsOff from None
        return pb.RegenerateRecoveryCodesResponse(recovery_codes=codes)

    # Sessions.

    async def ListSessions(self, request: pb.ListSessionsRequest, context: object) -> pb.ListSessionsResponse:
        caller = await self._caller()
        current = current_principal().auth_session_id
        return pb.ListSessionsResponse(
            sessions=[
                pb.AuthSession(
                    id=session.sid,
                    created_at_ms=session.created_at_ms,
                    last_used_at_ms=session.last_used_at_ms,
                    user_agent=session.user_agent,
                    current=session.sid == current,
                )
                for session in await self._sessions.of(caller.subject)
            ]
        )

    async def EndSession(self, request: pb.EndSessionRequest, context: object) -> pb.EndSessionResponse:
        caller = await self._caller()
        if request.session_id not in {session.sid for session in await self._sessions.of(caller.subject)}:
            raise UnknownSession
        await self._sessions.end(request.session_id, caller.user_id)
        return pb.EndSessionResponse()

    async def EndAllSessions(self, request: pb.EndAllSessionsRequest, context: object) -> pb.EndAllSessionsResponse:
        # Not `_caller`: it must work while the provider does not answer.
        user, subject = await self._user()
        but = current_principal().auth_session_id if request.keep_current else ""
        await self._sessions.end_all(user.id, subject, but=but)
        return pb.EndAllSessionsResponse()

    # The end.

    async def DeleteAccount(self, request: pb.DeleteAccountRequest, context: object) -> pb.DeleteAccountResponse:
        caller = await self._caller()
        await self._check_password(caller, request.password)
        await self._deletions.refuse_owner(caller.user_id)
        if caller.state.mfa_enabled:
            # Last, because it uses the code up.
            await self._check_code(caller, request.code)
        await self._deletions.delete(caller.user_id, caller.subject)
        return pb.DeleteAccountResponse()

    async def _caller(self) -> _Caller:
        user, subject = await self._user()
        state = await self._identity.account(subject)
        if state is None:
            raise UnknownUser
        return _Caller(user.id, user.username, subject, state)

    async def _user(self) -> tuple[User, str]:
        """The calling person and their subject."""
        for user in await self._store.users([person()]):
            if user.subject is not None:
                return user, user.subject
        raise UnknownUser

    async def _check_password(self, caller: _Caller, password: str) -> None:
        try:
            await self._security.check_password(caller.subject, password)
        except ports.WrongPassword:
            raise WrongPassword from None

    async def _check_code(self, caller: _Caller, code: str) -> None:
        if not caller.state.mfa_enabled:
            raise TotpIsOff
        if not code:
            raise CodeRequired
        try:
            await self._security.check_code(caller.subject, code)
        except ports.WrongCode:
            raise WrongCode from None
        except ports.TotpState:
            raise TotpIsOff from None
