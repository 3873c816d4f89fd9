"""What a person is told to type when an authz is missing: as printed, it has to start the one that is missed."""

import shlex
from pathlib import Path

import pytest

from services.cli.authz_peers import how_to_start


def typed(address: str, data: Path) -> list[str]:
    return shlex.split(how_to_start(address, data).split("`")[1])


def test_hint_names_the_data_directory_from_wherever_it_is_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["beep", "run", "authz", "--data", str(tmp_path / "my data"), "--port", "9091"]
    assert typed("127.0.0.1:9091", Path("my data")) == command


@pytest.mark.parametrize(
    ("address", "host"), [("10.0.0.7:9091", "10.0.0.7"), ("localhost:9091", "localhost"), ("[::1]:9091", "::1")]
)
def test_hint_names_the_host_when_it_is_not_the_one_that_authz_listens_on_unasked(address: str, host: str) -> None:
    assert typed(address, Path("/data"))[-4:] == ["--port", "9091", "--host", host]
