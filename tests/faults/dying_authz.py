"""Beep, or an authz alone, that dies by kill -9 between the commit of a change at its source and the acknowledgement of
its facts.

Run as `python -m tests.faults.dying_authz up …` or `… run authz …`. The environment names a file; as soon as there is
one, the process dies at the step that is its content, once. With BEEP_FORGETS it has a defect beside that: what was
under way when it died is forgotten by the next one.
"""

import os
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from services.authz.domain.changes import Change
from services.authz.domain.facts import Attribute, Relationship
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.store.measured import MeasuredAuthorizer
from services.authz.store.ports import Token
from services.cli.__main__ import main
from services.common.outbox import SqliteOutbox

DIE_FILE: Final = "BEEP_DIE_FILE"
FORGETS: Final = "BEEP_FORGETS"
STEPS: Final = ("asked", "writing", "written", "bumped", "applied")

_apply, _write, _bump = Lane.apply, MeasuredAuthorizer.write, Epochs.bump


def _maybe_die(step: str) -> None:
    file = Path(os.environ[DIE_FILE])
    if file.exists() and file.read_text() == step:
        file.unlink()  # whoever comes next lives
        os.kill(os.getpid(), signal.SIGKILL)


async def _deadly_apply(self: Lane, version: int, changes: Iterable[Change]) -> Token:
    _maybe_die("asked")
    token = await _apply(self, version, changes)
    _maybe_die("applied")
    return token


async def _deadly_write(
    self: MeasuredAuthorizer, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()
) -> Token:
    _maybe_die("writing")
    token = await _write(self, attributes, relationships)
    _maybe_die("written")
    return token


def _deadly_bump(self: Epochs, epochs: Iterable[Any], token: Token) -> None:
    _bump(self, epochs, token)
    _maybe_die("bumped")


async def _nothing_pending(self: SqliteOutbox, after: int, limit: int) -> list[Any]:
    return []


if __name__ == "__main__":
    Lane.apply = _deadly_apply  # type: ignore[method-assign]
    MeasuredAuthorizer.write = _deadly_write  # type: ignore[method-assign]
    Epochs.bump = _deadly_bump  # type: ignore[method-assign,assignment]
    if os.environ.get(FORGETS):
        SqliteOutbox.pending = _nothing_pending  # type: ignore[method-assign,assignment]
    main()
