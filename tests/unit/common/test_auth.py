from pathlib import Path

import pytest

from services.common.auth import load_or_create_key


def test_key_is_that_of_the_faster_when_two_processes_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "keys" / "internal.pem"
    faster = load_or_create_key(path)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "exists", lambda _: False)  # as it was when the slower one looked
        slower = load_or_create_key(path)
    assert slower.as_pem() == faster.as_pem() == load_or_create_key(path).as_pem()
    assert [file.name for file in path.parent.iterdir()] == ["internal.pem"]
    assert path.stat().st_mode & 0o777 == 0o600
