"""The dispatches that were sent last, kept in memory so that many sessions can be sent them again.

A client that falls behind, and five hundred that lose their connections together, want the same events: those are here.
What is no longer here is in the bus's log.
"""

from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from services.common.bus import Bus, Record
from services.gateway.domain.frames import Dispatch
from services.gateway.domain.replay import RESUMED

RESUMED_DISPATCH: Final = Dispatch("RESUMED", b"{}", RESUMED)
# What a dispatch takes beside its body: thirteen prefixes and the objects around them.
_OVERHEAD: Final = 1500


class RecentDispatches:
    """A cache in front of the bus's log, bounded in bytes; the oldest go first."""

    def __init__(self, bus: Bus, max_bytes: int) -> None:
        self._bus = bus
        self._max_bytes = max_bytes
        self._bytes = 0
        self._by_offset: OrderedDict[int, Dispatch] = OrderedDict()

    def of(self, record: Record) -> Dispatch:
        """The record as it is sent; made once."""
        dispatch = self._by_offset.get(record.offset)
        if dispatch is None:
            dispatch = Dispatch(record.envelope.type, record.envelope.body, record.offset)
            self.remember(dispatch)
        return dispatch

    def remember(self, dispatch: Dispatch) -> None:
        self._by_offset[dispatch.offset] = dispatch
        self._bytes += dispatch.size + _OVERHEAD
        while self._bytes > self._max_bytes and len(self._by_offset) > 1:
            _, oldest = self._by_offset.popitem(last=False)
            self._bytes -= oldest.size + _OVERHEAD

    def recall(self, offset: int) -> Dispatch | None:
        return RESUMED_DISPATCH if offset == RESUMED else self._by_offset.get(offset)

    async def fetch(self, offsets: Collection[int]) -> Mapping[int, Dispatch]:
        """From the bus's log; what it no longer has is missing from the answer."""
        records = await self._bus.fetch(offsets)
        return {
            record.offset: Dispatch(record.envelope.type, record.envelope.body, record.offset) for record in records
        }
