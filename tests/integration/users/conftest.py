from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.users.embedded_identity import EmbeddedStack, embedded_stack


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[EmbeddedStack]:
    async with embedded_stack(tmp_path) as running:
        yield running
