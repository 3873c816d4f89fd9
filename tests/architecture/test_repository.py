"""What is committed works on every machine: it names none, and what is generated is in step with its source."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]

# Somebody's home, root's, and the places where build machines keep a checkout. The brackets keep this line out of it.
MACHINE_PATH = re.compile(r"(?<![\w.:/}>])/(?:[h]ome/\w+|[U]sers/\w+|[r]oot|[w]ork|[w]orkspace)/[\w.]")

LOCKS = {"requirements.lock": ["build"], "requirements-dev.lock": ["build", "dev"]}


def committed_files() -> list[Path]:
    """Return what git tracks or would track."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in listing.stdout.decode().split("\0") if name)
    return [path for path in paths if path.is_file()]


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in committed_files()
        for number, line in enumerate(path.read_bytes().decode("utf-8", "replace").splitlines(), start=1)
        if MACHINE_PATH.search(line)
    ]
    assert found == []


def test_no_data_is_committed() -> None:
    assert [path for path in committed_files() if path.suffix in {".db", ".pem", ".key"}] == []


def pins(lock: str) -> dict[str, str]:
    """Return package → version, as the lock says."""
    text = (ROOT / lock).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", text, flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_registry(lock: str) -> None:
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert "://" not in text
    assert re.findall(r"^\s*--(?!hash=sha256:[0-9a-f]{64})\S*", text, flags=re.MULTILINE) == []


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_pins_what_the_project_asks_for(lock: str) -> None:
    declared: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    pinned = pins(lock)
    wanted = [*declared["project"]["dependencies"]]
    wanted += [requirement for group in LOCKS[lock] for requirement in declared["dependency-groups"][group]]
    stale = [
        text
        for text in wanted
        if not (need := Requirement(text)).specifier.contains(pinned.get(canonicalize_name(need.name), "0"))
    ]
    assert stale == [], "make lock"


def test_development_lock_holds_the_runtime_lock_in_the_same_versions() -> None:
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()


def test_stubs_are_what_the_contracts_say() -> None:
    check = [sys.executable, str(ROOT / "scripts" / "gen_protos.py"), "--check"]
    result = subprocess.run(check, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
