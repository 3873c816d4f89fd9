"""What the gateway keeps: its sessions, which survive its process, and who is there, which need not.

This file is the specification. An adapter is right when `tests/contract/test_session_store.py` and
`tests/contract/test_presence_store.py` pass with it.

Sessions
    What is kept of a session is what a resuming client's next events depend on: who it is, what it asked for, and what
    it has been *told* it may see. Which events it got, and up to which sequence number, is in the replay file beside
    it (`services.gateway.store.replay_file`), because that changes with every delivery and this does not.

    Durability: what was saved survives the death of the process, before the call returns. It need not survive the
    loss of power: the replay file does not either, and without it a session cannot be resumed.

    Order: calls take effect in the order in which they were made, also when they overlap.

    Idempotency: saving replaces, forgetting what is not there does nothing. So every call may be repeated.

Presence
    What every session shows, and what others have been told of each user: over all gateways, so that the best of a
    user's sessions may be at another one. What a gateway has put goes when it dies; how an adapter outside of its
    process notices that is its own affair. Calls take effect in the order in which they were made.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from services.gateway.domain.audience import View
from services.gateway.domain.presence import SessionPresence, Shown


class StoredView(Struct, frozen=True, array_like=True):
    """What a session was told of one server."""

    channel_ids: tuple[int, ...]
    permissions: int
    version: int
    """The version of the server's state that its GUILD_CREATE showed: events up to it are in there already."""
    since: int
    """The bus offset behind which the session follows this server."""
    told: tuple[int, ...] = ()
    """Bus offsets of the dispatches that told it: saved before they are sent, sent again if the ring lacks them."""
    gone: bool = False
    """The user is no longer a member; `told` is the GUILD_DELETE."""

    @property
    def view(self) -> View:
        return View(frozenset(self.channel_ids), self.permissions)


class StoredSession(Struct, frozen=True, array_like=True):
    session_id: str
    user_id: int
    auth_session_id: str
    bot: bool
    intents: int
    shard: tuple[int, int]
    slot: int
    """The session's place in the replay file."""
    presence: SessionPresence = SessionPresence()


class ViewChange(Struct, frozen=True):
    session_id: str
    server_id: int
    view: StoredView


class SessionStore(Protocol):
    async def save(self, session: StoredSession, views: Mapping[int, StoredView]) -> None:
        """Keep the session and what it sees of each server, replacing both."""
        ...

    async def update(self, session: StoredSession) -> None:
        """Replace the session and leave its views; one that is not there stays away."""
        ...

    async def save_views(self, changes: Sequence[ViewChange]) -> None:
        """Replace these views, all or none. Changes of sessions that are not there are left out."""
        ...

    async def forget(self, session_ids: Collection[str]) -> None:
        """Remove the sessions with their views."""
        ...

    async def clear(self) -> None:
        """Remove everything."""
        ...

    async def load(self) -> list[tuple[StoredSession, dict[int, StoredView]]]:
        """Every session with its views by server id, in the order in which they were first saved."""
        ...

    async def close(self) -> None:
        """Finish what was asked for and let go."""
        ...


class PresenceStore(Protocol):
    async def put(self, user_id: int, session_id: str, presence: SessionPresence) -> None:
        """What this session of the user shows from now on. Nobody sees it before `settle`."""
        ...

    async def drop(self, user_id: int, session_id: str) -> None:
        """The session shows nothing any more; one that is not there is ignored."""
        ...

    async def settle(self, user_id: int) -> Shown | None:
        """Make the best of the user's sessions what others see, and return it; None: they see it already.

        Of callers that overlap, one gets the change.
        """
        ...

    async def shown(self, user_ids: Collection[int]) -> dict[int, Shown]:
        """What others see of these users, as of the last `settle`; those who are offline are left out."""
        ...
