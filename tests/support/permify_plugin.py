"""The fixtures of tests that need a real Permify, and the word on whether there was one.

Without one these tests are skipped and the last lines of the run say so; with BEEP_REQUIRE=permify they fail.
"""

import os
from collections.abc import Iterator

import pytest

from tests.support import permify as permify_server
from tests.support.permify import PermifyServer

NOT_TESTED = "Permify: not tested"


@pytest.fixture(scope="session")
def permify() -> Iterator[PermifyServer]:
    """A Permify that all tests of the run share: each takes a tenant of its own."""
    _demand(permify_server.found())
    with permify_server.running() as server:
        yield server


@pytest.fixture
def own_permify() -> Iterator[PermifyServer]:
    """A Permify that a test may break, and its database too."""
    missing = permify_server.found()
    if not missing and os.environ.get("BEEP_TEST_PERMIFY"):
        # Of a server that somebody else runs nothing can be killed; but where there is a program, one can be started.
        missing = permify_server.found({key: value for key, value in os.environ.items() if key != "BEEP_TEST_PERMIFY"})
        if missing:
            pytest.skip(f"this test breaks its Permify, and the one of BEEP_TEST_PERMIFY is not ours: {missing}")
    _demand(missing)
    with permify_server.own() as server:
        yield server


def _demand(missing: str) -> None:
    if not missing:
        return
    if "permify" in os.environ.get("BEEP_REQUIRE", "").split(","):
        pytest.fail(f"BEEP_REQUIRE asks for Permify, and there is none: {missing}")
    pytest.skip(f"{NOT_TESTED} ({missing})")


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return  # a worker of a run in several processes
    skipped = [report for report in reporter.stats.get("skipped", ()) if NOT_TESTED in str(report.longrepr)]
    if skipped:
        reporter.write_line(f"{NOT_TESTED} ({permify_server.found()}): {len(skipped)} tests skipped", yellow=True)
