"""Another permission engine than before: its facts are brought up to date before anybody is served."""

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Final

from beep.authz.v1.drift_service_pb2 import DRIFT_KIND_UNSTATED
from services.cli.reconciliation import Reconciliation
from services.common.clock import Clock
from services.common.errors import Unavailable
from services.common.rpc import Channel

logger = logging.getLogger(__name__)

WALKS: Final = 3
"""What one repairs the next finds in order; more than two are needed by nobody whose sources stand still."""


async def adopt_engine(
    before: str, now: str, adopted: Callable[[], None], peers: Mapping[str, Channel], clock: Clock
) -> None:
    """Compare all facts with their sources, repair them, and then say that this engine decides.

    It holds what it held when it last decided here, or nothing: what was taken away since then would be allowed again.

    Args:
        adopted: called when all is right; writes it down.

    Raises:
        BeepError: not all of it is right; the engine before stays written down.
    """
    logger.warning("engine_changed", extra={"before": before, "now": now})
    reconciliation = Reconciliation(peers, _nobody_listens, clock)
    for _ in range(WALKS):
        if not await _repair(reconciliation):
            adopted()
            return
    raise Unavailable("ENGINE_CHANGED", "its facts could not all be brought up to date; start again")


async def _repair(reconciliation: Reconciliation) -> int:
    """One walk. Returns how many facts were not as stated."""
    cursor, found = "", 0
    while True:
        report = await reconciliation.step(cursor, apply=True)
        found += report.changing + sum(each.kind != DRIFT_KIND_UNSTATED for each in report.drift)
        cursor = report.cursor
        if not cursor:
            logger.warning("engine_compared", extra={"repaired": found})
            return found


async def _nobody_listens(server_ids: Collection[int]) -> None:
    """The edges have not started."""
