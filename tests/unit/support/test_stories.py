"""The story report, seen as its reader sees it: by running pytest on a small suite of its own."""

from pathlib import Path

import pytest

from tests.support.stories import State, StoryReport, read_stories, state_of

pytest_plugins = ["pytester"]

SETTINGS = f"""
[pytest]
markers =
    story(id)
    permify
pythonpath = {Path(__file__).resolve().parents[3].as_posix()!r}
"""


@pytest.fixture(autouse=True)
def only_named_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading all that is installed takes longer than these tests. What Permify is there is none of their business."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("BEEP_TEST_PERMIFY", "permify.example:3478")


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], State.NO_TEST),
        (["skipped", "not run"], State.NOT_RUN),
        (["passed", "passed"], State.PASSED),
        (["passed", "failed"], State.FAILED),
        (["passed", "skipped"], State.FAILED),
        (["passed", "not run"], State.FAILED),
    ],
)
def test_story_state_is_passed_only_when_every_test_ran_and_passed(outcomes: list[str], state: State) -> None:
    assert state_of(outcomes) is state


def test_stories_have_unique_ids_of_their_area() -> None:
    stories = [story for area in read_stories().values() for story in area]
    assert len(stories) == len(set(stories)) == 108


def test_empty_run_reports_every_story_without_test() -> None:
    page = StoryReport(read_stories()).markdown()
    assert page.count("| no test | no test |") == 108
    assert "embedded: 0 passed, 0 failed, 0 not run, 108 no test, of 108 stories" in page


SUITE = """
import pytest

@pytest.mark.story("CHT-08", "CHT-18")
@pytest.mark.parametrize("case", ["a[b]::c", "d"])
def test_send_reaches_everyone(case): pass

@pytest.mark.story("CHT-10")
def test_delete_works(): pass

@pytest.mark.story("CHT-10")
def test_delete_is_denied(): assert False

@pytest.fixture
def leak():
    yield
    raise RuntimeError("left behind")

@pytest.mark.story("CHT-11")
def test_edit_works(leak): pass

@pytest.mark.story("CHT-12")
def test_history_is_skipped(): pytest.skip("no client here")

@pytest.fixture(params=["a", pytest.param("b", marks=pytest.mark.permify)])
def beep(request): return request.param

@pytest.mark.story("SRV-01")
def test_server_is_made(beep): pass

@pytest.mark.story("SRV-02")
def test_invitation_is_sent(beep): assert beep == "a"

@pytest.mark.story("SRV-03")
def test_link_is_made(beep):
    if beep == "b": pytest.skip("there is no Permify")
"""


def run_suite(pytester: pytest.Pytester, suite: str, *arguments: str) -> pytest.RunResult:
    pytester.makeini(SETTINGS)
    pytester.makeconftest('pytest_plugins = ["tests.support.stories"]')
    pytester.makepyfile(test_suite=suite)
    pytester.plugins = ["xdist"]
    return pytester.runpytest_subprocess(*arguments)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one process", "workers"])
def test_report_is_the_same_page_however_the_tests_are_run(
    pytester: pytest.Pytester, tmp_path: Path, workers: tuple[str, ...]
) -> None:
    page = tmp_path / "stories.md"
    result = run_suite(pytester, SUITE, "--stories-report", str(page), *workers)

    text = page.read_text(encoding="utf-8")
    lines = {line.split(" | ")[0].removeprefix("| "): line for line in text.splitlines() if line.startswith("| ")}
    assert "| passed | no test |" in lines["CHT-08"]
    assert lines["CHT-08"].endswith("| [test_send_reaches_everyone](../test_suite.py) |")
    assert "| passed |" in lines["CHT-18"]
    assert "| failed |" in lines["CHT-10"]
    assert lines["CHT-10"].endswith(
        "| [test_delete_is_denied](../test_suite.py)<br>[test_delete_works](../test_suite.py) |"
    )
    assert "| failed |" in lines["CHT-11"], "its test passed and could not be torn down"
    assert "| not run | no test |" in lines["CHT-12"], "its one test was skipped"
    assert "| passed | passed |" in lines["SRV-01"]
    assert "| passed | failed |" in lines["SRV-02"]
    assert "| passed | not run |" in lines["SRV-03"]
    assert lines["SRV-01"].endswith("| [test_server_is_made](../test_suite.py) |")
    assert "- embedded: 5 passed, 2 failed, 1 not run, 100 no test, of 108 stories" in text
    assert "- Permify, the one of BEEP_TEST_PERMIFY: 1 passed, 1 failed, 1 not run, 105 no test, of 108 stories" in text
    result.stdout.fnmatch_lines(["CHT-08  passed   no test  user: send a message, and have it reach*"])


def test_report_says_so_when_there_was_no_permify(
    pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("BEEP_TEST_PERMIFY")
    monkeypatch.setenv("PATH", str(tmp_path))
    page = tmp_path / "stories.md"
    run_suite(pytester, SUITE, f"--stories-report={page}", "-k", "link")
    text = page.read_text(encoding="utf-8")
    assert "| SRV-03 | passed | not run |" in text
    assert "- Permify, not run here (no program" in text


def test_mark_is_an_error_when_it_names_no_story(pytester: pytest.Pytester) -> None:
    marks = ["story", 'story("CHT-99")', 'story("CHT-08", "CHT-99")']
    suite = "import pytest\n@pytest.mark.{}\nclass TestIt:\n    def test_nothing(self): pass\n"
    pytester.makepyfile(**{f"test_{number}": suite.format(mark) for number, mark in enumerate(marks)})
    result = run_suite(pytester, "def test_other(): pass", "-n", "1")
    result.assert_outcomes(passed=1, errors=len(marks))
    result.stdout.fnmatch_lines(["test_nothing: no such story in docs/stories.toml: ('CHT-08', 'CHT-99')"])


def test_story_whose_test_took_its_worker_down_has_failed(pytester: pytest.Pytester, tmp_path: Path) -> None:
    suite = 'import os, pytest\n@pytest.mark.story("CHT-08")\ndef test_dies(): os._exit(1)\n'
    page = tmp_path / "stories.md"
    run_suite(pytester, suite + "def test_other(): pass\n", "--stories-report", str(page), "-n", "2")
    assert "| CHT-08 | failed |" in page.read_text(encoding="utf-8")


def test_story_whose_test_was_not_reached_is_not_passed(pytester: pytest.Pytester, tmp_path: Path) -> None:
    suite = 'import pytest\ndef test_a(): assert False\n@pytest.mark.story("CHT-08")\ndef test_b(): pass\n'
    page = tmp_path / "stories.md"
    run_suite(pytester, suite, "--stories-report", str(page), "-x")
    assert "| CHT-08 | not run | no test |" in page.read_text(encoding="utf-8")


def test_page_is_left_as_it_was_when_the_run_is_interrupted(pytester: pytest.Pytester, tmp_path: Path) -> None:
    suite = 'import pytest\n@pytest.mark.story("CHT-08")\ndef test_long(): raise KeyboardInterrupt\n'
    page = tmp_path / "stories.md"
    page.write_text("of the last whole run")
    result = run_suite(pytester, suite, f"--stories-report={page}")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert page.read_text(encoding="utf-8") == "of the last whole run"
