"""Remembered answers, each for a key that holds everything it depends on; an entry is never wrong, only unused."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, ParamSpec, TypeVar

V = TypeVar("V")
P = ParamSpec("P")

_ABANDONED: Final = object()


class Answers:
    """A bounded cache that asks each question once, however many ask it at the same time.

    What has not been used for long is forgotten: entries live in two generations, a use moves an entry to the young
    one, and when that is full it becomes the old one. That is nearly least-recently-used, at one look-up for a hit.
    The keys are large, and hashing them is most of what a warm decision costs.

    Errors are never remembered: everybody who waits for a failed answer gets its error, and the next one asks again.
    """

    def __init__(self, limit: int, size: Callable[[Any, Any], int] | None = None) -> None:
        """Keep at most `limit` answers, or what has that size together: `size` tells it, of a key and its answer."""
        self._generation = max(1, limit // 2)
        self._size = size
        self._filled = 0
        self._young: dict[Hashable, Any] = {}
        self._old: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def get(self, key: Hashable) -> Any:
        """The remembered answer or None."""
        entry = self._entry(key)
        return None if isinstance(entry, _Flight) else entry

    def put(self, key: Hashable, answer: object) -> None:
        """Remember an answer, which is not None."""
        self._young[key] = answer
        if self._size is None:
            self._filled = len(self._young)
        elif not isinstance(answer, _Flight):
            self._filled += self._size(key, answer)
        if self._filled > self._generation:
            self._old = self._young
            self._young = {}
            self._filled = 0

    async def ask(self, key: Hashable, question: Callable[P, Awaitable[V]], *arguments: P.args, **named: P.kwargs) -> V:
        """The remembered answer, or the one in flight, or that of `question`.

        The first asker answers for all, so that no task is left behind. If the first gives up, another takes over.
        """
        answer: V
        while (entry := self._entry(key)) is not None:
            if not isinstance(entry, _Flight):
                answer = entry
                return answer
            landed = await asyncio.shield(entry.wait())
            if landed is not _ABANDONED:
                answer = landed
                return answer
        flight = _Flight()
        self.put(key, flight)
        try:
            answer = await question(*arguments, **named)
        except asyncio.CancelledError:
            self._forget(key, flight)
            flight.land(_ABANDONED)
            raise
        except BaseException as error:
            self._forget(key, flight)
            flight.crash(error)
            raise
        self.put(key, answer)
        flight.land(answer)
        return answer

    def _entry(self, key: Hashable) -> Any:
        entry = self._young.get(key)
        if entry is None and (entry := self._old.get(key)) is not None:
            self.put(key, entry)
        return entry

    def _forget(self, key: Hashable, flight: "_Flight") -> None:
        for generation in (self._young, self._old):
            if generation.get(key) is flight:
                del generation[key]


class _Flight:
    """The place of an answer that is being fetched. Mostly nobody else waits: the future is made when one does."""

    __slots__ = ("_landing",)

    def __init__(self) -> None:
        self._landing: asyncio.Future[Any] | None = None

    def wait(self) -> asyncio.Future[Any]:
        if self._landing is None:
            self._landing = asyncio.get_running_loop().create_future()
        return self._landing

    def land(self, answer: object) -> None:
        if self._landing is not None:
            self._landing.set_result(answer)

    def crash(self, error: BaseException) -> None:
        if self._landing is not None:
            self._landing.set_exception(error)
            self._landing.exception()  # who waited may have given up: that is no unnoticed failure
