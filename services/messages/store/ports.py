"""The stores of messages, reactions and read states. This file is the specification: an adapter is right when
`tests/contract/test_message_store.py`, `test_reaction_store.py` and `test_read_state_store.py` pass with it.

The three are parts of one store: what one writes the others see, in the same order.

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

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from services.common.outbox import OutboxRecord
from services.messages.domain.history import Window
from services.messages.domain.message import Message
from services.messages.domain.reaction import Reaction
from services.messages.domain.read_state import ReadState, Scope
from services.messages.domain.search import Search


class IdTooLow(Exception):
    """The channel already has the id `highest`; use one above it."""

    def __init__(self, highest: int) -> None:
        super().__init__(highest)
        self.highest = highest


class FirstOfItsEmoji(Exception):
    """Nobody has reacted with this emoji yet, and this user may only join in."""


class Found(NamedTuple):
    """One page, and how many messages there are on all pages; those beyond `limits.SEARCH_TOTAL` are not counted."""

    total: int
    messages: list[Message]


class MessageStore(Protocol):
    async def insert(
        self, message: Message, record: OutboxRecord, *, nonce: str = "", interval_ms: int = 0, reads: bool = False
    ) -> Message:
        """Add a message and return it; or the one that was first with this nonce, and then nothing is written.

        Args:
            message: its id is above every other of the channel.
            record: its events; published if, and only if, the message is added.
            nonce: the author's, for this channel; empty: none.
            interval_ms: how long the author must have sent nothing with an interval here, deleted messages included;
                0: no matter.
            reads: in the same write the author has read the channel up to this message.

        Raises:
            IdTooLow: see Order.
            TooFast: the interval is not over. A retry with the nonce of what was sent is no second message.
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

    async def last_ids(self, channel_ids: Collection[int]) -> dict[int, int]:
        """The newest message of each of these channels that has one."""
        ...

    async def attached(self, attachment_ids: Collection[int]) -> set[int]:
        """Those of the files that belong to a message."""
        ...

    async def written_by(self, author_id: int, *, server_id: int, since: int, limit: int) -> list[Message]:
        """The oldest of what this author said in this server with an id from `since` on. As fresh as a search."""
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

    async def pin(
        self, message: Message, notice: Message, record: OutboxRecord, *, most: int, reads: bool = False
    ) -> bool:
        """As `replace`, for a message that becomes pinned; adds `notice` in the same write.

        Args:
            message: pinned now, and not before.
            notice: the system message; its id is above every other of the channel.
            most: pins that the channel may have afterwards.
            reads: as in `insert`, of the author of the notice.

        Raises:
            TooManyPins: it has as many already.
            IdTooLow: see Order.
        """
        ...

    async def pins(self, channel_id: int, *, before_ms: int, limit: int) -> list[Message]:
        """Messages pinned before that time, the newest pin first."""
        ...

    async def delete(self, channel_id: int, message_ids: Collection[int], record: OutboxRecord | None) -> bool:
        """Remove those of the messages that exist, with their reactions. False, and no event, if none does."""
        ...

    async def forget_readers(self, channel_id: int, *, limit: int) -> int:
        """Drop what is known of up to `limit` readers of a channel that is gone; returns how much that was."""
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


class ReactionStore(Protocol):
    """Emojis under messages. In the order in which each came; they go with their message."""

    async def add(
        self, channel_id: int, message_id: int, user_id: int, emoji: str, record: OutboxRecord, *, may_begin: bool
    ) -> bool:
        """Let the user react. False, and no event, if they have already.

        Args:
            may_begin: also when nobody has reacted with this emoji yet.

        Raises:
            UnknownMessage: it is not there, or no longer.
            FirstOfItsEmoji: and not `may_begin`.
            TooManyReactions: the message has `limits.REACTIONS_PER_MESSAGE` others.
        """
        ...

    async def remove(self, channel_id: int, message_id: int, user_id: int, emoji: str, record: OutboxRecord) -> bool:
        """Take the user's reaction back. False, and no event, if there is none."""
        ...

    async def clear(self, channel_id: int, message_id: int, emoji: str, record: OutboxRecord) -> bool:
        """Take everybody's back: of one emoji, or all when it is empty. False, and no event, if there are none."""
        ...

    async def users(self, channel_id: int, message_id: int, emoji: str, *, after: int, limit: int) -> list[int]:
        """Who reacted, by id, from the first above `after`."""
        ...

    async def under(
        self, channel_id: int, message_ids: Collection[int], *, reader_id: int
    ) -> dict[int, tuple[Reaction, ...]]:
        """The reactions under those of the messages that have any. The cost does not depend on who reacted."""
        ...


class ReadStateStore(Protocol):
    """How far each reader has read each channel. Nothing is written for a reader when others send."""

    async def acknowledge(
        self,
        user_id: int,
        channel_id: int,
        message_id: int,
        target_ids: Sequence[int],
        tell: Callable[[ReadState], OutboxRecord],
    ) -> ReadState:
        """The user has read the channel up to this message, and no further; not beyond the newest that there is.

        Args:
            target_ids: whom a mention must name to be one of the user's.
            tell: makes the events from what was stored; pure but for new ids, and called from any thread.
        """
        ...

    async def forget_user(self, user_id: int, *, limit: int) -> int:
        """Drop up to `limit` states of a user who is gone, without a word; returns how many there were."""
        ...

    async def states(self, user_id: int, scopes: Sequence[Scope]) -> list[ReadState]:
        """The user's state in each channel of these scopes in which there is something, or was."""
        ...
