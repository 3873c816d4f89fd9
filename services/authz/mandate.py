"""The right to decide: a process whose epochs may be old has none, and answers nothing rather than something stale."""

from collections.abc import Callable
from math import inf

from services.common.errors import Unavailable


class Mandate:
    """Until when this process decides. It ends by itself: whoever was stopped and goes on finds it over."""

    def __init__(self, now: Callable[[], float], until: float = -inf) -> None:
        """`now` never goes back, in seconds; `until` is infinite for who shares the lane with nobody."""
        self._now = now
        self._until = until
        self._number = 0

    def begin(self) -> int:
        """The number of the mandate that a decision begins under, for `confirm`.

        Raises:
            Unavailable: there is none.
        """
        if self._now() >= self._until:
            raise _nobody_leads()
        return self._number

    def confirm(self, number: int) -> None:
        """The decision is made, and may be told if the mandate has held all the time.

        Without this, one who was stopped in between would tell what had changed, was acknowledged as changed, and
        is acted upon.

        Raises:
            Unavailable: it has not.
        """
        if self._number != number or self._now() >= self._until:
            raise _nobody_leads()

    def extend(self, until: float) -> None:
        """It lasts until then, or longer. One that had ended is not the same as before."""
        if self._now() >= self._until:
            self._number += 1
        self._until = max(self._until, until)

    def end(self) -> None:
        self._number += 1
        self._until = -inf

    @property
    def left(self) -> float:
        """Seconds; negative when it is over."""
        return self._until - self._now()


def _nobody_leads() -> Unavailable:
    return Unavailable("NO_AUTHZ_LEASE", "This authz has no lease and must not decide; another one may, or soon again.")
