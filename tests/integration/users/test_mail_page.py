"""Where the mails of a development installation are shown."""

from pathlib import Path

import pytest

from services.users.__main__ import build
from services.users.config import Settings
from tests.support.clock import ManualClock
from tests.support.in_process import in_process


@pytest.mark.parametrize(
    ("public_url", "shown"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080", True),
        ("http://localhost", True),
        # A proxy that says nothing of itself would make every visitor look like somebody at this machine.
        ("https://chat.example", False),
        ("http://192.168.1.7:8080", False),
    ],
)
async def test_mails_are_shown_only_when_beep_has_no_address_for_others(
    tmp_path: Path, public_url: str, shown: bool
) -> None:
    async with (
        in_process(tmp_path, ManualClock(), "authz", "users") as beep,
        build(beep.runtime("users"), Settings(public_url=public_url)) as built,
    ):
        assert ("/mail" in built.mounts) is shown
