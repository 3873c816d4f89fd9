"""What every test shares. Fixtures of one kind of test live beside it."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

pytest_plugins = ["tests.support.stories"]

# No deadlines: a slow machine is not a defect. CI draws the same examples each time, so that a red build is the
# fault of the change it builds; everybody else explores.
settings.register_profile("explore", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "explore")

_PROCESS_TESTS = tuple(Path(__file__).parent / kind for kind in ("e2e", "faults"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the tests that start a whole Beep one after another, in one worker: they would steal each other's time."""
    for item in items:
        if any(item.path.is_relative_to(folder) for folder in _PROCESS_TESTS):
            item.add_marker(pytest.mark.xdist_group("processes"))


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Return an empty data directory, as `beep up --data` would find it at its first start."""
    path = tmp_path / "data"
    path.mkdir()
    return path
