"""authz and the oracle agree on every bit of 10,000 random servers; and the test sees it when they do not."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.authz.config import DEFAULTS, Settings
from services.authz.domain.projection import Epoch
from services.authz.epochs import Epochs
from services.authz.store.ports import Token
from tests.integration.authz.harness import Comparison, Tally, serving

SHARDS = 4
EXAMPLES = 50
WORLDS_AT_ONCE = 50
"""4 shards of 50 examples of 50 worlds: 10,000 servers. They run side by side, so that they share their commits."""


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
                *(self.comparison.run(number, seed + place, steps=1) for place, number in enumerate(numbers))
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
    assert shard.worlds >= EXAMPLES * WORLDS_AT_ONCE
    # A generator that denies (or allows) nearly everything would agree with anything.
    assert 0.1 < tally.allowed / tally.decisions < 0.6


async def test_authz_agrees_with_oracle_over_long_sequences(tmp_path: Path) -> None:
    # So few answers are kept that they are forgotten and asked anew all the time.
    tally = await _compare(tmp_path, Settings(answers_kept=300), worlds=40, steps=15)
    assert tally.wrong == []


_SCHEMA_MUTANTS = {
    "suspended users may": ("!context.data.suspended && ", ""),
    "a frozen server is open": ("!context.data.frozen && ", ""),
    "sovereigns are nothing special": ("context.data.sovereign ||", "false && context.data.sovereign ||"),
    "a mute is forgotten on the server": ("(!context.data.muted && granted", "(granted"),
    "a mute is forgotten in the channel": ("&& !context.data.muted && (", "&& ("),
    "who cannot view may": ("context.data.viewed && ", ""),
    "what is presupposed is not needed": ("context.data.needed && ", ""),
    "the server's grant does not reach the channel": ("context.data.granted == true", "false"),
    "the server's grant is not needed": ("context.data.granted == true", "true"),
    "personal deny before personal allow": (
        """('allow:user:' + context.data.user) in overwrites ? true :
            ('deny:user:' + context.data.user) in overwrites ? false :""",
        """('deny:user:' + context.data.user) in overwrites ? false :
            ('allow:user:' + context.data.user) in overwrites ? true :""",
    ),
    "role deny before role allow": (
        """context.data.roles.exists(r, ('allow:role:' + r) in overwrites) ? true :
            context.data.roles.exists(r, ('deny:role:' + r) in overwrites) ? false :""",
        """context.data.roles.exists(r, ('deny:role:' + r) in overwrites) ? false :
            context.data.roles.exists(r, ('allow:role:' + r) in overwrites) ? true :""",
    ),
    "roles before the member's own": ("('deny:user:' + context.data.user) in overwrites ? false :", ""),
    "everyone's deny before everyone's allow": (
        """'allow:everyone' in overwrites ? true :
            'deny:everyone' in overwrites ? false :""",
        """'deny:everyone' in overwrites ? false :
            'allow:everyone' in overwrites ? true :""",
    ),
    "everyone's deny is forgotten": ("'deny:everyone' in overwrites ? false :", ""),
    "one role must be granted all": ("granted.exists(", "granted.all("),
    "a block does not silence": ("!silenced && ", "(!silenced || true) && "),
    "suspended users write in private channels": (
        "!silenced && !context.data.suspended && context.data.caller",
        "!silenced && (!context.data.suspended || true) && context.data.caller",
    ),
    "suspended users read private channels": (
        "    !context.data.suspended && context.data.caller in participants",
        "    (!context.data.suspended || true) && context.data.caller in participants",
    ),
}


@pytest.mark.parametrize("mutant", _SCHEMA_MUTANTS)
async def test_comparison_sees_it_when_the_schema_is_wrong(tmp_path: Path, mutant: str) -> None:
    right, wrong = _SCHEMA_MUTANTS[mutant]
    text = DEFAULTS.schema.read_text()
    assert right in text
    schema = tmp_path / "mutant.perm"
    schema.write_text(text.replace(right, wrong))
    tally = await _compare(tmp_path, Settings(schema=schema), worlds=60, steps=4)
    assert tally.wrong, f"nobody noticed that {mutant}"


def _skip(kind: str) -> Callable[[Epochs, Iterable[Epoch], Token], None]:
    bump = Epochs.bump

    def bump_others(epochs: Epochs, touched: Iterable[Epoch], token: Token) -> None:
        bump(epochs, [epoch for epoch in touched if epoch[0] != kind], token)

    return bump_others


@pytest.mark.parametrize("kind", ["server", "channel", "channels", "seat", "user"])
async def test_comparison_sees_it_when_an_epoch_is_not_bumped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(Epochs, "bump", _skip(kind))
    tally = await _compare(tmp_path, DEFAULTS, worlds=40, steps=6)
    assert tally.wrong, f"nobody noticed that the epoch of the {kind} stood still"


async def _compare(directory: Path, settings: Settings, *, worlds: int, steps: int) -> Tally:
    """Always the same worlds, known to catch the defects above."""
    async with serving(directory, settings) as authz:
        comparison = Comparison(authz)
        await asyncio.gather(*(comparison.run(number, number, steps) for number in range(worlds)))
    return comparison.tally
