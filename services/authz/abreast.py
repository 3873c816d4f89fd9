"""Several questions of one decision at a time."""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
from typing import Any, TypeVar

V = TypeVar("V")


async def abreast(width: int, coroutines: Iterable[Coroutine[Any, Any, V]]) -> list[V]:
    """The results in order, with at most `width` coroutines running; each is made when its turn comes.

    The first failure is raised when nothing of it runs any more, and what had not begun is not begun. With a width of
    1 there is no task: an engine in this process, which answers without a wait, is asked as fast as it can.
    """
    if width == 1:
        return [await coroutine for coroutine in coroutines]
    results: dict[int, V] = {}
    numbered = enumerate(coroutines)
    workers = [_work(numbered, results) for _ in range(width)]
    for failure in await asyncio.gather(*workers, return_exceptions=True):
        if failure is not None:
            raise failure
    return [results[number] for number in range(len(results))]


async def _work(numbered: Iterator[tuple[int, Coroutine[Any, Any, V]]], results: dict[int, V]) -> None:
    for number, coroutine in numbered:
        try:
            results[number] = await coroutine
        except BaseException:
            # Nobody takes another one.
            for _, unbegun in numbered:
                unbegun.close()
            raise
