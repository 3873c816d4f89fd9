"""Remembered answers, each for a key that holds everything it depends on; an entry is never wrong, only unused."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, Final, TypeVar

V = TypeVar("V")

_ABANDONED: Final = object()


class Answers:
    """A bounded, least-recently-used cache that asks each question once, however many ask it at the same time.

    Errors are never remembered: everybody who waits for a failed answer gets its error, and the next one asks again.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._entries: OrderedDict[Hashable, Any] = OrderedDict()
        self._flights: dict[Hashable, asyncio.Future[Any]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Hashable) -> Any:
        """The remembered answer or None."""
        value = self._entries.get(key)
        if value is not None:
            self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: object) -> None:
        """Remember an answer, which is not None."""
        self._entries[key] = value
        self._entries.move_to_end(key)
        if len(self._entries) > self._limit:
            self._entries.popitem(last=False)

    async def ask(self, key: Hashable, question: Callable[[], Awaitable[V]]) -> V:
        """The remembered answer, or the one in flight, or that of `question`.

        The first asker answers for all: no task of its own is left behind. If the first gives up, another takes over.
        """
        while True:
            value: V | None = self.get(key)
            if value is not None:
                return value
            flight = self._flights.get(key)
            if flight is None:
                return await self._fly(key, question)
            answer = await asyncio.shield(flight)
            if answer is not _ABANDONED:
                result: V = answer
                return result

    async def _fly(self, key: Hashable, question: Callable[[], Awaitable[V]]) -> V:
        flight: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._flights[key] = flight
        try:
            answer = await question()
        except asyncio.CancelledError:
            flight.set_result(_ABANDONED)
            raise
        except BaseException as error:
            flight.set_exception(error)
            flight.exception()  # nobody else may be waiting: that is no unnoticed failure
            raise
        else:
            self.put(key, answer)
            flight.set_result(answer)
            return answer
        finally:
            del self._flights[key]
