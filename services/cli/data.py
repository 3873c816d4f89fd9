"""What lies in a data directory, beside what each service's config names."""

import fcntl
from pathlib import Path
from typing import Final

LOCK: Final = "lock"
"""Held (flock) by the one Beep that runs on the directory."""
BUS_DATABASE: Final = "bus.db"
INTERNAL_KEY: Final = "keys/internal.pem"
OPERATOR_ADDRESS: Final = "operator"
"""Where `services.cli.operator` listens, as long as a Beep runs."""


def is_locked(data: Path) -> bool:
    """Whether a Beep runs on the directory."""
    try:
        with (data / LOCK).open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
