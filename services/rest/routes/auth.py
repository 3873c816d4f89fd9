"""Signing up and signing out. Signing in is the identity provider's own page."""

from typing import Annotated

from litestar import post
from litestar.params import JSONBody
from msgspec import Meta, Struct

from beep.users.v1.accounts_service_pb2 import RegisterRequest, ResendVerificationRequest
from beep.users.v1.tokens_service_pb2 import SignOutRequest
from services.common import limits
from services.rest.admission import LIMIT, OPEN
from services.rest.body import BodyDecoder
from services.rest.fields import Email
from services.rest.request import ApiRequest

SIGN_UP = {OPEN: True, LIMIT: "sign_up"}


class Registration(Struct):
    email: Email
    username: Annotated[str, Meta(min_length=limits.USERNAME_MIN, max_length=limits.USERNAME)]
    password: Annotated[str, Meta(min_length=limits.PASSWORD_MIN, max_length=limits.PASSWORD)]
    global_name: Annotated[str, Meta(max_length=limits.GLOBAL_NAME)] | None = None


class VerificationResend(Struct):
    email: Email


@post("/auth/register", status_code=204, dto=BodyDecoder[Registration], return_dto=None, opt=SIGN_UP)
async def register(request: ApiRequest, data: JSONBody[Registration]) -> None:
    """The answer is the same whether the address has an account already: its owner is told by mail."""
    await request.services.accounts.Register(
        RegisterRequest(
            email=data.email, username=data.username, password=data.password, global_name=data.global_name or ""
        )
    )


@post("/auth/resend", status_code=204, dto=BodyDecoder[VerificationResend], return_dto=None, opt=SIGN_UP)
async def resend_verification(request: ApiRequest, data: JSONBody[VerificationResend]) -> None:
    await request.services.accounts.ResendVerification(ResendVerificationRequest(email=data.email))


@post("/auth/sign-out", status_code=204)
async def sign_out(request: ApiRequest) -> None:
    await request.services.tokens.SignOut(SignOutRequest(), metadata=request.to_users)
    # Before the answer: whoever has it may rely on the token being refused.
    request.edge.authenticator.forget(request.caller.user_id)


ROUTES = [register, resend_verification, sign_out]
