"""A real `beep run authz` in its own process, on the data directory of a Beep that uses it."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_SECONDS = 15.0


@dataclass
class AuthzProcess:
    """What a whole Beep is to `BeepProcess`; `module` is what is run, as there."""

    data: Path
    port: int
    env: Mapping[str, str]
    module: str = "services.cli"
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        return self.data.parent / f"authz-{self.port}.log"

    def start(self) -> None:
        """Return when it is ready."""
        self.begin()
        self.wait_until_ready()

    def begin(self) -> None:
        command = [
            sys.executable,
            "-m",
            self.module,
            "run",
            "authz",
            "--data",
            str(self.data),
            "--port",
            f"{self.port}",
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env={**os.environ, **self.env})

    def wait_until_ready(self) -> None:
        """It is when it has said so."""
        assert self.process is not None
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            self.stop()
            raise AssertionError(f"authz did not get ready: {self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """SIGKILL: no handler runs, no lease is given up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()

    def freeze(self) -> None:
        """SIGSTOP: it does nothing, and does not know."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("authz did not stop") from None
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()


@contextmanager
def authz_processes(
    count: int, data: Path, env: Mapping[str, str], module: str = "services.cli"
) -> Iterator[list[AuthzProcess]]:
    """So many of them, which share a lane."""
    with ExitStack() as stack:
        # All ports before the first process, which must not get that of the second.
        processes = [AuthzProcess(data, port, env, module) for port in free_ports(count)]
        for process in processes:
            process.begin()
            stack.callback(process.stop)
        for process in processes:
            process.wait_until_ready()
        yield processes


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]
