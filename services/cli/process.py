"""What every process of Beep does around its services: limits, signals, the collector, why it cannot start."""

import asyncio
import gc
import logging
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from services.cli.errors import UserError
from services.common.errors import BeepError

logger = logging.getLogger(__name__)

OPEN_FILES: Final = 65_536


def prepare() -> asyncio.Event:
    """Prepare this process to serve. The event is set by SIGINT and SIGTERM."""
    # Also in a directory that was there before, what Beep writes is for its owner alone.
    os.umask(0o077)
    _allow_open_files()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def tune_collector() -> None:
    """For a Beep that has started, and is alone in its process."""
    # What was made until now stays. Without this the collector looks through all of it again and again, and everybody
    # waits 80 ms each time.
    gc.freeze()
    # A request makes hundreds of objects and hardly a cycle. Looking for cycles after every 700 objects, as Python
    # does, takes a fiftieth of all CPU time.
    gc.set_threshold(10_000)


@contextmanager
def starting(part: str, data: Path) -> Iterator[None]:
    """Tells a person that a part will not start on this data: a damaged file, a full disk, a key that is none."""
    try:
        yield
    except (BeepError, OSError, ValueError) as error:
        logger.debug("cannot_start", exc_info=error, extra={"part": part})
        reason = error.message if isinstance(error, BeepError) else str(error)
        raise UserError(
            f"Beep cannot start {part}: {reason.rstrip('.')}. See `beep doctor --data {data}`, and BEEP_LOG=debug."
        ) from error


def _allow_open_files() -> None:
    """Each client is an open file, and the 1,024 that a shell usually allows would be all of them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Some systems have a lower limit than the one that they name; then it stays as it was.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
