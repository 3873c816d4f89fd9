"""authz and the oracle agree on every bit of 10,000 random servers and over long sequences of changes.

That the comparison sees it when they do not is what test_defects.py shows.
"""

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration.authz.engines import EMBEDDED
from tests.integration.authz.experiments import compare
from tests.integration.authz.harness import Comparison, serving

SHARDS = 4
EXAMPLES = 50
WORLDS_AT_ONCE = 50
"""4 shards of 50 examples of 50 worlds: 10,000 servers. They run side by side, so that they share their commits."""

CHANGES = 40
FULL = os.environ.get("BEEP_AGREEMENT") == "full"
SEQUENCES = range(500 if FULL else 40)


class Shard:
    """One authz with warm caches for all examples of a shard."""

    def __init__(self, directory: Path) -> None:
        self._runner = asyncio.Runner()
        self._serving = serving(directory)
        self.comparison = Comparison(self._runner.run(self._serving.__aenter__()))
        self.worlds = 0

    def run(self, seed: int) -> None:
        async def example() -> None:
            numbers = range(self.worlds, self.worlds + WORLDS_AT_ONCE)
            await asyncio.gather(
                *(self.comparison.run(number, seed + place, changes=1) for place, number in enumerate(numbers))
            )

        self._runner.run(example())
        self.worlds += WORLDS_AT_ONCE

    def close(self) -> None:
        self._runner.run(self._serving.__aexit__(None, None, None))
        self._runner.close()


@pytest.fixture
def shard(tmp_path: Path) -> Iterator[Shard]:
    shard = Shard(tmp_path)
    yield shard
    shard.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("number", range(SHARDS))
def test_authz_agrees_with_oracle_on_random_servers(shard: Shard, number: int) -> None:
    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), database=None)
    @given(st.integers(min_value=0, max_value=2**40).map(lambda seed: seed * SHARDS * 1000 + number * 1000))
    def agree(seed: int) -> None:
        shard.run(seed)
        assert shard.comparison.tally.wrong == []

    agree()
    tally = shard.comparison.tally
    print(tally)
    assert shard.worlds >= EXAMPLES * WORLDS_AT_ONCE
    # A generator that denies (or allows) nearly everything would agree with anything.
    assert 0.1 < tally.share < 0.6


@pytest.mark.timeout(600)
async def test_authz_agrees_with_oracle_over_long_sequences() -> None:
    # So much is forgotten that everything is asked anew now and then, also what was remembered long ago.
    tally = await compare(EMBEDDED, SEQUENCES, CHANGES, at_once=20, forgotten=0.05)
    print(tally)
    assert tally.wrong == []
    assert tally.unexplained == []
    assert tally.changes == len(SEQUENCES) * CHANGES
    assert 0.1 < tally.share < 0.6
