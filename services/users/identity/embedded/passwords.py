"""Password hashes: argon2id (RFC 9106), in a bounded pool of threads."""

import asyncio
import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.common.errors import ResourceExhausted

WORKERS: Final = 2
MAX_WAITING: Final = 32
"""Past this many hashes at work or waiting, a request is refused: each takes some 20 ms of CPU."""


_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_OWN_MAPPING_BYTES: Final = 4 << 20

T = TypeVar("T")


class Passwords:
    """Hashes and verifies. An unknown account costs as much as a wrong password, so time tells nothing."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        """`hasher`: argon2's cost; by default OWASP's (Password Storage Cheat Sheet), one thread per hash."""
        self._hasher = hasher or PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
        _give_back_large_blocks()
        self._decoy = self._hasher.hash("decoy")
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="argon2")
        self._waiting = 0

    async def hash(self, password: str) -> str:
        """The encoded hash, to be stored."""
        return await self._run(lambda: self._hasher.hash(password))

    async def verify(self, password: str, encoded: str | None) -> bool:
        """Whether the password is the one that was hashed; None (no such account) takes as long, and is no."""
        return await self._run(lambda: self._matches(password, encoded or self._decoy)) and encoded is not None

    def close(self) -> None:
        """Wait for what is at work and stop the threads."""
        self._pool.shutdown()

    def _matches(self, password: str, encoded: str) -> bool:
        try:
            return self._hasher.verify(encoded, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise ResourceExhausted("SIGN_IN_BUSY", "Too many sign-ins at once. Try again in a moment.")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1


def _give_back_large_blocks() -> None:
    """Make the allocator return a hash's 19 MiB to the system when the hash is done.

    glibc raises its threshold for that to whatever was freed last, and from then on each worker would keep its 19 MiB
    for ever (mallopt(3)). The price is nearly half of a hash's time more, to get its pages anew. Other C libraries
    lack this call, and the need for it.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING_BYTES)
        # To set one of the two freezes both; this is the ratio that glibc keeps by itself.
        mallopt(_M_TRIM_THRESHOLD, 2 * _OWN_MAPPING_BYTES)
