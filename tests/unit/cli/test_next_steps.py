"""What `beep demo` prints can be copied into a shell as it is."""

import shlex
import sys
from pathlib import Path

import pytest

from services.cli.next_steps import DEFAULT_URL, demo_command, installed, next_steps

MADE = {
    "api": "http://127.0.0.1:8080/api/v10",
    "gateway": "ws://127.0.0.1:8080",
    "server_id": "1",
    "channel_id": "2",
    "bot": {"user_id": "3", "token": "the-bots-token"},
    "users": [
        {"username": name, "email": f"{name}@example.com", "password": f"-{name} $(x)", "token": f"token-of-{name}"}
        for name in ("ada", "ben", "cleo")
    ],
}


def test_next_steps_name_everybody_and_their_rights() -> None:
    text = next_steps(MADE, DEFAULT_URL)
    lines = [line.split() for line in text.splitlines() if "@example.com" in line and "token" not in line]
    assert [(line[0], line[-4]) for line in lines] == [
        ("owner", "ada@example.com"),
        ("may", "ben@example.com"),
        ("has", "cleo@example.com"),
    ]


def test_next_steps_quote_what_a_shell_would_read() -> None:
    sign_in = next(line for line in next_steps(MADE, DEFAULT_URL).splitlines() if "TOKEN=$(" in line)
    words = shlex.split(sign_in.strip().removeprefix("TOKEN=$(").removesuffix(")"))
    assert words[1:] == ["token", "ben@example.com", "--password=-ben $(x)"]


def test_next_steps_name_the_address_when_it_is_not_the_default() -> None:
    assert "--url" not in next_steps(MADE, DEFAULT_URL)
    assert "--url http://chat.example:9000)" in next_steps(MADE, "http://chat.example:9000")
    assert demo_command("http://chat.example:9000").endswith("demo --url http://chat.example:9000")


def test_next_steps_hold_no_access_token() -> None:
    text = next_steps(MADE, DEFAULT_URL)
    assert "token-of-" not in text
    assert "BEEP_BOT_TOKEN=the-bots-token" in text


def test_installed_is_relative_when_it_lies_below_the_current_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.chdir(tmp_path)
    assert installed("beep") == ".venv/bin/beep"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert installed("beep") == str(tmp_path / ".venv" / "bin" / "beep")


def test_installed_is_the_bare_name_when_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "beep"
    program.touch(mode=0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert installed("beep") == "beep"
