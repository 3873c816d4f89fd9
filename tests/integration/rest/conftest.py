from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.rest.running_edge import RunningEdge, running_edge


@pytest.fixture
async def edge(tmp_path: Path) -> AsyncIterator[RunningEdge]:
    async with running_edge(tmp_path) as running:
        yield running
