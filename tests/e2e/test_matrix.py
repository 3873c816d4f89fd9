"""Every route by everybody: owner, administrator, each of the thirteen roles alone, all roles but the needed one, a
plain, a muted and a banned member, a stranger, and who is not signed in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.beep_process import BeepProcess
from tests.support.matrix.all_rows import ALL_ROWS, WITHOUT_ROW
from tests.support.matrix.play import play
from tests.support.matrix.rows import API, Row
from tests.support.matrix.stage import Stage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage(beep: BeepProcess) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        yield await Stage.make(beep, stack)


async def test_every_route_has_a_row(stage: Stage) -> None:
    document = await stage.owner.ok("GET", "/api/beep/v1/openapi.json")
    documented = {
        f"{method.upper()} {path.removeprefix(API)}"
        for path, operations in document["paths"].items()
        for method in operations
    }
    assert {row.route for row in ALL_ROWS} | WITHOUT_ROW.keys() == documented


@pytest.mark.parametrize("row", ALL_ROWS, ids=str)
async def test_everybody_may_what_the_row_says_and_nothing_else(stage: Stage, row: Row) -> None:
    assert await play(stage, row) == []
