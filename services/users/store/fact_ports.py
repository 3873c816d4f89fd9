"""All that authz should hold of private channels, to compare it with what it holds.

Each is as of the version of its pair or group. What changes while they are walked is given as it was or as it is, and
what is there from the begin to the end of a walk is given.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from services.users.domain.private_channel import Group
from services.users.domain.relationship import Pair


@dataclass(frozen=True, slots=True)
class StatedChannel:
    """A private channel; None: there is none of that id any more.

    `pending_record`: the outbox record of its newest change, as long as that is not known to be published, else 0.
    """

    channel_id: int
    channel: Pair | Group | None
    pending_record: int


class FactStore(Protocol):
    async def channels_page(self, after: int, limit: int) -> list[StatedChannel]:
        """Those with an id above `after`, ascending; fewer than `limit`: that was all."""
        ...

    async def channels_about(self, channel_ids: Collection[int]) -> list[StatedChannel]:
        """What is to be said of each of these now."""
        ...
