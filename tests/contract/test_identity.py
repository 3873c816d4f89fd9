"""What every identity provider must do for `users` (services/users/identity/ports.py): accounts and sessions.

What it must do for who secures their account is in `test_account_security.py`.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.users.identity.ports import EmailTaken, NewAccount
from services.users.identity.verifier import TokenVerifier
from tests.support.identity_providers import ADA, FACTORIES, Provider


@pytest.fixture(params=FACTORIES)
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Provider]:
    async with FACTORIES[request.param](tmp_path) as running:
        yield running


def _verifier(provider: Provider) -> TokenVerifier:
    port = provider.port
    return TokenVerifier(issuers=port.issuers, audience="beep", keys=port.keys, clock=provider.clock)


async def _member(provider: Provider) -> dict[str, Any]:
    """The tokens of somebody who has registered, validated and signed in."""
    await provider.port.register(ADA)
    await provider.validate(ADA.email)
    tokens = await provider.sign_in(ADA)
    assert tokens is not None
    return tokens


async def test_keys_are_public_and_named(provider: Provider) -> None:
    keys = (await provider.port.keys())["keys"]
    assert keys
    for key in keys:
        assert key["kid"]
        assert not set(key) & {"d", "p", "q", "k"}


async def test_account_works_only_once_it_is_validated(provider: Provider) -> None:
    await provider.port.register(ADA)
    assert await provider.mails(ADA.email) == 1
    assert await provider.sign_in(ADA) is None
    await provider.validate(ADA.email)
    assert await provider.sign_in(ADA) is not None


async def test_token_says_who_it_is_and_verifies_with_the_published_keys(provider: Provider) -> None:
    tokens = await _member(provider)
    verified = await _verifier(provider).verify(tokens["access_token"])
    assert (verified.username, verified.email, verified.email_verified) == ("ada", "ada@example.org", True)
    assert verified.sid
    state = await provider.port.account(verified.subject)
    assert state is not None
    assert (state.email, state.verified, state.mfa_enabled) == ("ada@example.org", True, False)


async def test_account_is_none_when_there_is_no_such_subject(provider: Provider) -> None:
    assert await provider.port.account("5b0f9a1e-0000-0000-0000-000000000000") is None


async def test_register_refuses_an_address_that_has_an_account_and_tells_its_owner(provider: Provider) -> None:
    await _member(provider)
    before = await provider.mails(ADA.email)
    with pytest.raises(EmailTaken):
        await provider.port.register(NewAccount(ADA.email, "eve", "another password"))
    assert await provider.mails(ADA.email) == before + 1
    assert await provider.sign_in(NewAccount(ADA.email, "eve", "another password")) is None
    assert await provider.sign_in(ADA) is not None


async def test_resend_sends_another_link_that_works(provider: Provider) -> None:
    await provider.port.register(ADA)
    await provider.port.resend_validation(ADA.email)
    assert await provider.mails(ADA.email) == 2
    await provider.validate(ADA.email)
    assert await provider.sign_in(ADA) is not None


async def test_resend_sends_nothing_when_nobody_waits_for_it(provider: Provider) -> None:
    await _member(provider)
    before = await provider.mails(ADA.email)
    await provider.port.resend_validation(ADA.email)
    await provider.port.resend_validation("nobody@example.org")
    assert await provider.mails(ADA.email) == before
    assert await provider.mails("nobody@example.org") == 0


async def test_refresh_keeps_the_session_and_works_once(provider: Provider) -> None:
    tokens = await _member(provider)
    renewed = await provider.refresh(tokens["refresh_token"])
    assert renewed is not None
    verifier = _verifier(provider)
    first, second = [await verifier.verify(one["access_token"]) for one in (tokens, renewed)]
    assert (first.sid, first.subject) == (second.sid, second.subject)
    assert await provider.refresh(tokens["refresh_token"]) is None


async def test_end_session_refuses_the_refresh_token_and_leaves_other_sessions(provider: Provider) -> None:
    tokens = await _member(provider)
    other = await provider.sign_in(ADA)
    assert other is not None
    sid = (await _verifier(provider).verify(tokens["access_token"])).sid
    await provider.port.end_session(sid)
    assert await provider.refresh(tokens["refresh_token"]) is None
    assert await provider.refresh(other["refresh_token"]) is not None
    # Whoever ended it knows.
    assert provider.ended() == []


async def test_end_session_does_nothing_when_it_has_ended_or_never_was(provider: Provider) -> None:
    tokens = await _member(provider)
    sid = (await _verifier(provider).verify(tokens["access_token"])).sid
    for one in (sid, sid, "nobody's"):
        await provider.port.end_session(one)


async def test_a_new_sign_in_after_a_sign_out_has_another_session(provider: Provider) -> None:
    tokens = await _member(provider)
    verifier = _verifier(provider)
    sid = (await verifier.verify(tokens["access_token"])).sid
    await provider.port.end_session(sid)
    again = await provider.sign_in(ADA)
    assert again is not None
    assert (await verifier.verify(again["access_token"])).sid != sid


async def test_sign_out_at_the_provider_is_told_before_it_is_answered(provider: Provider) -> None:
    tokens = await _member(provider)
    verified = await _verifier(provider).verify(tokens["access_token"])
    await provider.sign_out(tokens)
    assert (verified.sid, verified.subject) in provider.ended()
    assert await provider.refresh(tokens["refresh_token"]) is None


async def test_sessions_are_listed_newest_first_until_they_end(provider: Provider) -> None:
    first = await _member(provider)
    verifier = _verifier(provider)
    one = await verifier.verify(first["access_token"])
    provider.clock.advance(60)
    second = await provider.sign_in(ADA)
    assert second is not None
    two = await verifier.verify(second["access_token"])
    listed = await provider.port.sessions(one.subject)
    assert [session.sid for session in listed] == [two.sid, one.sid]
    assert listed[0].created_at_ms - listed[1].created_at_ms == 60_000
    provider.clock.advance(60)
    await provider.refresh(first["refresh_token"])
    listed = await provider.port.sessions(one.subject)
    assert listed[1].last_used_at_ms - listed[1].created_at_ms == 120_000
    await provider.port.end_session(one.sid)
    assert [session.sid for session in await provider.port.sessions(one.subject)] == [two.sid]
    assert await provider.port.sessions("nobody") == []


async def test_end_sessions_leaves_one_and_tells_of_those_that_nobody_was_told_of(provider: Provider) -> None:
    tokens = [await _member(provider)]
    for _ in range(2):
        more = await provider.sign_in(ADA)
        assert more is not None
        tokens.append(more)
    verifier = _verifier(provider)
    kept, told, untold = [await verifier.verify(one["access_token"]) for one in tokens]
    await provider.port.end_sessions(kept.subject, but=kept.sid, told=[told.sid])
    assert provider.ended() == [(untold.sid, untold.subject)]
    assert [session.sid for session in await provider.port.sessions(kept.subject)] == [kept.sid]
    renewed = [await provider.refresh(one["refresh_token"]) for one in tokens]
    assert [one is not None for one in renewed] == [True, False, False]
    await provider.port.end_sessions(kept.subject, but="", told=[])
    assert await provider.port.sessions(kept.subject) == []
