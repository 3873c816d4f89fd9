"""The contracts: a change that an older peer would not understand is found before it is merged."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROTOS = ROOT / "protos"
BUF = Path(sys.executable).with_name("buf")


def breaking(protos: Path) -> subprocess.CompletedProcess[str]:
    """Compare these contracts with the released ones, as `make check` does."""
    return subprocess.run(
        [BUF, "breaking", protos, "--against", PROTOS / "released.binpb"], capture_output=True, text=True, check=False
    )


@pytest.mark.story("SYS-01")
def test_contracts_break_no_released_peer() -> None:
    assert breaking(PROTOS).returncode == 0


@pytest.mark.story("SYS-01")
@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("messages/v1/message.proto", "string content = 6;", "bytes content = 6;"),
        ("authz/v1/authz_service.proto", "  int64 missing = 2;\n", ""),
        ("servers/v1/channel.proto", "CHANNEL_TYPE_CATEGORY = 2;", "CHANNEL_TYPE_FOLDER = 2;"),
    ],
    ids=["a field's type", "a field", "an enum value's name"],
)
def test_change_is_found_when_it_breaks_a_released_peer(tmp_path: Path, file: str, old: str, new: str) -> None:
    changed = shutil.copytree(PROTOS, tmp_path / "protos")
    proto = changed / "beep" / file
    text = proto.read_text()
    assert old in text
    proto.write_text(text.replace(old, new))
    found = breaking(changed)
    assert found.returncode != 0
    assert Path(file).name in found.stdout
