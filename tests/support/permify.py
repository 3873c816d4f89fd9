"""A real Permify on a real PostgreSQL for the tests: one that runs already, or one that is started here.

Both are started on free ports of the loopback, with their data in a temporary directory, and stopped by their pids.
(Permify's gRPC ports listen on every address of the machine, whatever it is told: hence the preshared key.)
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

START_SECONDS = 30.0
POSTGRES_USER = "postgres"
"""PostgreSQL refuses to run as root."""


def found(environment: Mapping[str, str] = os.environ) -> str:
    """Why there is no Permify to test against; empty: there is one."""
    if environment.get("BEEP_TEST_PERMIFY"):
        return ""
    if shutil.which("permify") is None:
        return "no program `permify` on the PATH, and BEEP_TEST_PERMIFY names none"
    if not environment.get("BEEP_TEST_POSTGRES") and _postgres_programs() is None:
        return "no PostgreSQL for it: neither its programs nor BEEP_TEST_POSTGRES"
    return ""


def described(environment: Mapping[str, str] = os.environ) -> str:
    """Which one `found` found, for a person. (Over the network Permify does not say what it is.)"""
    if environment.get("BEEP_TEST_PERMIFY"):
        return "the one of BEEP_TEST_PERMIFY"
    version = _output("permify", "version")
    programs = _postgres_programs()
    if environment.get("BEEP_TEST_POSTGRES") or programs is None:
        return f"{version} on the PostgreSQL of BEEP_TEST_POSTGRES"
    return f"{version} on PostgreSQL {_output(programs / 'postgres', '--version').split()[2]}"


@dataclass
class Postgres:
    """A PostgreSQL of our own."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"postgres://permify@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        programs, owner = _postgres_programs(), _postgres_owner()
        assert programs is not None
        if owner is not None:
            shutil.chown(self.directory, owner)
        # Not synced, and trusting: it lives for a test, on the loopback.
        command: list[str | Path] = [
            programs / "initdb",
            "-D",
            self.data,
            "-U",
            "permify",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(command, user=owner, cwd=self.directory, check=True, stdout=subprocess.DEVNULL)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    def start(self) -> None:
        programs = _postgres_programs()
        assert programs is not None
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "fsync": "off",
            "max_connections": 200,
            "log_min_messages": "fatal",
        }
        command: list[str | Path] = [programs / "postgres", "-D", self.data]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with (self.directory / "postgres.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, user=_postgres_owner(), cwd=self.directory, stdout=log, stderr=log, start_new_session=True
            )
        _until(self._accepts, "PostgreSQL", self.process)

    def stop(self) -> None:
        """At once, as after a loss of power: its connections are cut."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait(15)

    def freeze(self) -> None:
        assert self.process is not None
        _freeze(self.process.pid)

    def thaw(self) -> None:
        assert self.process is not None
        _thaw(self.process.pid)

    def _accepts(self) -> bool:
        # The last line of it is how pg_ctl knows, too.
        status = self.data / "postmaster.pid"
        return status.exists() and status.read_text().rstrip().endswith("ready")


@dataclass
class PermifyServer:
    """A Permify that can be asked at `address` (host:port) with `key`.

    `pid` is None when somebody else started it; then it can be neither stopped nor frozen, nor can its database.
    """

    address: str
    key: str
    http: str = ""
    database: Postgres | None = None
    command: list[str] = field(default_factory=list)
    log: Path | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self.process.pid if self.process is not None else None

    def new_tenant(self) -> str:
        """The name of a tenant that nobody else has. (The last in the alphabet: cheaper for the memory engine.)"""
        return f"z{time.time_ns()}"

    def environment(self, tenant: str) -> dict[str, str]:
        """What makes a Beep use it."""
        return {"BEEP_AUTHORIZER": f"permify://{self.address}/{tenant}", "BEEP_PERMIFY_KEY": self.key}

    def start(self) -> None:
        assert self.log is not None
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        _until(self._answers, "Permify", self.process)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Kill it, if it runs, and start it again on the same ports."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        assert self.process is not None
        _freeze(self.process.pid)

    def thaw(self) -> None:
        assert self.process is not None
        _thaw(self.process.pid)

    def stop_database(self) -> None:
        assert self.database is not None
        self.database.stop()

    def start_database(self) -> None:
        assert self.database is not None
        self.database.start()

    def freeze_database(self) -> None:
        assert self.database is not None
        self.database.freeze()

    def thaw_database(self) -> None:
        assert self.database is not None
        self.database.thaw()

    def _answers(self) -> bool:
        try:
            return httpx.get(f"http://{self.http}/healthz", timeout=1.0, trust_env=False).is_success
        except httpx.HTTPError:
            return False


@contextmanager
def running(environment: Mapping[str, str] = os.environ) -> Iterator[PermifyServer]:
    """The Permify that `found` found; one that is started here is stopped at the end."""
    if address := environment.get("BEEP_TEST_PERMIFY"):
        key, http = environment.get("BEEP_TEST_PERMIFY_KEY", ""), environment.get("BEEP_TEST_PERMIFY_HTTP", "")
        yield PermifyServer(address, key, http)
        return
    with own(environment) as server:
        yield server


@contextmanager
def own(environment: Mapping[str, str] = os.environ) -> Iterator[PermifyServer]:
    """A Permify that is started here, with a PostgreSQL that is too unless the environment names one."""
    with _directory() as directory:
        database = None if environment.get("BEEP_TEST_POSTGRES") else Postgres(directory / "postgres", _free_port())
        server = None
        try:
            if database is not None:
                database.directory.mkdir()
                database.create()
                database.start()
            uri = database.uri if database is not None else environment["BEEP_TEST_POSTGRES"]
            server = _permify(directory, uri, database)
            server.start()
            yield server
        finally:
            if server is not None and server.process is not None:
                server.thaw()
                server.kill()
            if database is not None and database.process is not None and database.process.poll() is None:
                database.thaw()
                database.stop()


def _permify(directory: Path, uri: str, database: Postgres | None) -> PermifyServer:
    program = shutil.which("permify")
    assert program is not None
    key, port, http, invoker = secrets.token_hex(16), _free_port(), _free_port(), _free_port()
    flags = {
        "grpc-port": port,
        "http-enabled": "true",
        "http-port": http,
        "server-host": "127.0.0.1",
        # A second gRPC port, which is open whether or not there is anything to distribute.
        "distributed-port": invoker,
        "authn-enabled": "true",
        "authn-method": "preshared",
        "authn-preshared-keys": key,
        "database-engine": "postgres",
        "database-uri": uri,
        "log-level": "error",
        "meter-enabled": "false",
        "tracer-enabled": "false",
    }
    command = [program, "serve", *(f"--{name}={value}" for name, value in flags.items())]
    return PermifyServer(f"127.0.0.1:{port}", key, f"127.0.0.1:{http}", database, command, directory / "permify.log")


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory that PostgreSQL's user reaches as well (those of pytest are for one user only)."""
    directory = Path(tempfile.mkdtemp(prefix="beep-permify-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _output(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=START_SECONDS).stdout.strip()


def _until(ready: Callable[[], bool], name: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + START_SECONDS
    while not ready():
        assert process.poll() is None, f"{name} did not start: it ended with {process.returncode}"
        assert time.monotonic() < until, f"{name} did not get ready within {START_SECONDS:.0f} s"
        time.sleep(0.05)


def _freeze(pid: int) -> None:
    """Stop a process and then all that it has started. When this returns none of them runs: a signal is only a request,
    and on a busy machine a thread may go on for a while."""
    leader = psutil.Process(pid)
    _stop(leader)
    for child in leader.children(recursive=True):
        with suppress(psutil.NoSuchProcess, FileNotFoundError):
            _stop(child)


def _stop(process: psutil.Process) -> None:
    process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + START_SECONDS
    while any(map(_runs, Path(f"/proc/{process.pid}/task").glob("*/stat"))):
        assert time.monotonic() < until, f"process {process.pid} does not stop"
        time.sleep(0.005)


def _runs(thread: Path) -> bool:
    try:
        # The state stands behind the name, which may hold anything (proc(5)).
        return thread.read_text().rpartition(")")[2].split()[0] not in "Tt"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _thaw(pid: int) -> None:
    with suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        for process in (leader, *leader.children(recursive=True)):
            process.send_signal(signal.SIGCONT)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _postgres_programs() -> Path | None:
    """The directory of PostgreSQL's server programs, the newest: Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    versions = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    return max(versions, key=lambda path: int(path.parent.name), default=None)


def _postgres_owner() -> str | None:
    """Whom to start it as; None: as who runs the tests."""
    if os.geteuid() != 0:
        return None
    pwd.getpwnam(POSTGRES_USER)
    return POSTGRES_USER
