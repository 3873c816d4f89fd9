"""The Beeps that the tests of `tests/e2e` share, and which of them a test runs on.

On the embedded engine its services call each other in process or over gRPC. Whoever plays a whole table or plays at
random does it once per engine, and over gRPC only with BEEP_E2E=full; all others always run on each.
"""

import os
from typing import Final

import pytest

from tests.support.permify_plugin import ALL_ON_PERMIFY

FULL: Final = os.environ.get("BEEP_E2E") == "full"
BEEPS: Final = ("permify",) if ALL_ON_PERMIFY else ("inprocess", "grpc", "permify")
ONE_OF_EACH_ENGINE: Final = BEEPS if FULL else tuple(beep for beep in BEEPS if beep != "grpc")

once_per_engine: Final = pytest.mark.parametrize("beep", ONE_OF_EACH_ENGINE, indirect=True)
