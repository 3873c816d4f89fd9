"""What other services said, remembered for as long as the shard that tells of its change is followed."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from services.common.bus import Subscription

K = TypeVar("K")
V = TypeVar("V")


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

    def __init__(self, subscription: Subscription) -> None:
        self.subscription = subscription
        self._holders: Counter[str] = Counter()

    def hold(self, shard: str) -> None:
        self._holders[shard] += 1
        if self._holders[shard] == 1:
            self.subscription.add(shard)

    def release(self, shard: str) -> None:
        self._holders[shard] -= 1
        if not self._holders[shard]:
            del self._holders[shard]
            self.subscription.discard(shard)

    @property
    def held(self) -> tuple[str, ...]:
        return tuple(self._holders)
