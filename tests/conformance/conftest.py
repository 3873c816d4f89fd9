from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conformance.stage import Stage
from tests.support.beep_process import BeepProcess


@pytest.fixture(scope="session")
def beep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BeepProcess]:
    data: Path = tmp_path_factory.mktemp("conformance") / "data"
    process = BeepProcess(data, env={"BEEP_RATE_LIMITS": "off"}).start()
    yield process
    assert process.stop() == 0
    # Whatever was not foreseen is answered with 500 and logged.
    assert [line for line in process.log.read_text().splitlines() if "Traceback" in line] == []


@pytest.fixture(scope="session")
def stage(beep: BeepProcess) -> Iterator[Stage]:
    with httpx.Client(base_url=beep.url, timeout=20, verify=False) as http:
        yield Stage.make(beep, http)
