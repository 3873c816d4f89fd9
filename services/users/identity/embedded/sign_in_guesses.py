"""Guesses of a password at the sign-in page: counted for an account and the network address that they come from."""

from typing import Final

from services.common.clock import Clock
from services.users.identity.embedded.throttle import Throttle

SIGN_IN_LIMIT: Final = 5
SIGN_IN_WINDOW_S: Final = 300
ADDRESS_LIMIT: Final = 100
"""Failures of one network address in a window, whatever the account: against one password tried on many accounts."""


class SignInGuesses:
    """`email` is normalised, or empty when it cannot be; `address` is the network address of the browser.

    Not for the account alone: so nobody locks others out of their accounts from elsewhere.
    """

    def __init__(self, clock: Clock) -> None:
        self._guesses = Throttle(limit=SIGN_IN_LIMIT, window_s=SIGN_IN_WINDOW_S, clock=clock)
        self._failures = Throttle(limit=ADDRESS_LIMIT, window_s=SIGN_IN_WINDOW_S, clock=clock)

    def count(self, email: str, address: str) -> bool:
        """Count a guess, before its password is checked, so that parallel ones count too. False: too many already."""
        key = _key(email, address)
        if self._guesses.retry_after(key) or self._failures.retry_after(address):
            return False
        self._guesses.record(key)
        return True

    def was_wrong(self, address: str) -> None:
        self._failures.record(address)

    def was_right(self, email: str, address: str) -> None:
        self._guesses.forgive(_key(email, address))

    def forgive(self, email: str) -> None:
        """Forget the guesses at this account, from wherever: its owner was at the mailbox, and has another password.

        The failures of a network address stay: they are of other accounts too.
        """
        self._guesses.forgive_all(_key(email, ""))


def _key(email: str, address: str) -> str:
    # An e-mail address here has no space: what begins with it and a space is of no other account.
    return f"{email} {address}"
