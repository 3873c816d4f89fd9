"""The whole of Beep as a process of its own, reached by its public edge only: its services in one process, over gRPC,
and in one process with a real Permify that decides."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import pytest

from tests.support.beep_process import BeepProcess
from tests.support.circle import Circle
from tests.support.demo import Demo
from tests.support.permify import PermifyServer
from tests.support.permify_plugin import ALL_ON_PERMIFY
from tests.support.world import Accounts, World, make_accounts

# A service that may sign in by client credentials: its id and its secret.
SERVICE_CLIENT = ("reporting", "a secret of the tests")


@pytest.fixture(scope="session", params=["permify"] if ALL_ON_PERMIFY else ["inprocess", "grpc", "permify"])
def beep(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    """One Beep for all tests that only add to it."""
    directory = tmp_path_factory.mktemp(f"beep-{request.param}")
    clients = directory / "clients.json"
    clients.write_text(json.dumps(dict([SERVICE_CLIENT])))
    env = {"BEEP_RATE_LIMITS": "off", "BEEP_SERVICE_CLIENTS_FILE": str(clients)}
    if request.param == "permify":
        permify: PermifyServer = request.getfixturevalue("permify")
        env |= permify.environment(permify.new_tenant())
    else:
        env["BEEP_RPC"] = request.param
    process = BeepProcess(directory / "data", env=env).start()
    yield process
    assert process.stop() == 0


@pytest.fixture
async def demo(beep: BeepProcess) -> AsyncIterator[Demo]:
    """A fresh server with its people, in the shared Beep."""
    async with AsyncExitStack() as stack:
        yield await Demo.make(beep, stack)


@pytest.fixture(scope="session")
def accounts(beep: BeepProcess) -> Accounts:
    """The people of all worlds."""
    return asyncio.run(make_accounts(beep))


@pytest.fixture
async def world(beep: BeepProcess, accounts: Accounts) -> AsyncIterator[World]:
    """A fresh server among people who are there already."""
    async with AsyncExitStack() as stack:
        yield await World.make(beep, accounts, stack)


@pytest.fixture
async def circle(beep: BeepProcess, accounts: Accounts) -> AsyncIterator[Circle]:
    """People who are there already, with nothing between them."""
    async with AsyncExitStack() as stack:
        yield await Circle.make(beep, accounts, stack)
