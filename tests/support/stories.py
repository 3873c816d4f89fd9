"""Which stories do the tests show?

A test that drives a story through the public edge is marked with its id: `@pytest.mark.story("CHT-08")`, or several
ids. The ids are those of docs/stories.toml; another one is an error when the tests are collected, not a story that
nobody ever looks for. `pytest --stories-report FILE` prints every story with its state and writes the table to FILE.

A story has *passed* when at least one of its tests ran and every one of them passed; it has *failed* when one of them
did anything else; it was *not run* when none of them ran, and with none it has *no test*.

That is said twice: of the tests in which a real Permify decides (those marked `permify`), and of all others, in which
the embedded engine does.
"""

import tomllib
from collections.abc import Generator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import permify

STORIES: Final = Path(__file__).resolve().parents[2] / "docs" / "stories.toml"

# What pytest makes of a name in a test module: nothing, one thing, or the cases of a parametrised test.
_Made = pytest.Item | pytest.Collector | list[pytest.Item | pytest.Collector] | None

_PLUGIN_NAME: Final = "beep-stories"
_OUTPUT_KEY: Final = "beep_stories"


class State(Enum):
    """What the tests say of a story."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    NO_TEST = "no test"


class Engine(Enum):
    """What decides in a test."""

    EMBEDDED = "embedded"
    PERMIFY = "Permify"

    @classmethod
    def of(cls, item: pytest.Item) -> "Engine":
        return cls.PERMIFY if item.get_closest_marker("permify") is not None else cls.EMBEDDED


def read_stories(path: Path = STORIES) -> dict[str, dict[str, str]]:
    """Return area → id → text, in the file's order."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def state_of(outcomes: list[str]) -> State:
    """Return what the outcomes of all tests of one story ("passed", "failed", "skipped", "not run") come to."""
    if not outcomes:
        return State.NO_TEST
    if not set(outcomes) & {"passed", "failed"}:
        return State.NOT_RUN
    return State.PASSED if set(outcomes) == {"passed"} else State.FAILED


class StoryReport:
    """Collects, over one run of the tests, who shows what and how it went."""

    def __init__(self, areas: Mapping[str, Mapping[str, str]]) -> None:
        self._areas = areas
        self._known = {story for stories in areas.values() for story in stories}
        # By the name of the engine, by story. (Plain names, because workers hand it over.)
        self._tests: dict[str, dict[str, list[str]]] = {}
        self._outcomes: dict[str, str] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self, collector: pytest.Collector) -> Generator[None, _Made, _Made]:
        """Refuse an id that no story has, as an error of the file's collection: workers report that well."""
        made = yield
        items = [item for item in (made if isinstance(made, list) else [made]) if isinstance(item, pytest.Item)]
        for item in items:
            for mark in item.iter_markers("story"):
                if not mark.args or mark.kwargs or not self._known.issuperset(mark.args):
                    raise collector.CollectError(f"{item.name}: no such story in docs/stories.toml: {mark.args}")
        return made

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note which tests are to run, before one of them can take the process down."""
        for item in session.items:
            for mark in item.iter_markers("story"):
                for story in mark.args:
                    by_story = self._tests.setdefault(Engine.of(item).value, {})
                    by_story.setdefault(story, []).append(item.nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the worst of a test's phases: one that passes and cannot be torn down has failed."""
        if report.failed or (report.skipped and self._outcomes.get(report.nodeid) != "failed"):
            self._outcomes[report.nodeid] = report.outcome
        elif report.when == "call":
            self._outcomes.setdefault(report.nodeid, report.outcome)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """In a worker of pytest-xdist: hand what was collected to the process that sees the reports."""
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_OUTPUT_KEY] = self._tests

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take it. All workers collect the same tests; one that crashed has handed over nothing."""
        self._tests = self._tests or getattr(node, "workeroutput", {}).get(_OUTPUT_KEY, {})

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: pytest.ExitCode, config: pytest.Config
    ) -> None:
        """Print the table and write it, if that was asked for and the run came to its end."""
        target: Path | None = config.getoption("stories_report")
        # What had not run yet when a run was interrupted would stand in the table as failed.
        if target is None or exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        terminalreporter.section("stories")
        for stories in self._areas.values():
            for story, text in stories.items():
                states = "  ".join(f"{self._state(story, engine).value:7}" for engine in Engine)
                terminalreporter.line(f"{story}  {states}  {text}")
        for engine in Engine:
            terminalreporter.line(self._total(engine))
        target.write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """Return the table as a page. It says nothing of time or machine: the same outcome is the same page."""
        lines = ["# Stories", "", "Written by `make stories`; the texts are those of [stories.toml](stories.toml).", ""]
        for engine in Engine:
            lines += [f"- {self._total(engine)}"]
        lines += ["", "A story that no test shows on Permify is one that starts no Beep, or that a browser shows.", ""]
        heads = " | ".join(engine.value for engine in Engine)
        for area, stories in self._areas.items():
            lines += [f"## {area}", "", f"| id | {heads} | story | tests |", "|---|---|---|---|---|"]
            for story, text in stories.items():
                states = " | ".join(self._state(story, engine).value for engine in Engine)
                lines.append(f"| {story} | {states} | {text.replace('|', '&#124;')} | {self._links(story)} |")
            lines.append("")
        return "\n".join(lines)

    def _of(self, story: str, engine: Engine) -> list[str]:
        return self._tests.get(engine.value, {}).get(story, [])

    def _state(self, story: str, engine: Engine) -> State:
        return state_of([self._outcomes.get(test, "not run") for test in self._of(story, engine)])

    def _total(self, engine: Engine) -> str:
        states = [self._state(story, engine) for stories in self._areas.values() for story in stories]
        ran = bool(set(states) & {State.PASSED, State.FAILED})
        name = f"{engine.value}, {permify.described()}" if engine is Engine.PERMIFY and ran else engine.value
        if engine is Engine.PERMIFY and not ran:
            name += f", not run here ({permify.found() or 'none of its tests was chosen'})"
        counts = ", ".join(f"{states.count(state)} {state.value}" for state in State)
        return f"{name}: {counts}, of {len(states)} stories"

    def _links(self, story: str) -> str:
        # One link for all cases of a parametrised test.
        tests = {test.partition("[")[0] for engine in Engine for test in self._of(story, engine)}
        return "<br>".join(
            f"[{name.rpartition('::')[2]}](../{path})"
            for path, _, name in (test.partition("::") for test in sorted(tests))
        )


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that asks for the table."""
    parser.addoption(
        "--stories-report", type=Path, metavar="FILE", help="print the state of every story, write it to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start collecting; the marks are looked at in every run, so that a wrong id never waits for a report."""
    config.pluginmanager.register(StoryReport(read_stories()), _PLUGIN_NAME)
