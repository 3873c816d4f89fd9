"""The parts of an authz around an engine that lists what it was asked, on each of the engines."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.authz.__main__ import CHECKS_AT_ONCE
from services.authz.answers import Answers
from services.authz.audience import Audiences
from services.authz.config import DEFAULTS
from services.authz.decisions import Decisions
from services.authz.domain.changes import Change
from services.authz.domain.schema import parse_schema
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.pinning import Pinning
from services.authz.store.embedded import EmbeddedAuthorizer
from services.authz.store.permify import PermifyAuthorizer
from services.authz.store.remembered import RememberedRules
from services.authz.waves import Waves
from services.common.clock import SystemClock
from tests.support.counted_engine import CountedEngine
from tests.support.permify import PermifyServer

ENGINES = ("embedded", "permify")


@dataclass
class Parts:
    """An authz without its servicer. `server_calls` counts what a Permify has been sent, retries aside."""

    engine: CountedEngine
    server_calls: Callable[[], int] | None
    epochs: Epochs
    answers: Answers
    lane: Lane
    decisions: Decisions
    audiences: Audiences
    version: int = 0

    async def apply(self, *changes: Change) -> None:
        """In one write, if that is possible."""
        self.version += 1
        await self.lane.apply(self.version, changes)


@asynccontextmanager
async def parts(
    request: pytest.FixtureRequest, tmp_path: Path, *, remembering_rules: bool = False
) -> AsyncIterator[Parts]:
    """Of the engine that the fixture's parameter names, with no facts in it.

    `remembering_rules`: as authz is built for Permify; without it each check is seen.
    """
    async with _opened(request, tmp_path) as real:
        schema = DEFAULTS.schema.read_text()
        await real.write_schema(schema)
        engine = CountedEngine(real)
        epochs, answers = Epochs(await engine.head()), Answers(10_000)
        lane = Lane(engine, epochs)
        pinning = Pinning(engine, epochs, answers)
        rules = RememberedRules(engine, parse_schema(schema)) if remembering_rules else None
        waves = Waves(
            rules or engine,
            pinning,
            answers,
            at_once=CHECKS_AT_ONCE if rules or request.param == "permify" else 1,
            read_ahead=rules and rules.read_ahead,
        )
        lane.start()
        try:
            yield Parts(
                engine, _server_calls(real), epochs, answers, lane, Decisions(pinning, waves), Audiences(pinning, waves)
            )
        finally:
            await lane.close()


@asynccontextmanager
async def _opened(
    request: pytest.FixtureRequest, directory: Path
) -> AsyncIterator[EmbeddedAuthorizer | PermifyAuthorizer]:
    engine: EmbeddedAuthorizer | PermifyAuthorizer
    if request.param == "embedded":
        engine = await EmbeddedAuthorizer.open(directory / "authz.db")
    else:
        server: PermifyServer = request.getfixturevalue("permify")
        engine = await PermifyAuthorizer.open(server.address, server.new_tenant(), server.key, SystemClock())
    try:
        yield engine
    finally:
        await engine.close()


def _server_calls(engine: EmbeddedAuthorizer | PermifyAuthorizer) -> Callable[[], int] | None:
    if isinstance(engine, EmbeddedAuthorizer):
        return None
    calls = engine.calls
    return lambda: calls.made - calls.retried
