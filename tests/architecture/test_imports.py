"""The import contracts of pyproject.toml see what they are there to see: each turns red on a planted violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")

MEET_IN_PROTOS = "Services meet only in protos/"
LAYERS = "In a service, what speaks stands on what stores"
PURE_DOMAIN = "A domain is pure"
STORE = "A store knows no transport"
WIRE = "Rendering the public wire is a pure function"


def broken_contracts(root: Path) -> list[str]:
    """Return the lines that name a broken contract."""
    result = subprocess.run([LINT_IMPORTS, "--no-cache"], cwd=root, capture_output=True, text=True, check=False)
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert (result.returncode == 0) is not bool(broken), result.stdout + result.stderr
    return broken


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the tree that a test may spoil."""
    shutil.copytree(ROOT / "services", tmp_path / "services", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


@pytest.mark.parametrize(
    ("importer", "imported", "contract"),
    [
        ("messages/store/planted.py", "services.servers", MEET_IN_PROTOS),
        ("users/planted.py", "services.cli", MEET_IN_PROTOS),
        ("common/planted.py", "services.authz", MEET_IN_PROTOS),
        ("wire/planted.py", "services.messages", MEET_IN_PROTOS),
        ("unheard_of/__init__.py", "typing", MEET_IN_PROTOS),
        ("messages/domain/planted.py", "services.messages.store", LAYERS),
        ("servers/store/planted.py", "services.servers.service", LAYERS),
        ("authz/store/planted.py", "services.authz.__main__", LAYERS),
        ("messages/domain/planted.py", "asyncio", PURE_DOMAIN),
        ("servers/domain/planted.py", "random", PURE_DOMAIN),
        ("users/domain/planted.py", "beep.users.v1.user_pb2", PURE_DOMAIN),
        ("authz/domain/planted.py", "services.common.sqlite", PURE_DOMAIN),
        ("messages/store/planted.py", "grpc", STORE),
        ("wire/planted.py", "services.common.clock", WIRE),
    ],
)
def test_contract_breaks_when_a_violation_is_planted(copy: Path, importer: str, imported: str, contract: str) -> None:
    planted = copy / "services" / importer
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"import {imported}\n", encoding="utf-8")
    assert any(contract in line for line in broken_contracts(copy))
