"""What a relay needs of a store."""

from collections.abc import Collection
from typing import Protocol

import msgspec

from services.common.bus import Envelope


class OutboxRecord(msgspec.Struct, frozen=True, array_like=True):
    """What one change has to tell."""

    id: int
    """Unique in its outbox; a snowflake."""
    shard: str
    """Decides the order. The envelopes may belong to other shards of the bus."""
    envelopes: tuple[Envelope, ...]
    facts: bytes | None = None
    """What authz must apply before anybody hears of the change; opaque here."""


class Pending(msgspec.Struct, frozen=True):
    """A record that is not marked done. Positions rise in the order of the commits, at least within a shard."""

    position: int
    record: OutboxRecord


class Outbox(Protocol):
    """What the relay needs of a store. How a record gets in is the store's own affair, as long as it is atomic with the
    change: a row of the same transaction here, a field of the document itself on MongoDB.
    """

    async def pending(self, after: int, limit: int) -> list[Pending]:
        """Up to `limit` records behind a position (0: the first ones), in order of position; fewer only if there
        are no more. Includes every record that was committed before the call and is not marked done.
        """
        ...

    async def mark_done(self, ids: Collection[int]) -> None:
        """Forget these records. Unknown ones are ignored: marking twice is harmless."""
        ...

    async def dead_letter(self, record_id: int, reason: str) -> None:
        """Set a record apart with the reason, atomically; it is no longer pending. Repeating it is harmless."""
        ...
