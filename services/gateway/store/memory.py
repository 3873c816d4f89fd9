"""Who is there, in the memory of the one gateway that there is."""

from collections.abc import Collection

from services.gateway.domain.presence import OFFLINE, SessionPresence, Shown, best_of


class MemoryPresenceStore:
    """Implements `services.gateway.store.ports.PresenceStore`."""

    def __init__(self) -> None:
        self._sessions: dict[int, dict[str, SessionPresence]] = {}
        self._shown: dict[int, Shown] = {}

    async def put(self, user_id: int, session_id: str, presence: SessionPresence) -> None:
        self._sessions.setdefault(user_id, {})[session_id] = presence

    async def drop(self, user_id: int, session_id: str) -> None:
        sessions = self._sessions.get(user_id, {})
        if sessions.pop(session_id, None) is not None and not sessions:
            del self._sessions[user_id]

    async def settle(self, user_id: int) -> Shown | None:
        shown = best_of(self._sessions.get(user_id, {}).values())
        if shown == self._shown.get(user_id, OFFLINE):
            return None
        if shown == OFFLINE:
            del self._shown[user_id]
        else:
            self._shown[user_id] = shown
        return shown

    async def shown(self, user_ids: Collection[int]) -> dict[int, Shown]:
        # Members of a large server are many more than the users who are online, or the other way round.
        return {user_id: self._shown[user_id] for user_id in self._shown.keys() & set(user_ids)}
