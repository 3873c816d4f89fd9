"""Beep with planted defects, each of which lets somebody keep what was taken from them. The rounds must find them.

Run as `python -m tests.faults.stale up …` or `… run authz …`, with `BEEP_TEST_DEFECTS` naming a directory. A defect is
there while a file of its name is: with some of them a Beep does not even begin.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from services.authz.domain.projection import Epoch
from services.authz.epochs import Epochs
from services.authz.lane import Lane as FactsLane
from services.authz.lane import Leadership, _Request
from services.authz.reign import News, Reign
from services.authz.store.ports import Token
from services.cli.__main__ import main
from services.common.bus import Envelope
from services.gateway.lane import Lane as EventsLane
from tests.support import moderated_beep

DIRECTORY: Final = "BEEP_TEST_DEFECTS"
LATE_SECONDS: Final = 0.2
"""With a poll that waits for news, less than the deadline of a poll."""

Defective = Callable[[], bool]


def _bump_nothing(defective: Defective) -> None:
    """A change is written and ends no epoch: what was decided before is remembered."""
    bump = Epochs.bump

    def bump_nothing(self: Epochs, epochs: Iterable[Epoch], token: Token) -> None:
        bump(self, () if defective() else epochs, token)

    Epochs.bump = bump_nothing  # type: ignore[method-assign]


def _acknowledge_early(defective: Defective) -> None:
    """Nobody waits for the processes that follow, which hear of the change a moment later."""
    known, news = Reign.known_to_all, Reign.news

    async def known_to_all(self: Reign) -> None:
        if not defective():
            await known(self)

    async def late(self: Reign, follower: str, lane_id: int, after_seq: int) -> News:
        heard = await news(self, follower, lane_id, after_seq)
        if defective():
            await asyncio.sleep(LATE_SECONDS)
        return heard

    Reign.known_to_all = known_to_all  # type: ignore[method-assign]
    Reign.news = late  # type: ignore[method-assign]


def _keep_delivering(defective: Defective) -> None:
    """The gateway does not look anew when somebody's rights change."""
    must_stop = EventsLane._must_stop

    def go_on(self: EventsLane, envelope: Envelope) -> bool:
        return must_stop(self, envelope) and not defective()

    EventsLane._must_stop = go_on  # type: ignore[method-assign]


def _write_side_by_side(defective: Defective) -> None:
    """Whatever comes is written at once, beside what is being written."""
    apply = FactsLane._apply
    writing: set[asyncio.Task[None]] = set()

    async def begin(self: FactsLane, group: Any, leadership: Leadership) -> None:
        if not defective():
            await apply(self, group, leadership)
            return
        request: _Request
        for request in group:
            task = asyncio.create_task(apply(self, [request], leadership))
            writing.add(task)
            task.add_done_callback(writing.discard)

    FactsLane._apply = begin  # type: ignore[method-assign]


NO_BUMP: Final = "no epoch is bumped"
EARLY: Final = "acknowledged before those who follow know"
DEAF: Final = "the gateway keeps delivering"
SIDE_BY_SIDE: Final = "two writes are in flight"

DEFECTS: Final[Mapping[str, Callable[[Defective], None]]] = {
    NO_BUMP: _bump_nothing,
    EARLY: _acknowledge_early,
    DEAF: _keep_delivering,
    SIDE_BY_SIDE: _write_side_by_side,
}


@dataclass(frozen=True)
class Defects:
    """Those of a Beep that is run as this module with `env`."""

    directory: Path

    @property
    def env(self) -> Mapping[str, str]:
        return {DIRECTORY: str(self.directory)}

    @contextmanager
    def planted(self, name: str) -> Iterator[None]:
        assert name in DEFECTS
        file = self.directory / name
        file.touch()
        try:
            yield
        finally:
            file.unlink()


if __name__ == "__main__":
    for name, prepare in DEFECTS.items():
        prepare((Path(os.environ[DIRECTORY]) / name).exists)
    moderated_beep.install()
    main()
