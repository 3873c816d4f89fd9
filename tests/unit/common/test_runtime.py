"""A job beside the requests: how it ends, and how what happens around it comes out."""

import asyncio

import pytest

from services.common.runtime import running


async def wait() -> None:
    await asyncio.Event().wait()


async def fail() -> None:
    raise ValueError("a defect")


async def test_job_ends_with_its_context() -> None:
    before = asyncio.all_tasks()
    async with running(wait()):
        assert asyncio.all_tasks() > before
    assert asyncio.all_tasks() == before


async def test_failure_leaves_the_contexts_of_jobs_as_it_was_raised() -> None:
    with pytest.raises(KeyError) as raised:
        async with running(wait()), running(wait()):
            raise KeyError("why") from OSError("because")
    assert isinstance(raised.value.__cause__, OSError)


async def test_context_ends_when_its_job_fails() -> None:
    with pytest.raises(ValueError, match="a defect"):
        async with running(fail()):
            await wait()
