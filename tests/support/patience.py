"""How many times as long as is promised a test waits.

A machine that runs other tests beside it is slower than one that serves.
"""

from typing import Final

PATIENCE: Final = 3.0
