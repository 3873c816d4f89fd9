"""The identity provider, as `users` needs it. Two adapters: `identity/embedded` and Keycloak.

People sign in at the provider's own page (authorization code with PKCE, RFC 7636), services by client credentials; no
password ever passes through Beep's API but the one of a registration. Access tokens are JWTs, verified by
`identity/verifier.py` with the keys that the provider publishes and with nothing else of the provider: a token costs
the provider no call.
"""

from collections.abc import Awaitable, Callable, Mapping
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


class EmailTaken(Exception):
    """The address belongs to an account. Never to be told to whoever asked."""


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
