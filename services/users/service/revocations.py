"""Writing and publishing that sessions have ended."""

from collections.abc import Collection

from services.common.clock import Clock
from services.common.outbox import Relay
from services.common.snowflake import SnowflakeGenerator
from services.users.events import account_revoked, session_revoked
from services.users.store.ports import RevokedAccount, UserStore


class Revocations:
    """Writes that a session has ended and publishes it: both have happened when a method returns."""

    def __init__(self, store: UserStore, relay: Relay, clock: Clock, ids: SnowflakeGenerator, kept_ms: int) -> None:
        """`kept_ms`: for how long after its end a session could still have tokens that verify."""
        self._store = store
        self._relay = relay
        self._clock = clock
        self._ids = ids
        self._kept_ms = kept_ms

    async def revoke_session(self, sid: str, user_id: int) -> None:
        """Refuse the tokens of a session of this user from the return on, everywhere."""
        record = session_revoked(self._ids.next(), user_id, sid)
        now = self._clock.now_ms()
        await self._store.revoke_session(sid, now_ms=now, until_ms=now + self._kept_ms, record=record)
        await self._relay.published(record.id)

    async def revoke_account(self, user_id: int, subject: str, *, sids: Collection[str] | None, but: str) -> None:
        """Refuse all tokens that the subject has, but those of the session `but`, from the return on, everywhere.

        `sids`: of its live sessions. Then somebody who signs in again in this very second is not refused; None: they
        are not known, and tokens of this second are refused too, for a token says no more of its time.
        """
        record = account_revoked(self._ids.next(), user_id, but=but)
        now = self._clock.now_ms()
        second = now // 1000 - (0 if sids is None else 1)
        revoked = RevokedAccount(subject, second, sids or (), but)
        await self._store.revoke_account(revoked, now_ms=now, until_ms=now + self._kept_ms, record=record)
        await self._relay.published(record.id)

    async def session_ended(self, sid: str, subject: str) -> None:
        """A session ended at the provider (`identity.ports.SessionEnded`)."""
        user = await self._store.user_of(subject)
        if user is not None:
            await self.revoke_session(sid, user.id)
            return
        # Its token was never used, so nobody has to hear of it; it must be refused if it comes.
        now = self._clock.now_ms()
        await self._store.revoke_session(sid, now_ms=now, until_ms=now + self._kept_ms, record=None)
