"""How far somebody has read a channel."""

from collections.abc import Sequence

from msgspec import Struct


class ReadState(Struct, frozen=True):
    """
    Attributes:
        last_read_id: everything up to this message is read; 0: nothing.
        last_id: the channel's newest message; 0: it has none.
        mention_count: of those behind `last_read_id` that mention the reader, up to `limits.MENTIONS_COUNTED`.
        version: rises with each acknowledgement of this reader in this channel.
    """

    channel_id: int
    last_read_id: int
    last_id: int
    mention_count: int = 0
    version: int = 0


class Scope(Struct, frozen=True):
    """Some channels, and whom a mention there must name to be one of this reader's.

    Attributes:
        target_ids: the reader, their roles, and the server's id, which stands for @everyone.
        since_id: what is older counts as read: the reader was not there yet.
    """

    channel_ids: Sequence[int]
    target_ids: Sequence[int]
    since_id: int = 0
