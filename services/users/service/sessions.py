"""Ending sessions: ours first, then the provider's (docs/adr/0006-embedded-identity-provider.md)."""

import logging

from services.common.errors import Unavailable
from services.users.identity.ports import IdentityProvider, SignInSession
from services.users.service.revocations import Revocations

logger = logging.getLogger(__name__)


class Sessions:
    """What a user may do to their sessions."""

    def __init__(self, identity: IdentityProvider, revocations: Revocations) -> None:
        self._identity = identity
        self._revocations = revocations

    async def of(self, subject: str) -> list[SignInSession]:
        """Newest first."""
        return list(await self._identity.sessions(subject))

    async def end(self, sid: str, user_id: int) -> None:
        """End one session of this user."""
        await self._revocations.revoke_session(sid, user_id)
        try:
            await self._identity.end_session(sid)
        except Unavailable:
            # The session has ended: we refuse its tokens for as long as any of them could be renewed there.
            logger.warning("session_end_not_told_to_provider", extra={"user_id": user_id})

    async def end_all(self, user_id: int, subject: str, *, but: str) -> None:
        """End all sessions, but for the one with the sid `but` (empty: none).

        Raises:
            Unavailable: the tokens that there are are refused, but the provider may renew some: to be tried again.
        """
        try:
            live = {session.sid for session in await self._identity.sessions(subject)} - {but}
        except Unavailable:
            # Nobody says which there are, so the time decides: all tokens of this second and before.
            await self._revocations.revoke_account(user_id, subject, sids=None, but=but)
            raise
        await self._revocations.revoke_account(user_id, subject, sids=live, but=but)
        await self._identity.end_sessions(subject, but=but, told=live)
