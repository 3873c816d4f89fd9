"""Which engine decides on a data directory, and for which installation: written down in it.

Another engine holds old facts, or none, or somebody else's. Deciding by them would bring back every right that was
taken away since; so whoever comes with one is noticed before it decides.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from services.authz.config import DATABASE, EMBEDDED_ENGINE
from services.common.errors import Internal, Unavailable

RECORD: Final = "authz.engine"
RECORD_BYTES: Final = 512
"""What a disk writes as one; a record is a quarter of it, and padded."""

PROCESS_LOCK: Final = "authz.lock"


class Claim(msgspec.Struct, frozen=True):
    """What is written down."""

    installation: str
    """Random, and never changed: the name of the tenant at a Permify."""
    engine: str


def engine_before(data: Path, engine: str) -> str:
    """The engine that decided on the directory last, if that is another one; else nothing."""
    with _record(data) as file:
        before = _read(file, data, engine).engine
    return before if before != engine else ""


def claim(data: Path, engine: str, new_id: Callable[[], str], *, adopts: bool) -> Claim:
    """Say that this engine decides here.

    Args:
        adopts: it may be another than before, which stays written down until `adopt`.

    Raises:
        Unavailable: ENGINE_CHANGED.
        Internal: ENGINE_RECORD_DAMAGED, as everything here that reads the record.
    """
    with _record(data) as file:
        found = _read(file, data, engine)
        if found.engine != engine and not adopts:
            raise Unavailable(
                "ENGINE_CHANGED",
                f"permissions were decided by {found.engine} here, and this process is set to {engine}, whose facts "
                "are old. Set BEEP_AUTHORIZER as before; or, to change the engine, start `beep up` with it once and "
                "without BEEP_AUTHZ: it brings the facts up to date before it serves",
            )
        if not found.installation:
            found = msgspec.structs.replace(found, installation=new_id())
            _write(file, found)
        return found


def adopt(data: Path, engine: str) -> None:
    """The facts of this engine are those of the sources: from now on it is the one that decides here."""
    with _record(data) as file:
        _write(file, msgspec.structs.replace(_read(file, data, engine), engine=engine))


@contextmanager
def in_use(data: Path, *, shared: bool, adopts: bool) -> Iterator[Callable[[], None]]:
    """Hold the directory's lock; free as soon as the process that has it is gone, however it went.

    Args:
        shared: others who say so may decide here too.
        adopts: not yet. Who decides by the engine before would lead, and have its facts compared instead.

    Yields:
        What lets the others in, when the engine is adopted. Raises as this does.

    Raises:
        Unavailable: ENGINE_IN_USE.
    """
    with (data / PROCESS_LOCK).open("w") as file:

        def take(kind: int) -> None:
            try:
                fcntl.flock(file, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable("ENGINE_IN_USE", _in_use(data, adopts=adopts)) from None

        take(fcntl.LOCK_SH if shared and not adopts else fcntl.LOCK_EX)
        yield lambda: take(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)


def _in_use(data: Path, *, adopts: bool) -> str:
    if adopts:
        return (
            f"other processes decide on {data} by the engine before, and this one is set to another. Stop them first: "
            "nobody may decide while the facts are brought up to date"
        )
    return (
        f"another process decides on {data} already, and the embedded engine serves only one. Stop it, or use it "
        "(BEEP_AUTHZ=HOST:PORT); several can share Permify (BEEP_AUTHORIZER=permify://HOST:PORT), but for the moment "
        "in which `beep up` changes to it"
    )


@contextmanager
def _record(data: Path) -> Iterator[IO[bytes]]:
    # Two processes may come to an empty directory at the same time.
    with os.fdopen(os.open(data / RECORD, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def _read(file: IO[bytes], data: Path, engine: str) -> Claim:
    file.seek(0)
    if text := file.read():
        try:
            return msgspec.json.decode(text, type=Claim)
        except msgspec.DecodeError:
            raise Internal("ENGINE_RECORD_DAMAGED", f"{data / RECORD} is damaged; restore it from a backup") from None
    # Without a record there is no installation either, so no tenant that held facts lets it in: what is found is empty,
    # and an empty engine allows nothing.
    return Claim("", EMBEDDED_ENGINE if (data / DATABASE).exists() else engine)


def _write(file: IO[bytes], found: Claim) -> None:
    # One write over what is there, of equal length: whenever the process or the power goes, there is a whole record.
    os.pwrite(file.fileno(), msgspec.json.encode(found).ljust(RECORD_BYTES), 0)
    os.fsync(file.fileno())
