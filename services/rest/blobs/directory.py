"""Blobs as files in a directory.

A file begins with one line of JSON, its metadata, and goes on with the bytes: one file is one blob, so that a rename
makes both visible at once. Half-written files are in `incoming`, which no key can name.
"""

import asyncio
import errno
import os
import shutil
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final, ParamSpec, TypeVar

import msgspec

from services.common.errors import Unavailable
from services.rest.blobs.ports import CHUNK_BYTES, BlobInfo, BlobMissing, Metadata, check_key

P = ParamSpec("P")
T = TypeVar("T")

RESERVED_BYTES: Final = 256 * 1024 * 1024
"""Left free on the disk, which the databases share: an upload is refused before messages are."""

_THREADS: Final = 4
_INCOMING: Final = ".incoming"
_NO_ROOM: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class DirectoryBlobs:
    """`open` makes one."""

    def __init__(self, root: Path, reserved: int) -> None:
        """Use `open`."""
        self._root = root
        self._incoming = root / _INCOMING
        self._reserved = reserved
        self._numbers = count()
        # Of its own: a disk that hangs must not hold up what else uses threads.
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")

    @classmethod
    async def open(cls, root: Path, *, reserved: int = RESERVED_BYTES) -> "DirectoryBlobs":
        """Makes the directory if it is missing.

        Args:
            root: nobody else's.
            reserved: how much must stay free on its disk, in bytes.

        Raises:
            OSError: it cannot be made.
        """
        blobs = cls(root, reserved)
        blobs._incoming.mkdir(parents=True, exist_ok=True, mode=0o700)
        return blobs

    async def put(self, key: str, metadata: Metadata, chunks: AsyncIterator[bytes]) -> int:
        target = self._path(key)
        incoming = _Incoming(self._incoming / str(next(self._numbers)))
        try:
            await self._run(self._begin, incoming, metadata)
            async for chunk in chunks:
                await self._run(self._write, incoming, chunk)
            await self._run(incoming.publish, target)
        finally:
            # Also when the caller is cancelled: nothing of it stays. What was published is not there any more.
            await self._run(incoming.discard)
        return incoming.size

    async def stat(self, key: str) -> BlobInfo | None:
        return await self._run(_stat, self._path(key))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncGenerator[bytes, None]:
        opened = _Opened(self._path(key))
        try:
            left = await self._run(opened.seek, start, end)
            while left and (chunk := await self._run(opened.read, min(left, CHUNK_BYTES))):
                left -= len(chunk)
                yield chunk
            if left:
                raise Unavailable("BLOBS_FAILED", "A file is shorter than it was.")
        finally:
            opened.close()

    async def delete(self, key: str) -> None:
        await self._run(_delete, self._path(key))

    async def sweep(self) -> int:
        return await self._run(self._sweep)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    def _path(self, key: str) -> Path:
        return self._root / check_key(key)

    async def _run(self, fn: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """In a thread, to its end: who is cancelled waits for it, so that it never runs beside what follows."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, lambda: fn(*args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            while not running.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([running])
            # What it raised is of no interest any more; asked for, so that nobody is told that nobody asked.
            with suppress(Exception):
                running.result()
            raise
        except OSError as error:
            raise _unavailable(error) from error

    # What follows runs in the threads.

    def _begin(self, incoming: "_Incoming", metadata: Metadata) -> None:
        self._check_room()
        incoming.begin(metadata)

    def _write(self, incoming: "_Incoming", chunk: bytes) -> None:
        self._check_room()
        incoming.write(chunk)

    def _check_room(self) -> None:
        if shutil.disk_usage(self._incoming).free < self._reserved:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _sweep(self) -> int:
        stale = list(self._incoming.iterdir())
        for path in stale:
            path.unlink()
        return len(stale)


class _Incoming:
    """A file that is being written. Each method runs alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self.size = 0

    def begin(self, metadata: Metadata) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        # Unbuffered: what comes are chunks already.
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        _write_all(self._file, msgspec.json.encode(metadata) + b"\n")

    def write(self, chunk: bytes) -> None:
        assert self._file is not None
        _write_all(self._file, chunk)
        self.size += len(chunk)

    def publish(self, target: Path) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        changed = [target.parent]
        while not changed[-1].is_dir():
            changed.append(changed[-1].parent)
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path.replace(target)
        # A name is durable when the directory that holds it is.
        for directory in changed:
            _sync(directory)

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._path.unlink(missing_ok=True)


class _Opened:
    """A file that is being read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def seek(self, start: int, end: int | None) -> int:
        """How many bytes there are from here."""
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            raise BlobMissing from None
        info, offset = _head(self._file)
        self._file.seek(offset + start)
        return (info.size if end is None else end) - start

    def read(self, size: int) -> bytes:
        assert self._file is not None
        return self._file.read(size)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _write_all(file: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _stat(path: Path) -> BlobInfo | None:
    try:
        with path.open("rb") as file:
            return _head(file)[0]
    except FileNotFoundError:
        return None


def _head(file: BinaryIO) -> tuple[BlobInfo, int]:
    """What the first line says, and where the bytes begin."""
    line = file.readline()
    size = os.fstat(file.fileno()).st_size - len(line)
    return BlobInfo(size, msgspec.json.decode(line, type=Metadata)), len(line)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> Unavailable:
    if error.errno in _NO_ROOM:
        return Unavailable("BLOBS_FULL", "There is no room for files; nothing was stored.")
    return Unavailable("BLOBS_FAILED", "The store of files failed.")
