"""Plants each known defect of a decision, one at a time, on every permission engine that is there, and prints what
noticed it: the first half of `make mutate-authz`.

The defects are of the schema, of the invalidation table, of the lane, of the keys of remembered answers and of a
decision's one instant. The same ones are tests, in tests/integration/authz.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from tests.integration.authz.defects import Defect, defects_on
from tests.integration.authz.engines import EMBEDDED, Engine, on_permify
from tests.integration.authz.experiments import overlapping_writes
from tests.support import permify


def main() -> int:
    """Prints how each defect ended. Returns how many nobody noticed."""
    # What authz says about a defect is no news here.
    logging.disable(logging.CRITICAL)
    with ExitStack() as stack:
        engines = [EMBEDDED]
        missing = permify.found()
        if missing:
            print(f"Permify: not tested ({missing})")
        else:
            engines.append(on_permify(stack.enter_context(permify.running())))
        return asyncio.run(_play(engines))


async def _play(engines: Iterable[Engine]) -> int:
    ends: Counter[str] = Counter()
    for engine, defect in _pairs(engines):
        wrong = await defect.notice(engine)
        end = "killed" if wrong else "SURVIVED"
        ends[end] += 1
        why = f"by {defect.noticed_by.__name__}: {wrong[0][:100]}" if wrong else ""
        print(f"{end:<9}{engine.name:<9}{defect}   {why}", flush=True)
    print(f"\n{ends.total()} planted defects: {ends['killed']} noticed, {ends['SURVIVED']} never noticed.")
    return ends["SURVIVED"]


def _pairs(engines: Iterable[Engine]) -> Iterator[tuple[Engine, Defect]]:
    for engine in engines:
        for defect in defects_on(engine.name):
            if defect.noticed_by is overlapping_writes and not engine.can_lock_rows:
                print(f"not tested: {defect} (psql is missing, or the database is not in reach)")
            else:
                yield engine, defect
