"""authz on a real Permify and the oracle agree, on random servers and over long sequences of changes.

With BEEP_AGREEMENT=full on as many as the project promises: that takes up to half an hour. Each batch has a tenant of
its own. test_oracle_agreement.py is the same for the embedded engine, so that all three agree.
"""

import os

import pytest

from tests.integration.authz.defects import RANDOM_WORLDS, Defect, defects_on
from tests.integration.authz.engines import Engine, on_permify
from tests.integration.authz.experiments import DIRECTED, Experiment, compare, overlapping_writes
from tests.integration.authz.harness import Tally
from tests.integration.authz.rest_witness import RestWitness
from tests.support.permify import PermifyServer

FULL = os.environ.get("BEEP_AGREEMENT") == "full"
SERVERS, SEQUENCES = (2_000, 500) if FULL else (30, 10)
CHANGES = 40
BATCH = 50
AT_ONCE = 12
REST_SHARE = 0.05
"""Of all checks, asked a second time by REST."""


@pytest.fixture
def engine(permify: PermifyServer) -> Engine:
    return on_permify(permify)


async def _agree(server: PermifyServer, engine: Engine, worlds: int, changes: int, first: int) -> Tally:
    witness, total = RestWitness(server, REST_SHARE), Tally()
    with witness.watching():
        for start in range(first, first + worlds, BATCH):
            batch = range(start, min(start + BATCH, first + worlds))
            total += await compare(engine, batch, changes, at_once=AT_ONCE, forgotten=0.01)
            assert total.wrong == []
            assert total.unexplained == []
            assert witness.wrong == []
            print(f"{total.worlds:,} of {worlds:,} servers", flush=True)
    seconded = f"{witness.asked:,} checks asked again by REST, {witness.allowed:,} of them allowed"
    print(f"{total}; {seconded if server.http else 'no REST API to ask again (BEEP_TEST_PERMIFY_HTTP)'}")
    assert total.worlds == worlds
    assert total.changes == worlds * changes
    # A generator that denies (or allows) nearly everything would agree with anything.
    assert 0.1 < total.share < 0.6
    if server.http:
        assert 0 < witness.allowed < witness.asked
    return total


@pytest.mark.timeout(3600 if FULL else 120)
async def test_authz_on_permify_agrees_with_oracle_on_random_servers(permify: PermifyServer, engine: Engine) -> None:
    await _agree(permify, engine, SERVERS, changes=1, first=10_000)


@pytest.mark.timeout(3600 if FULL else 120)
async def test_authz_on_permify_agrees_with_oracle_over_long_sequences(permify: PermifyServer, engine: Engine) -> None:
    await _agree(permify, engine, SEQUENCES, CHANGES, first=0)


@pytest.mark.parametrize("experiment", DIRECTED, ids=lambda experiment: experiment.__name__)
async def test_decision_on_permify_is_right_when_something_happens_within_it(
    engine: Engine, experiment: Experiment
) -> None:
    assert await experiment(engine) == []


@pytest.fixture
def lockable(own_permify: PermifyServer) -> Engine:
    """A Permify whose database is in reach, which that of somebody else's is not."""
    engine = on_permify(own_permify)
    if not engine.can_lock_rows:
        pytest.skip("Permify: not tested with overlapping writes (there is no psql on the PATH)")
    return engine


async def test_revoke_on_permify_stays_when_an_earlier_write_is_slow(lockable: Engine) -> None:
    assert await overlapping_writes(lockable) == []
    for defect in defects_on("permify"):
        if defect.noticed_by is overlapping_writes:
            assert await defect.notice(lockable), f"nobody noticed: {defect}"


# The others take a minute: `make mutate-authz` and BEEP_AGREEMENT=full plant them as well.
_PLANTED = [
    defect
    for defect in defects_on("permify")
    if defect.noticed_by is not overlapping_writes
    and (FULL or defect.noticed_by is not RANDOM_WORLDS or defect.where in ("lane", "invalidation table"))
]


@pytest.mark.parametrize("defect", _PLANTED, ids=str)
async def test_defect_is_noticed_when_it_is_planted_above_permify(engine: Engine, defect: Defect) -> None:
    assert await defect.notice(engine), f"nobody noticed: {defect}"
