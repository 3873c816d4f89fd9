from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.users.embedded_identity import EmbeddedStack, embedded_stack
from tests.integration.users.running_users import RunningUsers, running_users
from tests.integration.users.social import settle


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[EmbeddedStack]:
    async with embedded_stack(tmp_path) as running:
        yield running


@pytest.fixture
async def beep(tmp_path: Path) -> AsyncIterator[RunningUsers]:
    async with running_users(tmp_path) as running:
        yield running


@pytest.fixture
async def town(tmp_path: Path) -> AsyncIterator[RunningUsers]:
    """A users service that knows everybody of `social.NAMES`."""
    await settle(tmp_path)
    async with running_users(tmp_path) as running:
        yield running
