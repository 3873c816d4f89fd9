"""The store of messages. This file is the specification: an adapter is right when
`tests/contract/test_message_store.py` passes with it.

Atomic
    A message and the record of the events that tell of it are one write: both are there afterwards, or neither. The
    events then reach the bus at least once, in the order of the writes within their shard, also if the process dies
    right here.

Durable
    When a write returns, it survives the death of every process and of the machine. Nobody reads or receives anything
    that is not durable.

Order
    A write has its place in the order as soon as the call is made, before the caller first waits. In a channel ids
    rise in the order of the writes and of their events: an id that is not above all others is refused (`IdTooLow`). A
    reader that pages by id can therefore never miss a message that shows up late beneath the ones it has seen.

Idempotent
    Two inserts by one author in one channel with the same nonce, at whatever distance within `limits.NONCE_LIFETIME`,
    concurrently or after a restart, make one message and one set of events.

Conflicts
    Nothing is locked between a read and a write. `replace` and `pin` are made from a revision, and answer False when it
    is not the stored one any more: the caller reads again and decides anew.

Search
    A search sees every write that was acknowledged before it was asked for, and no message that was deleted before. A
    store may do the work for that beside its writes, so that they stay cheap; a search then begins with what is left.

Failure
    Every call may raise `Unavailable`; a write that did is not known to have happened. Trying it again is safe with a
    nonce or a revision.

A cancelled call may still take effect, with its events.
"""

from collections.abc import Collection
from typing import NamedTuple, Protocol

from services.common.outbox import OutboxRecord
from services.messages.domain.history import Window
from services.messages.domain.message import Message
from services.messages.domain.search import Search


class IdTooLow(Exception):
    """The channel already has the id `highest`; use one above it."""

    def __init__(self, highest: int) -> None:
        super().__init__(highest)
        self.highest = highest


class Found(NamedTuple):
    """One page, and how many messages there are on all pages; those beyond `limits.SEARCH_TOTAL` are not counted."""

    total: int
    messages: list[Message]


class MessageStore(Protocol):
    async def insert(self, message: Message, record: OutboxRecord, *, nonce: str = "") -> Message:
        """Add a message and return it; or the one that was first with this nonce, and then nothing is written.

        Args:
            message: its id is above every other of the channel.
            record: its events; published if, and only if, the message is added.
            nonce: the author's, for this channel; empty: none.

        Raises:
            IdTooLow: see Order.
            UnknownMessage: the nonce is that of a message which has been deleted since.
        """
        ...

    async def find_by_nonce(self, channel_id: int, author_id: int, nonce: str) -> Message | None:
        """The message that `insert` would answer for this nonce. Old nonces may still be known."""
        ...

    async def get(self, channel_id: int, message_id: int) -> Message | None: ...

    async def get_many(self, channel_id: int, message_ids: Collection[int]) -> dict[int, Message]:
        """Those of the messages that exist, by id."""
        ...

    async def page(self, channel_id: int, window: Window) -> list[Message]:
        """The messages in the window, newest first. The cost depends on their number, not on their age."""
        ...

    async def search(self, search: Search) -> Found:
        """A page of the messages that match, in the order that is asked for.

        A word is a run of letters and digits, whatever their case and their accents. The ids of all messages differ,
        also between channels. By relevance only the newest `limits.SEARCH_TOTAL` of the matches are put in order, so
        the cost is bounded however many there are.
        """
        ...

    async def replace(self, message: Message, record: OutboxRecord) -> bool:
        """Put `message` in the place of the one that has its id and the revision before its own."""
        ...

    async def pin(self, message: Message, notice: Message, record: OutboxRecord, *, most: int) -> bool:
        """As `replace`, for a message that becomes pinned; adds `notice` in the same write.

        Args:
            message: pinned now, and not before.
            notice: the system message; its id is above every other of the channel.
            most: pins that the channel may have afterwards.

        Raises:
            TooManyPins: it has as many already.
            IdTooLow: see Order.
        """
        ...

    async def pins(self, channel_id: int, *, before_ms: int, limit: int) -> list[Message]:
        """Messages pinned before that time, the newest pin first."""
        ...

    async def delete(self, channel_id: int, message_ids: Collection[int], record: OutboxRecord) -> bool:
        """Remove those of the messages that exist. False, and no event, if none does."""
        ...

    async def forget_nonces(self, *, before: int, limit: int) -> int:
        """Drop up to `limit` nonces of messages with an id below `before`, oldest first; returns how many."""
        ...


class IndexesLater(Protocol):
    """A store that makes messages searchable beside its writes."""

    async def index(self, *, limit: int) -> int:
        """Do it for the oldest `limit` changes for which it has not been done, at once or not at all.

        Returns:
            How far it came; 0 when nothing is left to do.
        """
        ...
