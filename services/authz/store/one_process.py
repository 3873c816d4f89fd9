"""The embedded engine's files belong to one process: a second one is told so, instead of deciding by half of them."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from services.common.errors import Unavailable


@contextmanager
def one_process(lock: Path) -> Iterator[None]:
    """Hold the lock file. It is free as soon as the process that has it is gone, however it went.

    Raises:
        Unavailable: ENGINE_IN_USE.
    """
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                "ENGINE_IN_USE",
                f"another process decides on {lock.parent} already, and the embedded engine serves only one. "
                "If that is `beep run authz`, `beep up` uses it with BEEP_AUTHZ=HOST:PORT; "
                "several can share Permify (BEEP_AUTHORIZER=permify://HOST:PORT)",
            ) from None
        yield
