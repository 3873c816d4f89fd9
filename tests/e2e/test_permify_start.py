"""`beep up` with a Permify that will not have it: a sentence that says what to do, and no secret."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.permify import PermifyServer


def test_up_says_that_the_key_is_wrong(tmp_path: Path, permify: PermifyServer) -> None:
    environment = permify.environment(permify.new_tenant()) | {"BEEP_PERMIFY_KEY": "hunter2"}
    done = subprocess.run(
        [sys.executable, "-m", "services.cli", "up", "--data", str(tmp_path / "data"), "--port", "0"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert f"Permify at {permify.address} refuses the key of BEEP_PERMIFY_KEY" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
