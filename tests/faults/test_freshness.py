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
from tests.faults.stale import DEAF, EARLY, NO_BUMP, Defects
from tests.support.permify import PermifyServer, described

ROUNDS = int(os.environ.get("BEEP_FRESHNESS_ROUNDS", "38"))
HALF = max(ROUNDS // 2, 1)
"""Of them on Permify with one process of authz, and as many with two."""

pytestmark = pytest.mark.timeout(120 + 3 * ROUNDS)

STORIES = ("GTW-02", "SRV-05", "SRV-09", "SRV-10", "SRV-14", "SOC-08", "SOC-14")


@asynccontextmanager
async def revocations(
    directory: Path, engine: Mapping[str, str], *, processes: int = 0, defects: Defects | None = None
) -> AsyncIterator[Revocations]:
    async with serving(directory, engine, processes=processes, defects=defects) as (beep, accounts, clients):
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


async def test_the_rounds_notice_what_is_remembered_and_what_is_delivered_too_long(tmp_path: Path) -> None:
    defects = Defects(tmp_path)
    async with revocations(tmp_path, EMBEDDED, defects=defects) as made:
        assert (await run_rounds(made, 2, only="role removed")).kinds == set()
        with defects.planted(DEAF):
            delivered = await run_rounds(made, 1, only="own overwrite")
        with defects.planted(NO_BUMP):
            remembered = await run_rounds(made, 1, only="role removed")
    assert delivered.kinds == {"delivery"}
    assert remembered.kinds == {"act", "delivery"}


@pytest.mark.permify
async def test_nothing_is_done_or_heard_after_a_revoke_on_permify(
    permify: PermifyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with revocations(tmp_path, permify.environment(permify.new_tenant())) as made:
        tally = await run_rounds(made, HALF)
    tell(capsys, described(), tally)
    assert_nothing_stale(tally, HALF)


@pytest.mark.permify
async def test_nothing_is_done_or_heard_after_a_revoke_when_two_processes_decide(
    permify: PermifyServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what is acknowledged before the other process knows is noticed: else it would not have decided at all."""
    defects = Defects(tmp_path)
    engine = permify.environment(permify.new_tenant())
    async with revocations(tmp_path, engine, processes=2, defects=defects) as made:
        tally = await run_rounds(made, HALF)
        with defects.planted(EARLY):
            early = await run_rounds(made, 1, only="role removed", given_back=False)
    tell(capsys, f"{described()}, two processes of authz", tally)
    assert_nothing_stale(tally, HALF)
    assert early.stale
