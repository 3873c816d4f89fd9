"""The bus: a durable, ordered log of what happened, read by whoever must tell somebody.

This file is the specification. An adapter is right when `tests/contract/test_bus.py` passes with it.

Order
    The log is divided into *shards*, named by their producers: `server:<id>`, `user:<id>`, `session:<id>`. Within a
    shard there is one order, and every reader sees it. Each entry also has an *offset*; the offsets that one reader
    sees rise strictly, over all of its shards. Nothing may be concluded from the distance of two offsets.

Durability
    When `publish` returns, the entries survive the death of every process and of the machine. Nothing is delivered
    to a subscriber before it is durable: what somebody has seen cannot be lost.

Delivery
    `publish` may be repeated with the same event ids, at any time within the retention, and by a process that does
    not know whether its first try succeeded: an id enters the log once, and the repeat answers with the offset that
    the first one got. So a producer publishes at least once, and a reader that remembers its last offset gets each
    entry exactly once.

Loss
    The log forgets entries, oldest first, but none that is younger than `RETENTION_SECONDS` nor among the newest
    `RETENTION_ENTRIES`. If it has lost more than that (the file was removed, Redis was flushed), its `epoch` differs.
    Whoever keeps offsets keeps the epoch beside them, and treats another epoch, `HistoryLost` and an offset that
    `fetch` does not answer alike: as a history that is gone, never as a gap to step over.

Backpressure
    A subscriber that is slow costs nobody anything: past a bound its entries are dropped from memory and it
    re-reads them from the log when it gets there. It sees no difference, only `HistoryLost` if it falls behind
    the retention.

Failure
    `Unavailable` and `TimeoutError` mean: not known to be published, try again with the same event ids.
    `EnvelopeRejected` means: this entry can never be published, and none of its call was.

A second adapter, on Redis Streams, fits as follows. A shard is a stream (`beep:{server:1}`), written by one script
that looks the event id up in a hash with expiry, XADDs, and answers. A reader (one gateway process) keeps one stream
of its own, the *order log*: it reads its shards with a blocking XREAD, and appends to the order log the pairs (shard,
entry id) in the order in which they came, before it delivers them. The entry's position in that log is the `offset`:
rising strictly for this reader, different for another one; which is why nothing here compares offsets of two readers.
`fetch` looks the pairs up and XRANGEs the shards; `read` and `subscribe(after=…)` continue after the last pair of each
shard. `head` is the length of the order log; `epoch` is a key written once, gone when Redis was flushed.
"""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from enum import IntEnum
from typing import Final, Protocol

import msgspec

from services.common.errors import BeepError, InvalidArgument

RETENTION_SECONDS: Final = 600
"""Twice the time for which a gateway session may be resumed."""

RETENTION_ENTRIES: Final = 100_000

MAX_ENVELOPE_BYTES: Final = 1 << 20
"""An encoded envelope above this is refused: far above any dispatch, far below what hurts a reader."""


SERVER_JOINED: Final = "SERVER_JOINED"
"""Control event in a user's shard: they are a member of `server_id` now, so their sessions need its shard as well."""

SESSION_REVOKED: Final = "SESSION_REVOKED"
"""Control event in a user's shard: what was authenticated by the body's `auth_session_id` ends now."""


ACCOUNT_REVOKED: Final = "ACCOUNT_REVOKED"
"""Control event in a user's shard: every session of theirs ends now, but for the body's `but` (an id, or empty)."""

PROFILE_CHANGED: Final = "PROFILE_CHANGED"
"""Control event to `servers`: what everybody may know of the body's `user_id` is not what it was."""

IDENTITY_CHANGED: Final = "IDENTITY_CHANGED"
"""Control event to `servers`: the body's `user_id` has one more identity key."""

AUDIT_ENTRY: Final = "AUDIT_ENTRY"
"""Control event to `servers`: a line for a server's audit log, of something that another service did."""

CHANNELS_DELETED: Final = "CHANNELS_DELETED"
"""Control event to `messages` and `webhooks`: what belongs to the body's `channel_ids` goes."""

BLOBS_DELETED: Final = "BLOBS_DELETED"
"""Control event to `rest`: nothing refers to the files with the body's `keys` any more."""

PRIVATE_MESSAGE: Final = "PRIVATE_MESSAGE"
"""Control event to `users`: there is a new message in the private channel `channel_id`."""

THREAD_MESSAGE: Final = "THREAD_MESSAGE"
"""Control event to `servers`: the body's `user_id` has written in the thread `channel_id`."""

FACTS_REPAIRED: Final = "FACTS_REPAIRED"
"""Control event in a server's shard: what its members may see was wrong in authz, and is right from here on."""


def service_shard(name: str) -> str:
    """Where a service is told what it has to do; it follows it with an `Inbox`."""
    return f"service:{name}"


def server_shard(server_id: int) -> str:
    """Where everything is told that concerns one server."""
    return f"server:{server_id}"


def user_shard(user_id: int) -> str:
    """Where everything is told that concerns one user, whichever servers they are in."""
    return f"user:{user_id}"


def shard_id(shard: str) -> int:
    """The id in the name of a server's or a user's shard."""
    return int(shard.partition(":")[2])


class Audience(IntEnum):
    """Who may get an event, before `required_permissions` narrows it."""

    NONE = 0
    """Nobody outside: a control event between services."""
    SERVER = 1
    """Every member of `server_id`."""
    CHANNEL = 2
    """Every member who may view `channel_id`."""
    USERS = 3
    """The `user_ids`, and nobody else."""


class AccessChange(msgspec.Struct, frozen=True, array_like=True):
    """What a reader that caches who may see what must compute anew before it reads on.

    It stands in the shard where the change belongs, so whatever comes later is judged by the new state.
    """

    whole_server: bool = False
    """The owner, a role or the state of the server changed: nothing computed for it holds."""
    channel_ids: tuple[int, ...] = ()
    """Channels whose overwrites changed, or that came or went."""
    user_ids: tuple[int, ...] = ()
    """Members whose roles or mute changed."""
    joined_user_ids: tuple[int, ...] = ()
    left_user_ids: tuple[int, ...] = ()
    server_deleted: bool = False
    silenced_user_ids: tuple[int, ...] = ()
    """In the shard of a user, where joining and leaving is of the private channels `channel_ids`: nothing new is said
    to them there any more, until they join again."""


class Envelope(msgspec.Struct, frozen=True, array_like=True):
    """One event. The body is written once, by its producer, and never parsed on its way.

    New fields go to the end and have a default: entries of an older release stay readable, and an older
    release skips what it does not know.
    """

    event_id: int
    """Unique among all events; a snowflake."""
    shard: str
    type: str
    """The dispatch's name (`MESSAGE_CREATE`), or that of a control event."""
    body: bytes
    """The JSON of the dispatch's `d`, exactly as clients will get it."""
    audience: Audience
    server_id: int = 0
    channel_id: int = 0
    user_ids: tuple[int, ...] = ()
    required_permissions: int = 0
    """Server permission bits that a receiver also needs, of `NEEDED_TO_BE_TOLD`; 0: none."""
    state_version: int = 0
    """The version of the server's state after this change; 0: the event changes no state."""
    access: AccessChange | None = None
    traceparent: str = ""
    """W3C trace context of the request that caused it (https://www.w3.org/TR/trace-context/)."""


class Record(msgspec.Struct, frozen=True):
    """An envelope and its place in the log."""

    offset: int
    envelope: Envelope


class HistoryLost(BeepError):
    """The log does not reach back to the offset asked for. Start anew from a snapshot of the state."""

    def __init__(self, after: int, floor: int) -> None:
        super().__init__(
            "HISTORY_LOST",
            f"The log begins after offset {floor}; {after} was asked for.",
            metadata={"after": str(after), "floor": str(floor)},
        )


class EnvelopeRejected(InvalidArgument):
    """This envelope can never be published; trying again is no use."""


class Subscription(Protocol):
    """Entries of the chosen shards, for one consumer, as batches in offset order: `async for batch in subscription`.

    A batch is never empty. Iteration ends when the subscription or the bus is closed, and raises `HistoryLost` when
    the consumer fell behind the retention. Cancelling the consumer while it waits loses nothing: the next
    iteration continues where the last batch ended. One consumer at a time.
    """

    def add(self, shard: str) -> None:
        """Deliver what is published to `shard` from now on, and nothing earlier. Adding it again does nothing."""
        ...

    def discard(self, shard: str) -> None:
        """Deliver nothing more of `shard`, not even what is already waiting. Unknown shards are ignored."""
        ...

    def close(self) -> None:
        """End the iteration; what waits is dropped."""
        ...

    def __aiter__(self) -> AsyncIterator[list[Record]]: ...


class Bus(Protocol):
    """The log and its readers. Its methods are for one event loop."""

    @property
    def epoch(self) -> str:
        """Changes when history was lost; compare for equality only."""
        ...

    def head(self) -> int:
        """The offset of the newest entry whose delivery has begun; 0 when there was never one.

        A subscription made in the same step without `after` begins right behind it: snapshot, subscription and head
        taken together leave neither a gap nor an overlap.
        """
        ...

    async def publish(self, envelopes: Sequence[Envelope]) -> list[int]:
        """Append the envelopes, all or none, in this order, and return their offsets once they are durable.

        Calls that overlap are appended in the order in which they were made. An event id that is already in the log
        is not appended nor delivered again, and answers its first offset. If the caller is cancelled, the envelopes
        may still be published.

        Raises:
            EnvelopeRejected: one of them is too large.
            Unavailable: not known to be published; try again.
        """
        ...

    def subscribe(self, shards: Collection[str], after: int | None = None) -> Subscription:
        """Follow some shards.

        Args:
            shards: the first ones; `add` and `discard` change them at any time.
            after: begin behind this offset, `None`: with what is published from now on.
        """
        ...

    async def read(self, shards: Collection[str], after: int, limit: int) -> list[Record]:
        """Up to `limit` entries of these shards behind `after`, in offset order.

        Raises:
            HistoryLost: entries behind `after` are gone, or `after` is not an offset of this log.
        """
        ...

    async def fetch(self, offsets: Collection[int]) -> list[Record]:
        """The entries at these offsets, in offset order; those that the log no longer has are left out."""
        ...

    async def close(self) -> None:
        """Finish what is being published and end every subscription."""
        ...


encode_envelope: Final[Callable[[Envelope], bytes]] = msgspec.msgpack.Encoder().encode
"""The compact form in which every adapter stores an envelope: msgpack, fields by position, the body as raw bytes."""

decode_envelope: Final[Callable[[bytes], Envelope]] = msgspec.msgpack.Decoder(Envelope).decode
