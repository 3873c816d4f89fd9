"""A real `beep up` in its own process: started, killed, started again on the same data and port."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from tests.support.permify import PermifyServer

START_SECONDS = 30.0


@dataclass
class BeepProcess:
    """`url` is known once it has been started; a restart keeps the port, so that clients find it again."""

    data: Path
    env: dict[str, str] = field(default_factory=dict)
    port: int = 0
    url: str = ""
    gateway: str = ""
    # What is run: a test of a planted defect names a module that plants it and then runs the same command line.
    module: str = "services.cli"
    process: subprocess.Popen[str] | None = None
    output: list[str] = field(default_factory=list)
    # Decides in every Beep of this run, each with a tenant of its own; None: the engine that is embedded in each.
    permify: ClassVar[PermifyServer | None] = None
    tenant: str = ""

    def start(self) -> Self:
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, "up", "--data", str(self.data), "--port", str(self.port)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | self._engine() | self.env,
            )
        try:
            self._read_addresses()
        except BaseException:
            self.kill()
            raise
        return self

    def _engine(self) -> dict[str, str]:
        if self.permify is None:
            return {}
        self.tenant = self.tenant or self.permify.new_tenant()
        return self.permify.environment(self.tenant)

    def _read_addresses(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        until = time.monotonic() + START_SECONDS
        text = ""
        while "Gateway" not in text or not text.endswith("\n"):
            readable, _, _ = select.select([self.process.stdout], [], [], max(0.0, until - time.monotonic()))
            # Straight from the descriptor: what a buffered reader holds back, select does not see.
            read = os.read(self.process.stdout.fileno(), 4096).decode() if readable else ""
            if not read:
                raise AssertionError(f"beep up did not get ready: {text}\n{self.log.read_text()[-3000:]}")
            text += read
        self.gateway = re.search(r"ws://\S+", text)[0]  # type: ignore[index]
        self.url = re.search(r"http://[^\s/]+", text)[0]  # type: ignore[index]
        self.port = int(self.url.rsplit(":", 1)[1])
        self.output.append(text)

    @property
    def log(self) -> Path:
        """What it wrote to standard error, over all its starts."""
        return self.data.parent / f"{self.data.name}.log"

    @property
    def on_permify(self) -> bool:
        return self.permify is not None or "BEEP_AUTHORIZER" in self.env

    @property
    def api(self) -> str:
        return f"{self.url}/api/v10"

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """SIGKILL: no handler runs, nothing is flushed."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self) -> int:
        """SIGINT, as Ctrl-C. Returns the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self._reap()

    def _reap(self) -> int:
        assert self.process is not None
        try:
            code = self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("beep up did not stop within 15 s") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return code

    def demo(self) -> dict[str, Any]:
        """What `beep demo --json --small` made: the second server would only take time."""
        done = subprocess.run(
            [sys.executable, "-m", "services.cli", "demo", "--json", "--small", "--url", self.url],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result
