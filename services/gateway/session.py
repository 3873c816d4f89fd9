"""A session: what a client is to Beep from IDENTIFY on, whichever connection carries it, and while none does."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from services.common.bus import Record
from services.gateway.store.ports import StoredSession

if TYPE_CHECKING:
    from services.gateway.connection import Connection


class Session:
    """Plain data for the hub's loop. Compared by identity."""

    __slots__ = (
        "auth_session_id",
        "bot",
        "connection",
        "detached_seq",
        "expires",
        "forgotten",
        "held",
        "id",
        "intents",
        "presence",
        "ring",
        "seen",
        "seq",
        "servers",
        "shard",
        "slot",
        "stored",
        "user_id",
        "write",
    )

    def __init__(self, stored: StoredSession, ring: memoryview) -> None:
        self.id = stored.session_id
        self.user_id = stored.user_id
        self.auth_session_id = stored.auth_session_id
        self.bot = stored.bot
        self.intents = stored.intents
        self.presence = stored.presence
        self.shard = stored.shard
        self.slot = stored.slot
        self.ring = ring
        self.seq = ring[0]
        self.connection: Connection | None = None
        self.write: Callable[[bytes], object] | None = None
        """Set while the connection has everything and its transport takes more: then a dispatch is one call of it."""
        self.servers: set[int] = set()
        """Servers that it follows, or that are being loaded for it."""
        self.held: list[Record] | None = None
        """What came to its user before READY was sent: it comes behind it. None: nothing is held."""
        self.stored = False
        """It is in the session store, so it can be resumed."""
        self.forgotten = False
        self.expires = 0.0
        """While no connection carries it: when it is forgotten, monotonic."""
        self.detached_seq = 0
        self.seen: frozenset[int] = frozenset()
        """After a restart: what it got, of the events that are read again."""

    def as_stored(self) -> StoredSession:
        return StoredSession(
            self.id,
            self.user_id,
            self.auth_session_id,
            self.bot,
            self.intents,
            self.shard,
            self.slot,
            self.presence,
        )

    def sees(self, server_id: int) -> bool:
        """Whether the server belongs to this shard of the client's:
        https://docs.discord.com/developers/events/gateway#sharding"""
        number, count = self.shard
        return (server_id >> 22) % count == number
