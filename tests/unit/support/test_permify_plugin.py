"""What a run of the tests says of Permify when there is none, or none that it may break."""

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

SUITE = """
def test_without(): pass
def test_with(permify): pass
def test_breaks_it(own_permify): pass
"""
NONE = "no program `permify` on the PATH, and BEEP_TEST_PERMIFY names none"


@pytest.fixture(autouse=True)
def nothing_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("BEEP_TEST_PERMIFY", "BEEP_TEST_POSTGRES", "BEEP_REQUIRE", "BEEP_E2E_ENGINE"):
        monkeypatch.delenv(name, raising=False)


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    root = Path(__file__).resolve().parents[3].as_posix()
    pytester.makeini(f"[pytest]\nmarkers =\n    permify\npythonpath = {root!r} {root + '/gen'!r}\n")
    pytester.makeconftest('pytest_plugins = ["tests.support.permify_plugin"]')
    pytester.makepyfile(test_suite=SUITE)
    pytester.plugins = ["xdist"]
    return pytester.runpytest_subprocess(*arguments)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_last_line_says_that_permify_was_not_tested_and_why(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run(pytester, *workers)
    result.assert_outcomes(passed=1, skipped=2)
    assert result.outlines[-1] == f"Permify: not tested ({NONE}): 2 tests skipped"


def test_absence_of_permify_is_a_failure_when_it_is_required(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEEP_REQUIRE", "permify")
    result = run(pytester)
    result.assert_outcomes(passed=1, errors=2)
    result.stdout.fnmatch_lines(["*BEEP_REQUIRE asks for Permify, and there is none*"])


def test_last_line_says_what_was_not_broken_when_the_only_permify_is_somebody_elses(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEEP_TEST_PERMIFY", "permify.example:3478")
    result = run(pytester)
    result.assert_outcomes(passed=2, skipped=1)
    why = f"the one of BEEP_TEST_PERMIFY is not ours to break; {NONE}"
    assert result.outlines[-1] == f"Permify: not tested while it is broken ({why}): 1 test skipped"
