"""Where sessions survive the gateway's process.

This file is the specification. An adapter is right when `tests/contract/test_session_store.py` passes with it.

What is kept is what a resuming client's next events depend on: who it is, what it asked for, and what it has been
*told* it may see. Which events it got, and up to which sequence number, is in the replay file beside it
(`services.gateway.store.replay_file`), because that changes with every delivery and this does not.

Durability
    What was saved survives the death of the process, before the call returns. It need not survive the loss of power:
    the replay file does not either, and without it a session cannot be resumed.

Order
    Calls take effect in the order in which they were made, also when they overlap.

Idempotency
    Saving replaces, forgetting what is not there does nothing. So every call may be repeated.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from services.gateway.domain.audience import View


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


class ViewChange(Struct, frozen=True):
    session_id: str
    server_id: int
    view: StoredView


class SessionStore(Protocol):
    async def save(self, session: StoredSession, views: Mapping[int, StoredView]) -> None:
        """Keep the session and what it sees of each server, replacing both."""
        ...

    async def rename(self, session_id: str, auth_session_id: str) -> None:
        """The session goes on under another sign-in of the same user."""
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
