"""`beep reconcile` against a Beep that a test runs.

    from tests.support.reconcile import reconcile

    assert await reconcile(beep) == []               # facts and their sources agree; nothing is changed
    repaired = await reconcile(beep, apply=True)     # what was found, and has been put right

It runs while Beep serves, so a test need not wait for what it has changed: a change on its way is no drift.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass

from tests.support.beep_process import BeepProcess

SECONDS = 60.0


@dataclass(frozen=True)
class Drift:
    """A fact that is not as its source says. `kind` is missing, wrong or extra."""

    object: str
    fact: str
    expected: str
    found: str
    kind: str
    repaired: bool


async def reconcile(beep: BeepProcess, *, apply: bool = False) -> list[Drift]:
    """All drift of a Beep that is running; with `apply` it is repaired. Fails when it cannot be told."""
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.cli", "reconcile", "--json", "--data", str(beep.data)),
        *(["--apply"] if apply else []),
        env=os.environ | beep.env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(SECONDS):
        output, errors = await done.communicate()
    assert done.returncode in (0, 1), errors.decode()
    report = json.loads(output)
    assert report["changing"] == 0, report
    return [Drift(**each) for each in report["drift"]]
