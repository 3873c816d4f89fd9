"""Beep that dies in the middle of the deletion of an account: by kill -9, before a step, or after it and before that
is noted.

Run as `python -m tests.faults.dying_deletion up …`; the environment names the step.
"""

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.cli.__main__ import main
from services.users.service.deletion import Step
from services.users.service.deletion_steps import DeletionSteps
from services.users.store.ports import Deletion

DIE_AT: Final = "BEEP_DIE_AT"
"""`before servers`, `after servers` …"""

_in_order: Final = DeletionSteps.in_order


def _deadly(step: Step, when: str) -> Step:
    async def run(deletion: Deletion) -> None:
        if when == "after":
            await step.run(deletion)
        os.kill(os.getpid(), signal.SIGKILL)

    return replace(step, run=run)


def _in_order_until_death(self: DeletionSteps) -> Sequence[Step]:
    when, _, name = os.environ[DIE_AT].partition(" ")
    return [_deadly(step, when) if step.name == name else step for step in _in_order(self)]


if __name__ == "__main__":
    DeletionSteps.in_order = _in_order_until_death  # type: ignore[method-assign]
    main()
