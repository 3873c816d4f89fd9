"""The fixtures of tests that need a real Permify, and the word on whether there was one.

Without one these tests are skipped and the last lines of the run say so; with BEEP_REQUIRE=permify they fail.

With BEEP_E2E_ENGINE=permify it decides in every Beep that the tests start as a process; else only in those of the tests
that are marked, which run on the embedded engine as well.
"""

import os
from collections import Counter
from collections.abc import Generator, Iterator

import pytest

from tests.support import permify as permify_server
from tests.support.beep_process import BeepProcess
from tests.support.permify import PermifyServer

FIXTURES = frozenset({"permify", "own_permify"})
NOT_TESTED = "Permify: not tested"
BEEPS = ("tests/conformance/", "tests/e2e/", "tests/faults/", "tests/web/")
"""Where tests start a whole Beep."""
ALL_ON_PERMIFY = os.environ.get("BEEP_E2E_ENGINE") == "permify"


@pytest.fixture(scope="session")
def permify() -> Iterator[PermifyServer]:
    """A Permify that all tests of the run share: each takes a tenant of its own."""
    _demand(permify_server.found())
    with permify_server.running() as server:
        yield server


@pytest.fixture(scope="session", autouse=ALL_ON_PERMIFY)
def permify_in_every_beep(permify: PermifyServer) -> Iterator[None]:
    """Let it decide in every Beep."""
    BeepProcess.permify = permify
    yield
    BeepProcess.permify = None


@pytest.fixture(scope="module")
def own_permify() -> Iterator[PermifyServer]:
    """A Permify that the tests of a module may break, and its database too; each mends it again."""
    missing = permify_server.found()
    if not missing and os.environ.get("BEEP_TEST_PERMIFY"):
        # Of a server that somebody else runs nothing can be killed; but where there is a program, one can be started.
        missing = permify_server.found({key: value for key, value in os.environ.items() if key != "BEEP_TEST_PERMIFY"})
        if missing:
            pytest.skip(
                f"{NOT_TESTED} while it is broken (the one of BEEP_TEST_PERMIFY is not ours to break; {missing})"
            )
    _demand(missing)
    with permify_server.own() as server:
        yield server


def _demand(missing: str) -> None:
    if not missing:
        return
    if "permify" in os.environ.get("BEEP_REQUIRE", "").split(","):
        pytest.fail(f"BEEP_REQUIRE asks for Permify, and there is none: {missing}")
    pytest.skip(f"{NOT_TESTED} ({missing})")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that needs one, before pytest chooses by marks (`make test-permify`)."""
    for item in items:
        if isinstance(item, pytest.Function) and _needs_permify(item):
            item.add_marker("permify")


def _needs_permify(item: pytest.Function) -> bool:
    if ALL_ON_PERMIFY and item.nodeid.startswith(BEEPS):
        return True
    if not FIXTURES.isdisjoint(item.fixturenames):
        return True
    # One of the engines that a test or its fixture is parametrised by.
    return hasattr(item, "callspec") and "permify" in item.callspec.params.values()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let all skipped tests be skipped at one place: pytest then tells of them in one line, not in hundreds."""
    report = yield
    if report.skipped and isinstance(report.longrepr, tuple) and NOT_TESTED in report.longrepr[2]:
        report.longrepr = (__file__, _demand.__code__.co_firstlineno, report.longrepr[2])
    return report


def pytest_unconfigure(config: pytest.Config) -> None:
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return  # a worker of a run in several processes
    skipped = [report.longrepr[2].removeprefix("Skipped: ") for report in reporter.stats.get("skipped", ())]
    for reason, count in Counter(skipped).items():
        if reason.startswith(NOT_TESTED):
            reporter.write_line(f"{reason}: {count} {'test' if count == 1 else 'tests'} skipped", yellow=True)
