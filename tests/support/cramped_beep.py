"""Beep on a disk on which no file can grow beyond a size: what a full one says, to who writes large files only.

Run as `python -m tests.support.cramped_beep up …`.
"""

import resource
from typing import Final

from services.cli.__main__ import main

FILE_BYTES: Final = 8 * 1024 * 1024

if __name__ == "__main__":
    # Beyond it a write fails with EFBIG (setrlimit(2)); Python ignores the signal that comes with it.
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES, FILE_BYTES))
    main()
