"""Sessions that end, and secrets that are told to nobody (ACC-07, ACC-11, ACC-13)."""

import asyncio
import base64
import logging
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from beep.users.v1.security_service_pb2 import (
    BeginTotpRequest,
    ChangePasswordRequest,
    ConfirmTotpRequest,
    EndAllSessionsRequest,
    EndSessionRequest,
    ListSessionsRequest,
    RequestPasswordResetRequest,
    ResetPasswordRequest,
)
from beep.users.v1.tokens_service_pb2 import AuthenticateResponse
from services.common.bus import ACCOUNT_REVOKED
from services.common.errors import NotFound, PermissionDenied, Unauthenticated, Unavailable
from services.users.identity.embedded.provider import EmbeddedIdentity
from tests.integration.users.embedded_identity import PASSWORD
from tests.integration.users.running_users import RunningUsers, running_users

NEW_PASSWORD = "another good password"


async def tokens(beep: RunningUsers) -> str:
    """The access token of one more session of ada, who is there."""
    token: str = (await beep.browser.sign_in("ada@example.org"))["access_token"]
    return token


async def ada(beep: RunningUsers) -> tuple[AuthenticateResponse, str]:
    await beep.register("ada")
    await beep.validate("ada@example.org")
    token = await tokens(beep)
    return await beep.authenticate(token), token


async def refused(beep: RunningUsers, token: str) -> bool:
    try:
        await beep.authenticate(token)
    except Unauthenticated:
        return True
    return False


async def test_sign_out_everywhere_is_answered_when_everybody_can_know(beep: RunningUsers) -> None:
    me, token = await ada(beep)
    other = await tokens(beep)
    gate = beep.bus.hold()
    ending = asyncio.ensure_future(beep.security.EndAllSessions(EndAllSessionsRequest(), metadata=beep.as_user(me)))
    assert beep.bus.held is not None
    await beep.bus.held.wait()
    # Refused here already, and not answered before it is published.
    assert await refused(beep, token)
    assert await refused(beep, other)
    assert not ending.done()
    gate.set()
    await ending
    assert (await beep.event(f"user:{me.user.id}", ACCOUNT_REVOKED)).body == b'{"but":""}'
    # In this very second.
    assert not await refused(beep, await tokens(beep))


async def test_sign_out_everywhere_but_here(beep: RunningUsers) -> None:
    me, token = await ada(beep)
    other = await tokens(beep)
    await beep.security.EndAllSessions(EndAllSessionsRequest(keep_current=True), metadata=beep.as_user(me))
    assert [await refused(beep, one) for one in (token, other)] == [False, True]
    listed = (await beep.security.ListSessions(ListSessionsRequest(), metadata=beep.as_user(me))).sessions
    assert [(session.id, session.current) for session in listed] == [(me.auth_session_id, True)]


async def test_tokens_are_refused_when_the_provider_does_not_answer(
    beep: RunningUsers, monkeypatch: pytest.MonkeyPatch
) -> None:
    me, token = await ada(beep)

    async def gone(*_: Any, **__: Any) -> None:
        raise Unavailable("PROVIDER_GONE")

    monkeypatch.setattr(EmbeddedIdentity, "sessions", gone)
    with pytest.raises(Unavailable):
        await beep.security.EndAllSessions(EndAllSessionsRequest(), metadata=beep.as_user(me))
    assert await refused(beep, token)
    monkeypatch.undo()
    beep.clock.advance(1)
    assert not await refused(beep, await tokens(beep))


async def test_session_of_somebody_else_is_not_there(beep: RunningUsers) -> None:
    me, token = await ada(beep)
    eve = await beep.person("eve")
    with pytest.raises(NotFound, match="UNKNOWN_SESSION"):
        await beep.security.EndSession(EndSessionRequest(session_id=me.auth_session_id), metadata=beep.as_user(eve))
    assert not await refused(beep, token)


async def test_what_needs_no_session_is_for_edges_only(beep: RunningUsers) -> None:
    me, _ = await ada(beep)
    with pytest.raises(PermissionDenied):
        await beep.security.RequestPasswordReset(
            RequestPasswordResetRequest(email="ada@example.org"), metadata=beep.as_user(me)
        )
    with pytest.raises(PermissionDenied):
        await beep.security.ResetPassword(
            ResetPasswordRequest(token="x", new_password=NEW_PASSWORD), metadata=beep.as_user(me)
        )


async def test_sign_in_that_is_half_done_ends_with_the_old_password(beep: RunningUsers) -> None:
    me, _ = await ada(beep)
    secret = await with_totp(beep, me)
    form = await beep.browser.open_form()
    half = await form.submit("ada@example.org", PASSWORD)
    assert half.status_code == 200
    change = ChangePasswordRequest(password=PASSWORD, new_password=NEW_PASSWORD)
    await beep.security.ChangePassword(change, metadata=beep.as_user(me))
    beep.clock.advance(30)
    answer = await form.enter_code(half, code_of(beep, secret))
    assert (answer.status_code, "sign in again" in answer.text) == (401, True)


async def test_secrets_are_neither_logged_nor_to_be_read_in_the_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with running_users(tmp_path) as beep:
        me, _ = await ada(beep)
        secret, *recovery = await begin_totp(beep, me)
        await beep.security.ChangePassword(
            ChangePasswordRequest(password=PASSWORD, new_password=NEW_PASSWORD), metadata=beep.as_user(me)
        )
    stored = bytes_of_databases(tmp_path)
    raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    for text in (secret, *recovery, *(code.replace("-", "") for code in recovery), PASSWORD, NEW_PASSWORD):
        assert text not in caplog.text
        assert text.encode() not in stored
    assert raw not in stored
    for key in ("totp.key", "persons.key"):
        assert (tmp_path / "keys" / key).stat().st_mode & 0o777 == 0o600


def bytes_of_databases(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("*.db*"))


def code_of(beep: RunningUsers, secret: str) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), 30).generate(beep.clock.now_ms() // 1000).decode()


async def begin_totp(beep: RunningUsers, me: AuthenticateResponse) -> list[str]:
    """Turned on: the secret, and then the recovery codes."""
    begun = await beep.security.BeginTotp(BeginTotpRequest(password=PASSWORD), metadata=beep.as_user(me))
    request = ConfirmTotpRequest(code=code_of(beep, begun.secret))
    confirmed = await beep.security.ConfirmTotp(request, metadata=beep.as_user(me))
    return [begun.secret, *confirmed.recovery_codes]


async def with_totp(beep: RunningUsers, me: AuthenticateResponse) -> str:
    return (await begin_totp(beep, me))[0]
