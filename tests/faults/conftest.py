"""Faults are injected for real, so each test that breaks a Beep has one of its own.

What must not break it is done to one that all such tests share, and that loses patience soon: `world` and `bystanders`.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.beep_process import BeepProcess
from tests.support.bystanders import Bystanders
from tests.support.demo import Demo
from tests.support.world import Accounts, World, make_accounts


@pytest.fixture
def beep(tmp_path: Path) -> Iterator[BeepProcess]:
    process = BeepProcess(tmp_path / "data", env={"BEEP_RATE_LIMITS": "off"}).start()
    yield process
    process.stop()


@pytest.fixture
async def demo(beep: BeepProcess) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.make(beep, stack)


@pytest.fixture(scope="session")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """A Beep that is to survive all that is done to it."""
    data = tmp_path_factory.mktemp("sturdy") / "data"
    process = BeepProcess(data, env={"BEEP_RATE_LIMITS": "off"}, module="tests.support.impatient_beep").start()
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log.read_text(), "something was not foreseen: see the log"


@pytest.fixture(scope="session")
def accounts(sturdy: BeepProcess) -> Accounts:
    return asyncio.run(make_accounts(sturdy))


@pytest.fixture
async def world(sturdy: BeepProcess, accounts: Accounts) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield await World.make(sturdy, accounts, stack)


@pytest.fixture
async def bystanders(world: World) -> AsyncIterator[Bystanders]:
    """Two who must not notice, and a look at the memory, before and after the test."""
    watching = await Bystanders.beside(world)
    yield watching
    await watching.assert_undisturbed()
