"""What every identity provider must do for who proves who they are, and changes that: `AccountSecurity`, in
services/users/identity/ports.py."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from services.common.errors import ResourceExhausted
from services.users.identity.ports import (
    AccountState,
    DeadLink,
    NewAccount,
    TotpState,
    WrongCode,
    WrongPassword,
)
from services.users.identity.verifier import TokenVerifier
from tests.support.identity_providers import ADA, FACTORIES, Provider

NEW_PASSWORD = "another good password"
RESET_S = 3600
EMAIL_S = 24 * 3600
STEP_S = 30
NOBODY = "5b0f9a1e-0000-0000-0000-000000000000"


@pytest.fixture(params=FACTORIES)
async def provider(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Provider]:
    async with FACTORIES[request.param](tmp_path) as running:
        await running.port.register(ADA)
        await running.validate(ADA.email)
        yield running


async def session(provider: Provider, account: NewAccount = ADA, **options: Any) -> tuple[str, str, str]:
    """`(subject, sid, refresh token)` of a new one."""
    tokens = await provider.sign_in(account, **options)
    assert tokens is not None
    port = provider.port
    verifier = TokenVerifier(issuers=port.issuers, audience="beep", keys=port.keys, clock=provider.clock)
    verified = await verifier.verify(tokens["access_token"])
    return verified.subject, verified.sid, tokens["refresh_token"]


def code_of(provider: Provider, secret: str, *, steps: int = 0) -> str:
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return TOTP(key, 6, SHA1(), STEP_S).generate(provider.clock.now_ms() // 1000 + steps * STEP_S).decode()


async def with_totp(provider: Provider, subject: str) -> tuple[str, list[str]]:
    """Its secret and the recovery codes; the code of now is used up."""
    secret = (await provider.security.begin_totp(subject)).secret
    return secret, list(await provider.security.confirm_totp(subject, code_of(provider, secret)))


# The password.


async def test_password_is_checked(provider: Provider) -> None:
    subject, *_ = await session(provider)
    await provider.security.check_password(subject, ADA.password)
    for who, password in ((subject, "guessed"), (subject, ""), (NOBODY, ADA.password)):
        with pytest.raises(WrongPassword):
            await provider.security.check_password(who, password)


async def test_password_is_not_checked_any_more_when_it_was_guessed_at_too_often(provider: Provider) -> None:
    subject, *_ = await session(provider)
    guesses = [provider.security.check_password(subject, f"guess {number}") for number in range(20)]
    outcomes = [type(one) for one in await asyncio.gather(*guesses, return_exceptions=True)]
    assert outcomes.count(WrongPassword) <= 5, "guesses side by side count too"
    with pytest.raises(ResourceExhausted) as refused:
        await provider.security.check_password(subject, ADA.password)
    assert int(refused.value.metadata["retry_after"]) > 0
    provider.clock.advance(int(refused.value.metadata["retry_after"]))
    await provider.security.check_password(subject, ADA.password)


async def test_new_password_counts_and_ends_the_other_sessions(provider: Provider) -> None:
    subject, kept, kept_refresh = await session(provider)
    _, ended, ended_refresh = await session(provider)
    await provider.security.send_password_reset(ADA.email)
    before = await provider.mails(ADA.email)
    await provider.security.change_password(subject, NEW_PASSWORD, keep=kept)
    assert provider.ended() == [(ended, subject)]
    assert await provider.refresh(ended_refresh) is None
    assert await provider.refresh(kept_refresh) is not None
    assert await provider.sign_in(ADA) is None
    assert await provider.sign_in(replace(ADA, password=NEW_PASSWORD)) is not None
    assert await provider.mails(ADA.email) == before + 1
    assert not await provider.follow_reset(ADA.email, "a third password"), "a link of before is void"


async def test_forgotten_password_is_reset_once_by_the_newest_link(provider: Provider) -> None:
    subject, sid, refresh = await session(provider)
    await provider.security.send_password_reset(ADA.email)
    provider.clock.advance(RESET_S - 1)
    assert await provider.sign_in(ADA) is not None, "a mail changes nothing"
    assert await provider.follow_reset(ADA.email, NEW_PASSWORD)
    assert (sid, subject) in provider.ended()
    assert await provider.refresh(refresh) is None
    assert await provider.sign_in(ADA) is None
    assert await provider.sign_in(replace(ADA, password=NEW_PASSWORD)) is not None
    assert not await provider.follow_reset(ADA.email, "a third password")


async def test_reset_is_refused_when_the_link_has_expired(provider: Provider) -> None:
    await provider.security.send_password_reset(ADA.email)
    provider.clock.advance(RESET_S)
    assert not await provider.follow_reset(ADA.email, NEW_PASSWORD)
    assert await provider.sign_in(ADA) is not None


async def test_reset_is_refused_when_the_token_is_invented(provider: Provider) -> None:
    for token in ("", "invented", "x" * 128):
        assert await provider.security.account_of_reset(token) is None
        with pytest.raises(DeadLink):
            await provider.security.reset_password(token, NEW_PASSWORD)


async def test_reset_is_mailed_to_nobody_without_a_working_account(provider: Provider) -> None:
    await provider.port.register(NewAccount("bob@example.org", "bob", "not validated yet"))
    for email in ("nobody@example.org", "bob@example.org"):
        before = await provider.mails(email)
        await provider.security.send_password_reset(email)
        assert await provider.mails(email) == before


async def test_resets_are_limited_for_an_address_whether_it_has_an_account_or_not(provider: Provider) -> None:
    for email in (ADA.email, "nobody@example.org"):
        for _ in range(5):
            await provider.security.send_password_reset(email)
        with pytest.raises(ResourceExhausted):
            await provider.security.send_password_reset(email)


# The address.


async def test_new_address_counts_once_it_is_confirmed(provider: Provider) -> None:
    subject, *_ = await session(provider)
    moved = replace(ADA, email="countess@example.org")
    before = await provider.mails(ADA.email)
    await provider.security.send_email_change(subject, moved.email)
    assert await provider.mails(ADA.email) == before + 1
    assert await provider.sign_in(moved) is None
    provider.clock.advance(EMAIL_S - 1)
    await provider.security.send_password_reset(ADA.email)
    assert await provider.follow_email_change(moved.email)
    assert await provider.sign_in(ADA) is None
    assert await provider.sign_in(moved) is not None
    assert await provider.port.account(subject) == AccountState(moved.email, True, False)
    assert provider.changed()[-1] == (subject, AccountState(moved.email, True, False))
    assert await provider.mails(ADA.email) == before + 3
    assert not await provider.follow_email_change(moved.email), "once"
    assert not await provider.follow_reset(ADA.email, NEW_PASSWORD), "who reads the old mailbox has nothing of it"


async def test_new_address_is_refused_when_the_link_has_expired(provider: Provider) -> None:
    subject, *_ = await session(provider)
    await provider.security.send_email_change(subject, "countess@example.org")
    provider.clock.advance(EMAIL_S)
    assert not await provider.follow_email_change("countess@example.org")
    with pytest.raises(DeadLink):
        await provider.security.confirm_email_change("invented")


async def test_address_of_an_account_is_not_to_be_had_and_its_owner_is_told(provider: Provider) -> None:
    subject, *_ = await session(provider)
    bob = NewAccount("bob@example.org", "bob", "the password of bob")
    await provider.port.register(bob)
    await provider.validate(bob.email)
    before = await provider.mails(bob.email)
    await provider.security.send_email_change(subject, bob.email)
    assert await provider.mails(bob.email) == before + 1
    assert await provider.sign_in(bob) is not None


async def test_address_goes_to_who_validates_it_first(provider: Provider) -> None:
    subject, *_ = await session(provider)
    bob = NewAccount("bob@example.org", "bob", "the password of bob")
    await provider.security.send_email_change(subject, bob.email)
    await provider.port.register(bob)
    await provider.validate(bob.email)
    assert not await provider.follow_email_change(bob.email)
    assert await provider.sign_in(bob) is not None
    assert await provider.sign_in(ADA) is not None


# The second factor.


async def test_second_factor_counts_once_it_is_confirmed(provider: Provider) -> None:
    subject, *_ = await session(provider)
    secret = (await provider.security.begin_totp(subject)).secret
    assert await provider.sign_in(ADA) is not None
    with pytest.raises(WrongCode):
        await provider.security.confirm_totp(subject, "000000")
    await provider.security.confirm_totp(subject, code_of(provider, secret))
    assert provider.changed()[-1] == (subject, AccountState(ADA.email, True, True))
    assert await provider.sign_in(ADA) is None
    assert await provider.sign_in(ADA, code=code_of(provider, secret)) is None, "it was used to confirm"
    provider.clock.advance(STEP_S)
    await session(provider, code=code_of(provider, secret))
    with pytest.raises(TotpState):
        await provider.security.begin_totp(subject)


async def test_code_is_good_once_and_only_near_its_time(provider: Provider) -> None:
    subject, *_ = await session(provider)
    secret, _ = await with_totp(provider, subject)
    provider.clock.advance(10 * STEP_S)
    for steps in (-2, 2):
        with pytest.raises(WrongCode):
            await provider.security.check_code(subject, code_of(provider, secret, steps=steps))
    await provider.security.check_code(subject, code_of(provider, secret))
    # Neither again, nor the one before it, whose time has not passed.
    for steps in (0, -1):
        with pytest.raises(WrongCode):
            await provider.security.check_code(subject, code_of(provider, secret, steps=steps))
    provider.clock.advance(STEP_S)
    await provider.security.check_code(subject, code_of(provider, secret))


async def test_code_is_used_by_one_when_two_have_it_at_once(provider: Provider) -> None:
    subject, *_ = await session(provider)
    secret, recovery = await with_totp(provider, subject)
    provider.clock.advance(STEP_S)
    for code in (code_of(provider, secret), recovery[0]):
        tries = [provider.security.check_code(subject, code) for _ in range(2)]
        outcomes = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(one) for one in outcomes if one is not None] == [WrongCode]


async def test_codes_are_not_checked_any_more_when_they_were_guessed_at_too_often(provider: Provider) -> None:
    subject, *_ = await session(provider)
    _, recovery = await with_totp(provider, subject)
    for number in range(5):
        assert await provider.sign_in(ADA, code=f"00000{number}") is None
    with pytest.raises(ResourceExhausted):
        await provider.security.check_code(subject, recovery[0])
    assert await provider.sign_in(ADA, code=recovery[0]) is None


async def test_recovery_code_is_good_once_and_until_there_are_new_ones(provider: Provider) -> None:
    subject, *_ = await session(provider)
    _, codes = await with_totp(provider, subject)
    assert len(set(codes)) == len(codes) >= 8
    await session(provider, code=codes[0])
    await provider.security.check_code(subject, codes[1].upper())
    for used in codes[:2]:
        with pytest.raises(WrongCode):
            await provider.security.check_code(subject, used)
    renewed = await provider.security.renew_recovery_codes(subject)
    with pytest.raises(WrongCode):
        await provider.security.check_code(subject, codes[2])
    await provider.security.check_code(subject, renewed[0])


async def test_second_factor_is_forgotten_when_it_is_turned_off(provider: Provider) -> None:
    subject, *_ = await session(provider)
    _, codes = await with_totp(provider, subject)
    await provider.security.disable_totp(subject)
    await provider.security.disable_totp(subject)
    assert await provider.sign_in(ADA) is not None
    assert provider.changed()[-1] == (subject, AccountState(ADA.email, True, False))
    with pytest.raises(TotpState):
        await provider.security.check_code(subject, codes[0])
    with pytest.raises(TotpState):
        await provider.security.renew_recovery_codes(subject)


async def test_second_factor_stays_when_the_password_is_reset(provider: Provider) -> None:
    subject, *_ = await session(provider)
    _, codes = await with_totp(provider, subject)
    await provider.security.send_password_reset(ADA.email)
    assert await provider.follow_reset(ADA.email, NEW_PASSWORD)
    renewed = replace(ADA, password=NEW_PASSWORD)
    assert await provider.sign_in(renewed) is None
    await session(provider, renewed, code=codes[0])


# The end.


async def test_disabled_account_is_refused_until_it_is_enabled(provider: Provider) -> None:
    subject, _, refresh = await session(provider)
    await provider.security.set_disabled(subject, True)
    await provider.security.set_disabled(NOBODY, True)
    assert await provider.sign_in(ADA) is None
    assert await provider.refresh(refresh) is None
    before = await provider.mails(ADA.email)
    await provider.security.send_password_reset(ADA.email)
    assert await provider.mails(ADA.email) == before
    await provider.security.set_disabled(subject, False)
    assert await provider.sign_in(ADA) is not None


async def test_deleted_account_leaves_nothing_and_its_address_is_free(provider: Provider) -> None:
    subject, _, refresh = await session(provider)
    await with_totp(provider, subject)
    await provider.security.send_email_change(subject, "countess@example.org")
    await provider.security.delete(subject)
    await provider.security.delete(subject)
    assert await provider.port.account(subject) is None
    assert await provider.port.sessions(subject) == []
    assert await provider.sign_in(ADA) is None
    assert await provider.refresh(refresh) is None
    assert not await provider.follow_email_change("countess@example.org")
    await provider.port.register(ADA)
    await provider.validate(ADA.email)
    again, *_ = await session(provider)
    assert again != subject
