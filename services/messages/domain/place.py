"""Where a message stands; with that it is said who is told of it."""

from msgspec import Struct


class Place(Struct, frozen=True):
    """A channel of a server; a thread in one, read by whoever may view `parent_id`; or, without a server, a private
    channel, read by its participants."""

    channel_id: int
    server_id: int = 0
    parent_id: int = 0
    participant_ids: tuple[int, ...] = ()

    @property
    def is_private(self) -> bool:
        return not self.server_id

    @property
    def is_thread(self) -> bool:
        return self.parent_id != 0
