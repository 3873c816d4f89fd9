"""Every route by everybody: owner, administrator, each of the thirteen roles alone, all roles but the needed one, a
plain, a muted and a banned member, a stranger, and who is not signed in."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.support.beep_process import BeepProcess
from tests.support.gateway_client import GatewayClient
from tests.support.matrix.all_rows import ALL_ROWS, WITHOUT_ROW
from tests.support.matrix.play import play
from tests.support.matrix.rows import API, Row
from tests.support.matrix.stage import Stage
from tests.support.matrix.subjects import SUBJECTS, Standing, Subject

AUTHENTICATION_FAILED = 4004

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


@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
async def test_a_member_alone_is_told_of_members_over_the_gateway(stage: Stage, subject: Subject) -> None:
    """Every command of the gateway but IDENTIFY is about one's own session; op 8 asks about others."""
    client = GatewayClient(stage.beep.gateway, stage.people[subject.name].token)
    if subject.standing is Standing.SIGNED_OUT:
        await client.open()
        await client.send(2, {"token": "", "intents": 0, "properties": {}})
        assert await client.closed() == AUTHENTICATION_FAILED
        return
    async with client:
        await client.send(8, {"guild_id": stage.place.server_id, "query": "", "limit": 0})
        await client.send(3, {"status": "idle", "afk": False, "since": None, "activities": []})
        # Whatever there is to say to the first has been said when the second heartbeat is answered.
        if subject.standing.is_inside:
            chunk = await client.wait_for("GUILD_MEMBERS_CHUNK")
            assert chunk["guild_id"] == stage.place.server_id
        else:
            await client.heartbeat()
            await client.heartbeat()
            assert not [event for event in client.dispatches if stage.place.server_id in str(event)]
