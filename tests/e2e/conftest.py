"""The whole of Beep as a process of its own, reached by its public edge only: in process and over gRPC."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.beep_process import BeepProcess
from tests.support.demo import Demo


@pytest.fixture(scope="session", params=["inprocess", "grpc"])
def beep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """One Beep for all tests that only add to it."""
    data = tmp_path_factory.mktemp(f"beep-{request.param}") / "data"
    process = BeepProcess(data, env={"BEEP_RPC": request.param, "BEEP_RATE_LIMITS": "off"}).start()
    yield process
    assert process.stop() == 0


@pytest.fixture
async def demo(beep: BeepProcess) -> AsyncIterator[Demo]:
    """A fresh server with its people, in the shared Beep."""
    async with AsyncExitStack() as stack:
        yield await Demo.make(beep, stack)
