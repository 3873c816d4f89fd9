"""What was taken away is gone with the acknowledgement: for acts and for live sessions, in whichever way it was taken.

Freezing and suspending have no public route yet: there a stand-in does what the moderators' service will
(tests/support/moderated_beep.py). Two processes share the lane by its lease, and the Beep asks them in turn.

BEEP_FRESHNESS_ROUNDS=1000 is the full run.
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.faults.freshness import EMBEDDED, Tally, run_rounds, serving
from tests.faults.revocations import Revocations
from tests.faults.stale import Defect
from tests.support.permify import PermifyServer, described

ROUNDS = int(os.environ.get("BEEP_FRESHNESS_ROUNDS", "38"))

pytestmark = pytest.mark.timeout(120 + 3 * ROUNDS)

STORIES = ("GTW-02", "SRV-05", "SRV-09", "SRV-10", "SRV-14", "SOC-08", "SOC-14")


@asynccontextmanager
async def revocations(
    directory: Path, engine: Mapping[str, str], *, processes: int = 0, defect: Defect | None = None
) -> AsyncIterator[Revocations]:
    async with serving(directory, engine, processes=processes, defect=defect) as (beep, accounts, clients):
        yield await Revocations.make(beep, accounts, clients)


def assert_nothing_stale(tally: Tally, rounds: int) -> None:
    assert tally.stale == []
    assert tally.rounds.total() == rounds
    # Else nothing was tried.
    assert min(tally.early, tally.delivered, tally.withheld) > rounds
    assert tally.late >= 4 * rounds


def tell(capsys: pytest.CaptureFixture[str], subject: str, tally: Tally) -> None:
    with capsys.disabled():
        print(f"\nFreshness, {subject}: {tally}")


@pytest.mark.story(*STORIES)
async def test_nothing_is_done_or_heard_after_a_revoke(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with revocations(tmp_path, EMBEDDED) as made:
        tally = await run_rounds(made, ROUNDS)
    tell(capsys, "the embedded engine", tally)
    assert_nothing_stale(tally, ROUNDS)


@pytest.mark.permify
@pytest.mark.parametrize("processes", [0, 2], ids=["in Beep", "two processes"])
async def test_nothing_is_done_or_heard_after_a_revoke_on_permify(
    permify: PermifyServer, processes: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Both together are the full run.
    count = max(ROUNDS // 2, 1)
    async with revocations(tmp_path, permify.environment(permify.new_tenant()), processes=processes) as made:
        tally = await run_rounds(made, count)
    tell(capsys, f"{described()}, authz {f'in {processes} processes' if processes else 'in Beep'}", tally)
    assert_nothing_stale(tally, count)


@pytest.mark.parametrize(
    ("name", "way", "what"),
    [
        ("no epoch is bumped", "role removed", {"act", "delivery"}),
        ("the gateway keeps delivering", "own overwrite", {"delivery"}),
    ],
)
async def test_the_rounds_notice_a_planted_defect(name: str, way: str, what: set[str], tmp_path: Path) -> None:
    defect = Defect(name, tmp_path / "defective")
    async with revocations(tmp_path, EMBEDDED, defect=defect) as made:
        sound = await run_rounds(made, 1, only=way)
        assert sound.stale == []
        with defect.planted():
            tally = await run_rounds(made, 1, only=way)
    assert {line.partition(":")[0] for line in tally.stale} == what


@pytest.mark.permify
async def test_the_rounds_notice_when_those_who_follow_are_not_waited_for(
    permify: PermifyServer, tmp_path: Path
) -> None:
    defect = Defect("acknowledged before those who follow know", tmp_path / "defective")
    async with revocations(tmp_path, permify.environment(permify.new_tenant()), processes=2, defect=defect) as made:
        with defect.planted():
            tally = await run_rounds(made, 3, only="role removed")
    assert "act" in {line.partition(":")[0] for line in tally.stale}
