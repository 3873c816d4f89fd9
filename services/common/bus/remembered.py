"""What other services said, remembered for as long as the shard that tells of its change is followed."""

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from services.common.bus.ports import Bus, Envelope, HistoryLost

K = TypeVar("K")
V = TypeVar("V")

logger = logging.getLogger(__name__)


class Cache(Generic[K, V]):
    """The entries used last. `drops` counts the invalidations: a value that was asked for before one is not kept."""

    def __init__(self, capacity: int, shard_of: Callable[[K], str], shards: "Shards") -> None:
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._capacity = capacity
        self._shard_of = shard_of
        self._shards = shards
        self.drops = 0

    def get(self, key: K) -> V | None:
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def keep(self, key: K, value: V, *, asked_at: int) -> None:
        if asked_at != self.drops:
            return
        if key not in self._entries:
            self._shards.hold(self._shard_of(key))
        self._entries[key] = value
        if len(self._entries) > self._capacity:
            oldest, _ = self._entries.popitem(last=False)
            self._shards.release(self._shard_of(oldest))

    def drop(self, key: K) -> None:
        self.drops += 1
        if self._entries.pop(key, None) is not None:
            self._shards.release(self._shard_of(key))

    def clear(self) -> None:
        for key in list(self._entries):
            self.drop(key)
        self.drops += 1


class Shards:
    """The shards that are followed, each for as long as somebody holds it."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._subscription = bus.subscribe(())
        self._holders: Counter[str] = Counter()

    def hold(self, shard: str) -> None:
        self._holders[shard] += 1
        if self._holders[shard] == 1:
            self._subscription.add(shard)

    def release(self, shard: str) -> None:
        self._holders[shard] -= 1
        if not self._holders[shard]:
            del self._holders[shard]
            self._subscription.discard(shard)

    @contextmanager
    def held(self, shards: Iterable[str]) -> Iterator[None]:
        """Around the reading of a state: a change in between is seen and not overwritten by what it replaced."""
        shards = list(shards)
        for shard in shards:
            self.hold(shard)
        try:
            yield
        finally:
            for shard in shards:
                self.release(shard)

    async def follow(self, apply: Callable[[Envelope], None], clear: Callable[[], None]) -> None:
        """Hand each event to `apply`, and call `clear` when some were missed, until `close`."""
        while True:
            try:
                async for batch in self._subscription:
                    for record in batch:
                        apply(record.envelope)
                return
            except HistoryLost:
                logger.warning("remembered_cleared", extra={"reason": "history_lost"})
                self._subscription.close()
                self._subscription = self._bus.subscribe(tuple(self._holders))
                clear()

    def close(self) -> None:
        self._subscription.close()
