import asyncio

import pytest

from services.authz.answers import Answers


class Source:
    """Answers when it is told to, and counts how often it is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.go = asyncio.Event()
        self.error: Exception | None = None

    async def answer(self, value: int) -> int:
        self.asked += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return value


async def _started(*coroutines: object) -> list[asyncio.Task[int]]:
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]  # type: ignore[call-overload]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_equal_questions_in_flight_are_asked_once() -> None:
    answers, source = Answers(10), Source()
    tasks = await _started(*(answers.ask("key", source.answer, 7) for _ in range(5)))
    assert answers.get("key") is None
    source.go.set()
    assert await asyncio.gather(*tasks) == [7] * 5
    assert source.asked == 1
    assert answers.get("key") == 7


@pytest.mark.parametrize("value", [False, 0])
async def test_negative_answers_are_remembered(value: object) -> None:
    answers, source = Answers(10), Source()
    source.go.set()
    for _ in range(2):
        assert await answers.ask("key", source.answer, value) is value  # type: ignore[arg-type]
    assert source.asked == 1


async def test_error_reaches_all_who_wait_and_is_not_remembered() -> None:
    answers, source = Answers(10), Source()
    source.error = ValueError("down")
    tasks = await _started(*(answers.ask("key", source.answer, 7) for _ in range(3)))
    source.go.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 3
    source.error = None
    assert await answers.ask("key", source.answer, 7) == 7
    assert source.asked == 2


async def test_another_asks_when_the_first_gives_up() -> None:
    answers, source = Answers(10), Source()
    first, second, third = await _started(*(answers.ask("key", source.answer, 7) for _ in range(3)))
    first.cancel()
    await asyncio.wait([first])
    source.go.set()
    assert await second == await third == 7
    assert source.asked == 2


async def test_follower_that_gives_up_disturbs_nobody() -> None:
    answers, source = Answers(10), Source()
    first, second = await _started(*(answers.ask("key", source.answer, 7) for _ in range(2)))
    second.cancel()
    await asyncio.wait([second])
    source.go.set()
    assert await first == 7
    assert source.asked == 1


def test_entries_are_bounded_and_what_is_used_stays() -> None:
    answers = Answers(10)
    answers.put("used", True)
    for number in range(100):
        answers.put(number, True)
        assert answers.get("used") is True
        assert len(answers) <= 12
    assert answers.get(0) is None


def test_large_answers_are_fewer() -> None:
    answers = Answers(100, lambda key, answer: len(answer))
    for number in range(100):
        answers.put(number, "x" * 10)
        assert len(answers) <= 12
    assert answers.get(99) == "x" * 10
    assert answers.get(80) is None


async def test_answer_is_found_when_its_place_was_evicted_in_flight() -> None:
    answers, source = Answers(4), Source()
    (task,) = await _started(answers.ask("key", source.answer, 7))
    for number in range(20):
        answers.put(number, True)
    source.go.set()
    assert await task == 7
    assert answers.get("key") == 7
