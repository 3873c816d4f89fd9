"""Guesses of a second factor: counted for the account, whichever page or call they come by."""

import sqlite3
from typing import Final

from services.common.clock import Clock
from services.common.errors import ResourceExhausted
from services.common.sqlite import Database
from services.users.identity.embedded import second_factor
from services.users.identity.embedded.second_factor import SecretBox
from services.users.identity.embedded.throttle import Throttle
from services.users.identity.ports import TotpState, WrongCode

CODE_LIMIT: Final = 5
"""With three codes good at a time, a guess succeeds with a chance of 3 in a million: five in five minutes, for a month,
make one of one in eight. Whoever guesses has the password already."""
CODE_WINDOW_S: Final = 900


class CodeCheck:
    """Uses up codes. Guesses of one account are counted together."""

    def __init__(self, db: Database, box: SecretBox, clock: Clock) -> None:
        self._db = db
        self._box = box
        self._clock = clock
        self._guesses = Throttle(limit=CODE_LIMIT, window_s=CODE_WINDOW_S, clock=clock)

    async def use(self, subject: str, code: str) -> None:
        """Raises WrongCode, TotpState (it is off) or ResourceExhausted."""
        self._count(subject)
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> bool:
            if not second_factor.is_on(conn, subject):
                raise TotpState
            return second_factor.use(conn, self._box, subject, code, now_ms=now)

        self._judge(subject, await self._db.write(change))

    async def confirm(self, subject: str, code: str) -> list[str]:
        """Turn the second factor on; the recovery codes. Raises as `use` (TotpState: it is on, or was not begun)."""
        self._count(subject)
        now = self._clock.now_ms()

        def change(conn: sqlite3.Connection) -> list[str] | None:
            if not second_factor.is_begun(conn, subject, now_ms=now):
                raise TotpState
            if not second_factor.confirm(conn, self._box, subject, code, now_ms=now):
                return None
            return list(second_factor.renew_recovery_codes(conn, subject))

        codes = await self._db.write(change)
        self._judge(subject, codes is not None)
        return codes or []

    def _count(self, subject: str) -> None:
        wait = self._guesses.retry_after(subject)
        if wait:
            raise ResourceExhausted(
                "TOO_MANY_CODES", "Too many wrong codes. Try again later.", metadata={"retry_after": str(wait)}
            )
        # Before the code is looked at, so that parallel guesses count too.
        self._guesses.record(subject)

    def _judge(self, subject: str, good: bool) -> None:
        if not good:
            raise WrongCode
        self._guesses.forgive(subject)
