"""The replay rings of all sessions, in a file that is mapped into memory.

A store into a shared mapping is in the kernel's page cache at once: it survives the death of the process, `kill -9`
too, at the price of a memory access and with no system call for each delivery. It does not survive the machine. So the
file says under which boot of the machine, and for which history of the bus (`epoch`), it was written; under others it
is empty.

    page 0      magic, boot id, epoch, watermark
    then        chunks of 64 rings; each ring is described in `services.gateway.domain.replay`

Every bus offset up to the watermark has been dispatched to all sessions that are to get it. Numbers are in the byte
order of the machine: the file never leaves it.
"""

import mmap
import os
import secrets
from hashlib import blake2b
from pathlib import Path
from typing import Final

from services.gateway.domain.replay import WORDS

_MAGIC: Final = b"beep-replay-1\n\0\0"
_DIGEST_BYTES: Final = 32
_WATERMARK_AT: Final = 64 // 8  # in words
_PAGE: Final = mmap.ALLOCATIONGRANULARITY
RINGS_PER_CHUNK: Final = 64
_CHUNK_BYTES: Final = -(-RINGS_PER_CHUNK * WORDS * 8 // _PAGE) * _PAGE
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names this run of the machine. Where the system does not tell, a new one each time: sessions then end with
    the process, and clients identify again."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return secrets.token_hex(16)


class ReplayFile:
    """The file. It grows by a chunk when it is full and never shrinks; a free ring is used again."""

    def __init__(self, path: Path, *, boot: str, epoch: str) -> None:
        """Open it, empty unless it was written under the same boot and epoch."""
        identity = _MAGIC + blake2b(f"{boot}\n{epoch}".encode(), digest_size=_DIGEST_BYTES).digest()
        self._file = open(path, "r+b" if path.exists() else "w+b")  # noqa: SIM115 (kept open to grow)
        self.restored = self._file.read(len(identity)) == identity
        """Whether what the rings hold counts."""
        if not self.restored:
            self._file.truncate(0)
            self._reserve(0, _PAGE)
        self._header = memoryview(mmap.mmap(self._file.fileno(), _PAGE))
        if not self.restored:
            self._header[: len(identity)] = identity
        self._words = self._header.cast("Q")
        self._chunks: list[memoryview] = []
        self._free: list[int] = []
        for _ in range((os.fstat(self._file.fileno()).st_size - _PAGE) // _CHUNK_BYTES):
            self._map_chunk()

    @property
    def watermark(self) -> int:
        return self._words[_WATERMARK_AT]

    @watermark.setter
    def watermark(self, offset: int) -> None:
        self._words[_WATERMARK_AT] = offset

    def allocate(self) -> int:
        """A ring that nobody uses, empty. Raises OSError when the disk is full."""
        if not self._free:
            self._reserve(_PAGE + len(self._chunks) * _CHUNK_BYTES, _CHUNK_BYTES)
            self._map_chunk()
        slot = self._free.pop()
        # Only the head: what lies behind it is not read, and a page that is never touched costs no memory.
        self.ring(slot)[0] = 0
        return slot

    def reserve(self, slots: set[int]) -> None:
        """These rings belong to sessions that were restored."""
        self._free = [slot for slot in self._free if slot not in slots]

    def has(self, slot: int) -> bool:
        return 0 <= slot < len(self._chunks) * RINGS_PER_CHUNK

    def ring(self, slot: int) -> memoryview:
        chunk, place = divmod(slot, RINGS_PER_CHUNK)
        return self._chunks[chunk][place * WORDS * 8 : (place + 1) * WORDS * 8].cast("Q")

    def release(self, slot: int) -> None:
        self._free.append(slot)

    def close(self) -> None:
        """No ring may be used after this. The mappings go with the last view of them."""
        self._chunks.clear()
        self._file.close()

    def _map_chunk(self) -> None:
        number = len(self._chunks)
        mapping = mmap.mmap(self._file.fileno(), _CHUNK_BYTES, offset=_PAGE + number * _CHUNK_BYTES)
        self._chunks.append(memoryview(mapping))
        self._free.extend(range((number + 1) * RINGS_PER_CHUNK - 1, number * RINGS_PER_CHUNK - 1, -1))

    def _reserve(self, start: int, length: int) -> None:
        """Make room on the disk now: a page that finds none when it is written to later kills the process."""
        descriptor = self._file.fileno()
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(descriptor, start, length)
        else:
            os.ftruncate(descriptor, start + length)
