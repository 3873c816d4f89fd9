from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.gateway.harness import World, running_world


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    async with running_world(data_dir) as running:
        yield running
