"""What every test shares. Fixtures of one kind of test live beside it."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

pytest_plugins = ["tests.support.permify_plugin", "tests.support.stories"]

# No deadlines: a slow machine is not a defect. CI draws the same examples each time, so that a red build is the
# fault of the change it builds; everybody else explores.
settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

# Handed out as a whole. Those of the page wait for a browser most of the time: their Beep disturbs no other.
ONE_BEEP_AT_A_TIME = {"tests/e2e/": "e2e and faults", "tests/faults/": "e2e and faults", "tests/web/": "web"}


class OneBeepAtATime(LoadScopeScheduling):  # type: ignore[misc]  # pytest-xdist has no types
    """Hands out tests one by one, but those that measure a whole Beep to one worker.

    Else they would steal each other's time.
    """

    def _split_scope(self, nodeid: str) -> str:
        return next((unit for folder, unit in ONE_BEEP_AT_A_TIME.items() if nodeid.startswith(folder)), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> OneBeepAtATime:
    """Decide, under pytest-xdist, who runs what."""
    return OneBeepAtATime(config, log)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return an empty data directory, as `beep up --data` would find it at its first start."""
    path = tmp_path / "data"
    path.mkdir()
    return path
