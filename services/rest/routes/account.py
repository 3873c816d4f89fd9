"""How one signs in: password, address, second factor, sessions; and the end of the account. Beep's own, because Discord
documents none of it."""

from typing import Annotated

from litestar import delete, get, post
from litestar.params import JSONBody, PathParameter, QueryParameter
from msgspec import Meta, Struct

from beep.users.v1 import security_service_pb2 as pb
from services.common import limits
from services.rest.admission import LIMIT, OPEN
from services.rest.body import BodyDecoder
from services.rest.fields import Email
from services.rest.request import ApiRequest
from services.wire.encoding import timestamp

# Guesses at what a mail holds, and mails to others, are limited as sign-ups are.
WITHOUT_SESSION = {OPEN: True, LIMIT: "sign_up"}

# Any that may once have been allowed.
Password = Annotated[str, Meta(max_length=limits.PASSWORD)]
NewPassword = Annotated[str, Meta(min_length=limits.PASSWORD_MIN, max_length=limits.PASSWORD)]
Code = Annotated[str, Meta(max_length=limits.SECOND_FACTOR_CODE)]
MailToken = Annotated[str, Meta(min_length=1, max_length=limits.MAIL_TOKEN)]
PathSession = Annotated[str, PathParameter(min_length=1, max_length=255)]


class PasswordChange(Struct):
    password: Password
    new_password: NewPassword


class ForgottenPassword(Struct):
    email: Email


class PasswordReset(Struct):
    token: MailToken
    new_password: NewPassword


class EmailChange(Struct):
    password: Password
    new_email: Email


class EmailConfirmation(Struct):
    token: MailToken


class PasswordProof(Struct):
    password: Password


class CodeProof(Struct):
    code: Code


class Proof(Struct):
    """`code`: of the authenticator, or a recovery code; only with two-factor authentication."""

    password: Password
    code: Code = ""


class TotpSecret(Struct):
    secret: str
    uri: str


class RecoveryCodes(Struct):
    recovery_codes: list[str]


class SessionObject(Struct, kw_only=True):
    id: str
    created_at: str
    last_used_at: str
    user_agent: str | None
    current: bool


@post("/account/password", status_code=204, dto=BodyDecoder[PasswordChange], return_dto=None)
async def change_password(request: ApiRequest, data: JSONBody[PasswordChange]) -> None:
    """All other sessions end."""
    await request.services.security.ChangePassword(
        pb.ChangePasswordRequest(password=data.password, new_password=data.new_password), metadata=request.to_users
    )
    _forget(request)


@post(
    "/account/password/forgot",
    status_code=204,
    dto=BodyDecoder[ForgottenPassword],
    return_dto=None,
    opt=WITHOUT_SESSION,
)
async def forgot_password(request: ApiRequest, data: JSONBody[ForgottenPassword]) -> None:
    """The answer is the same whether the address has an account: its owner gets a mail."""
    await request.services.security.RequestPasswordReset(pb.RequestPasswordResetRequest(email=data.email))


@post("/account/password/reset", status_code=204, dto=BodyDecoder[PasswordReset], return_dto=None, opt=WITHOUT_SESSION)
async def reset_password(request: ApiRequest, data: JSONBody[PasswordReset]) -> None:
    """By the token of the mail. All sessions end."""
    await request.services.security.ResetPassword(
        pb.ResetPasswordRequest(token=data.token, new_password=data.new_password)
    )


@post("/account/email", status_code=204, dto=BodyDecoder[EmailChange], return_dto=None)
async def change_email(request: ApiRequest, data: JSONBody[EmailChange]) -> None:
    """The new address counts once the link that is sent to it is followed."""
    await request.services.security.RequestEmailChange(
        pb.RequestEmailChangeRequest(password=data.password, new_email=data.new_email), metadata=request.to_users
    )


@post(
    "/account/email/confirm", status_code=204, dto=BodyDecoder[EmailConfirmation], return_dto=None, opt=WITHOUT_SESSION
)
async def confirm_email(request: ApiRequest, data: JSONBody[EmailConfirmation]) -> None:
    await request.services.security.ConfirmEmailChange(pb.ConfirmEmailChangeRequest(token=data.token))


@post("/account/totp", status_code=200, dto=BodyDecoder[PasswordProof], return_dto=None)
async def begin_totp(request: ApiRequest, data: JSONBody[PasswordProof]) -> TotpSecret:
    """Counts only once it is confirmed."""
    answer = await request.services.security.BeginTotp(
        pb.BeginTotpRequest(password=data.password), metadata=request.to_users
    )
    return TotpSecret(answer.secret, answer.uri)


@post("/account/totp/confirm", status_code=200, dto=BodyDecoder[CodeProof], return_dto=None)
async def confirm_totp(request: ApiRequest, data: JSONBody[CodeProof]) -> RecoveryCodes:
    """The codes are shown here and nowhere else."""
    answer = await request.services.security.ConfirmTotp(
        pb.ConfirmTotpRequest(code=data.code), metadata=request.to_users
    )
    return RecoveryCodes(list(answer.recovery_codes))


@delete("/account/totp", status_code=204, dto=BodyDecoder[Proof], return_dto=None)
async def disable_totp(request: ApiRequest, data: JSONBody[Proof]) -> None:
    await request.services.security.DisableTotp(
        pb.DisableTotpRequest(password=data.password, code=data.code), metadata=request.to_users
    )


@post("/account/recovery-codes", status_code=200, dto=BodyDecoder[Proof], return_dto=None)
async def renew_recovery_codes(request: ApiRequest, data: JSONBody[Proof]) -> RecoveryCodes:
    """The old ones are void."""
    answer = await request.services.security.RegenerateRecoveryCodes(
        pb.RegenerateRecoveryCodesRequest(password=data.password, code=data.code), metadata=request.to_users
    )
    return RecoveryCodes(list(answer.recovery_codes))


@get("/account/sessions")
async def list_sessions(request: ApiRequest) -> list[SessionObject]:
    """Newest first."""
    answer = await request.services.security.ListSessions(pb.ListSessionsRequest(), metadata=request.to_users)
    return [
        SessionObject(
            id=session.id,
            created_at=timestamp(session.created_at_ms),
            last_used_at=timestamp(session.last_used_at_ms),
            user_agent=session.user_agent or None,
            current=session.current,
        )
        for session in answer.sessions
    ]


@delete("/account/sessions/{session_id:str}", status_code=204)
async def end_session(request: ApiRequest, session_id: PathSession) -> None:
    await request.services.security.EndSession(pb.EndSessionRequest(session_id=session_id), metadata=request.to_users)
    _forget(request)


@delete("/account/sessions", status_code=204)
async def end_all_sessions(request: ApiRequest, keep_current: Annotated[bool, QueryParameter()] = False) -> None:
    """Signs out everywhere: tokens are refused, and open sockets closed, from the answer on."""
    await request.services.security.EndAllSessions(
        pb.EndAllSessionsRequest(keep_current=keep_current), metadata=request.to_users
    )
    _forget(request)


@delete("/account", status_code=204, dto=BodyDecoder[Proof], return_dto=None)
async def delete_account(request: ApiRequest, data: JSONBody[Proof]) -> None:
    """What was written stays, under "Deleted User". Servers that one owns are handed over or deleted first."""
    await request.services.security.DeleteAccount(
        pb.DeleteAccountRequest(password=data.password, code=data.code), metadata=request.to_users
    )
    _forget(request)


def _forget(request: ApiRequest) -> None:
    """Before the answer: whoever has it may rely on what has ended being refused."""
    request.edge.authenticator.forget(request.caller.user_id)


ROUTES = [
    change_password,
    forgot_password,
    reset_password,
    change_email,
    confirm_email,
    begin_totp,
    confirm_totp,
    disable_totp,
    renew_recovery_codes,
    list_sessions,
    end_session,
    end_all_sessions,
    delete_account,
]
