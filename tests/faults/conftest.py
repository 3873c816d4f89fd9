"""Faults are injected for real, so each test has a Beep of its own to break."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo


@pytest.fixture
def beep(tmp_path: Path) -> Iterator[BeepProcess]:
    process = BeepProcess(tmp_path / "data", env={"BEEP_RATE_LIMITS": "off"}).start()
    yield process
    process.stop()


@pytest.fixture
async def demo(beep: BeepProcess) -> AsyncIterator[Demo]:
    async with AsyncExitStack() as stack:
        yield await Demo.make(beep, stack)
