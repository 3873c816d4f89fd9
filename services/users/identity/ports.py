"""The identity provider, as `users` needs it. Two adapters: `identity/embedded` and Keycloak.

People sign in at the provider's own page (authorization code with PKCE, RFC 7636), services by client credentials; no
password ever passes through Beep's API but the one of a registration. Access tokens are JWTs, verified by
`identity/verifier.py` with the keys that the provider publishes and with nothing else of the provider: a token costs
the provider no call.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

SessionEnded = Callable[[str, str], Awaitable[None]]
"""What the provider calls with `(sid, subject)` when a session ends there: a sign-out at the provider, a revoked or
reused token. Returns once the end is durable and published. May be called again for the same session."""


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account to make. All fields have passed the rules of `domain`."""

    email: str
    username: str
    password: str = field(repr=False)
    global_name: str = ""


@dataclass(frozen=True, slots=True)
class AccountState:
    """What only the provider knows of an account."""

    email: str
    verified: bool
    mfa_enabled: bool


AccountChanged = Callable[[str, AccountState], Awaitable[None]]
"""What the provider calls with a subject and its state when that has changed there. A hint, for who shows it: it may be
lost in a crash."""


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """What an authenticator needs (RFC 6238): in base32 without padding, and as an `otpauth:` URI."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignInSession:
    """A session that has neither ended nor expired. `last_used_at_ms`: its last sign-in or refresh."""

    sid: str
    created_at_ms: int
    last_used_at_ms: int
    user_agent: str


class EmailTaken(Exception):
    """The address belongs to an account. Never to be told to whoever asked."""


class WrongPassword(Exception):
    """It is not the password of the account."""


class WrongCode(Exception):
    """It is neither a code of the authenticator in its time, nor a recovery code, or it has been used."""


class DeadLink(Exception):
    """The token of a mail is unknown, used, expired, or void because of what happened since."""


class TotpState(Exception):
    """Two-factor authentication is on where it has to be off, or off where it has to be on."""


class IdentityProvider(Protocol):
    """Accounts and sessions at the provider.

    Every method raises `services.common.errors.Unavailable` when the provider cannot be reached or does not answer in
    time; then nothing is known of the outcome, and every method may be called again with the same arguments.
    """

    @property
    def issuer(self) -> str:
        """The `iss` of every new token."""
        ...

    @property
    def issuers(self) -> frozenset[str]:
        """`issuer`, and those that this installation had before its public URL changed: their tokens still hold."""
        ...

    async def keys(self) -> Mapping[str, Any]:
        """The public keys as a JWK set (RFC 7517): each has a `kid`, none has a private part."""
        ...

    async def register(self, account: NewAccount) -> None:
        """Make an account that does not work until its address is validated, and send the validation mail.

        Account and mail are one durable change: there is never an account whose mail was forgotten. The mail itself
        leaves later. What was registered and never validated is forgotten by itself.

        Raises:
            EmailTaken: nothing was changed, and the owner of the address has been sent a mail that says so. Takes as
                long as a success. An account that was never validated may raise it or may be superseded.
            services.common.errors.ResourceExhausted: too many registrations for this address of late.
        """
        ...

    async def resend_validation(self, email: str) -> None:
        """Send a new validation link, if the address has an account that is not validated; otherwise do nothing.

        An earlier link of the same account is void then. Raises ResourceExhausted as `register` does.
        """
        ...

    async def account(self, subject: str) -> AccountState | None:
        """The state of an account, or None if there is no such subject."""
        ...

    async def end_session(self, sid: str) -> None:
        """End one session: from the return on its refresh tokens are refused. Unknown or ended: nothing happens.

        Does not call `SessionEnded`: the caller is the one who ends it, and has told everybody before.
        """
        ...

    async def sessions(self, subject: str) -> Sequence[SignInSession]:
        """The sessions of an account, newest first; none of an unknown subject."""
        ...

    async def end_sessions(self, subject: str, *, but: str, told: Collection[str]) -> None:
        """End all sessions of a subject, but for the one with the sid `but` (empty: none).

        `SessionEnded` has returned for each when this returns, but for those in `told`: the caller has told everybody
        before. One that begins meanwhile may live, as one that began afterwards would.
        """
        ...


class AccountSecurity(Protocol):
    """How somebody proves who they are, and how they change that.

    Every method raises `services.common.errors.Unavailable` as those of `IdentityProvider` do, and ResourceExhausted
    (with `retry_after`) when something was guessed at too often for this subject, from wherever. Guesses of a code at
    the sign-in page count too.

    A provider that does one of these on its own pages only (Keycloak: `kc_action`) raises FailedPrecondition with
    reason ON_PROVIDERS_PAGE and metadata `url`, where the person is to be sent. An account whose password is kept
    elsewhere (Google, LDAP) has none to change: FailedPrecondition NO_PASSWORD.
    """

    async def check_password(self, subject: str, password: str) -> None:
        """Raises WrongPassword, also for an unknown subject, which takes as long. (Keycloak: a direct grant of a
        confidential client whose flow asks for nothing else.)"""
        ...

    async def change_password(self, subject: str, new_password: str, *, keep: str) -> None:
        """Set the password and end all sessions but the one with the sid `keep`: `SessionEnded` has returned for each
        when this returns. What was begun with the old password (a sign-in between its two steps, a mailed link to
        reset it) is void. The owner is told by mail."""
        ...

    async def send_password_reset(self, email: str) -> None:
        """Send a link that is good once and for an hour, if the address has a working account; otherwise do nothing.
        Neither the outcome nor the time tells which. An earlier link is void then."""
        ...

    async def reset_password(self, token: str, new_password: str) -> None:
        """Use such a link, as `change_password` with nothing to keep. The second factor stays as it is, and so do the
        guesses of its codes; guesses of the password are forgiven, from wherever, also those at the sign-in page.

        Raises:
            DeadLink
        """
        ...

    async def account_of_reset(self, token: str) -> tuple[str, str] | None:
        """`(email, username)` of the account that a link in force would reset; the link stays in force."""
        ...

    async def send_email_change(self, subject: str, new_email: str) -> None:
        """Send a link (once, 24 hours) to the new address, and word of it to the old one. If the new address belongs to
        an account, its owner is told and there is no link; the outcome does not tell. An earlier link is void then."""
        ...

    async def confirm_email_change(self, token: str) -> str:
        """Use such a link: from the return on the account has the new address only. The old one is told. Links that
        were sent to the old address are void. Returns the subject.

        Raises:
            DeadLink: also if the address has got an account meanwhile.
        """
        ...

    async def begin_totp(self, subject: str) -> TotpSecret:
        """A new secret, which replaces one that was not confirmed. It counts only once it is; until then a sign-in
        asks for no code.

        Raises:
            TotpState: it is on.
        """
        ...

    async def confirm_totp(self, subject: str, code: str) -> Sequence[str]:
        """Turn the second factor on by a code of the new secret. Returns recovery codes, each good once and shown
        only now.

        Raises:
            WrongCode
            TotpState: it is on, or was not begun of late.
        """
        ...

    async def check_code(self, subject: str, code: str) -> None:
        """Use up a code of the authenticator, or a recovery code. A code is good once, and for 30 seconds more or less.

        Raises:
            WrongCode
            TotpState: it is off.
        """
        ...

    async def disable_totp(self, subject: str) -> None:
        """Forget secret and recovery codes. Nothing happens if it is off."""
        ...

    async def renew_recovery_codes(self, subject: str) -> Sequence[str]:
        """New recovery codes; the old ones are void.

        Raises:
            TotpState: it is off.
        """
        ...

    async def set_disabled(self, subject: str, disabled: bool) -> None:
        """Refuse sign-ins and refreshes from the return on, or allow them again. Ends no session. Unknown: nothing."""
        ...

    async def delete(self, subject: str) -> None:
        """Forget the account and all that belongs to it. Its address is free for a new one. Unknown: nothing."""
        ...
