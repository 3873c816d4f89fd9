"""Secret keys of this installation, one a file, readable by its owner only."""

import os
from collections.abc import Callable
from pathlib import Path


def read_or_create(path: Path, make: Callable[[], bytes]) -> bytes:
    """What is in the file, which is made if there is none.

    Raises:
        PermissionError: others may read the file.
    """
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        pending = path.with_suffix(".new")
        pending.unlink(missing_ok=True)
        # O_EXCL and the mode at creation: at no moment is there a key that somebody else could open.
        descriptor = os.open(pending, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(make())
            file.flush()
            os.fsync(file.fileno())
        pending.rename(path)
    if path.stat().st_mode & 0o077:
        raise PermissionError(f"{path.name} holds a private key: its mode must be 0600")
    return path.read_bytes()
