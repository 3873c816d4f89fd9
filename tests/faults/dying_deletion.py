"""Beep that dies in the middle of the deletion of an account: by kill -9, after a step and before it is noted.

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

DIE_AFTER: Final = "BEEP_DIE_AFTER"

_in_order: Final = DeletionSteps.in_order


def _deadly(step: Step) -> Step:
    async def run(deletion: Deletion) -> None:
        await step.run(deletion)
        os.kill(os.getpid(), signal.SIGKILL)

    return replace(step, run=run)


def _in_order_until_death(self: DeletionSteps) -> Sequence[Step]:
    return [_deadly(step) if step.name == os.environ[DIE_AFTER] else step for step in _in_order(self)]


if __name__ == "__main__":
    DeletionSteps.in_order = _in_order_until_death  # type: ignore[method-assign]
    main()
