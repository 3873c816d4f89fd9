"""Why facts have one writer: on a real Permify a revoke that was acknowledged stays allowed when two writes overlap.

A snap token of Permify is taken when the transaction of its write begins, and excludes for ever what is in flight then.
A row that the first of two writes needs is locked in PostgreSQL, so that it begins first and ends last: the second, the
revoke, is acknowledged, and then the newest token of all is one that does not show it.
"""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.faults.freshness import REFUSED, serving
from tests.faults.revocations import TALK
from tests.faults.stale import SIDE_BY_SIDE, Defects
from tests.integration.authz.row_lock import locked_row
from tests.support.api import Api
from tests.support.permify import PermifyServer
from tests.support.roles import NOTHING
from tests.support.world import World

ROUNDS = 5
HELD_SECONDS = 0.3
"""For so long the first write is held, unless the revoke is acknowledged sooner: less than a write may take."""


@dataclass(frozen=True)
class Stage:
    """A server in which the victim has a role, and one that has nothing to do with it."""

    world: World
    role_id: str
    elsewhere: str
    database: str
    tenant: str

    @classmethod
    async def make(cls, world: World, database: str, tenant: str) -> Self:
        elsewhere = await world.stranger.ok("POST", "/guilds", {"name": "Elsewhere"})
        return cls(world, await world.role("talker", TALK, world.able), elsewhere["id"], database, tenant)

    async def revoke_beside_another_change(self, *, acknowledged_first: bool) -> bool:
        """Whether the victim may still act when both are acknowledged. The role is given back."""
        world, victim = self.world, self.world.able
        seat = f"{world.path}/members/{victim.user_id}/roles/{self.role_id}"
        await victim.send(world.channel_id, "The answer is remembered.")
        async with locked_row(self.database, self.tenant, "server", self.elsewhere, "roles_version") as row:
            other = asyncio.create_task(self._change_elsewhere(world.stranger))
            await row.is_waited_for()
            revoke = asyncio.create_task(world.owner.ok("DELETE", seat))
            await asyncio.wait([revoke], timeout=HELD_SECONDS)
            assert not other.done()
            assert revoke.done() == acknowledged_first
        await asyncio.gather(other, revoke)
        answer = await victim.call("POST", f"{world.channel_path}/messages", {"content": "What was taken away?"})
        assert answer.is_success or answer.status_code in REFUSED, answer.text
        # A write that overlaps with none has a token that shows everything, also to the lane.
        await self._change_elsewhere(world.stranger)
        await world.owner.ok("PUT", seat)
        return answer.is_success

    async def _change_elsewhere(self, owner: Api) -> None:
        await owner.make_role(self.elsewhere, "another", NOTHING)


@pytest.mark.permify
@pytest.mark.timeout(180)
async def test_a_revoke_is_lost_when_writes_overlap_and_never_in_the_lane(
    own_permify: PermifyServer, tmp_path: Path
) -> None:
    # That of somebody else's is not ours to lock.
    permify = own_permify
    if permify.database is None or shutil.which("psql") is None:
        pytest.skip("Permify: not tested with overlapping writes (no psql on the PATH, or a database that is not ours)")
    tenant = permify.new_tenant()
    defects = Defects(tmp_path)
    async with serving(tmp_path, permify.environment(tenant), defects=defects) as (beep, accounts, clients):
        stage = await Stage.make(await World.make(beep, accounts, clients), permify.database.uri, tenant)
        lost = [await stage.revoke_beside_another_change(acknowledged_first=False) for _ in range(ROUNDS)]
        assert lost == [False] * ROUNDS
        with defects.planted(SIDE_BY_SIDE):
            lost = [await stage.revoke_beside_another_change(acknowledged_first=True) for _ in range(ROUNDS)]
        assert lost == [True] * ROUNDS
