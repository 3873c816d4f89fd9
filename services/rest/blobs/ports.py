"""Blobs: bytes that are written once under a key, read in ranges, and deleted.

This file is the specification. An adapter is right when `tests/contract/test_blobs.py` passes with it.

Keys
    Beep makes them, and nothing that a client sent becomes part of one unchecked: lower-case parts joined by slashes
    (`attachments/81-6f0c…`), as `check_key` has them. They are names, not paths: an adapter may keep blobs as it likes.

Immutability
    Nothing is ever written under a key a second time, but for the same bytes when somebody tries again. So a reader
    may `stat` first and `read` after, and what it read once holds for ever.

Visibility and durability
    A blob is there as a whole or not at all, for every reader and over any crash. When `put` returns, it survives the
    death of the machine. When `put` raises, or its caller is cancelled, nothing of it stays.

Memory
    Bytes pass through in chunks: neither `put` nor `read` holds more than a few of them, whatever the size.

Failure
    `Unavailable` with reason BLOBS_FULL: there is no room, and nothing was stored. `Unavailable` with BLOBS_FAILED: the
    store cannot be reached or is broken; try again later. What the given chunks raise goes through unchanged.

A second adapter, on an S3-compatible store, fits as follows. `put` is a multipart upload, completed at the end and
aborted on any failure (objects below the smallest part: one PutObject); the metadata are the object's Content-Type
and user metadata, which is why they are given before the bytes. `stat` is HeadObject, `read` is GetObject with a Range,
`delete` is DeleteObject, `sweep` aborts the multipart uploads that ListMultipartUploads finds to be old.
"""

import re
from collections.abc import AsyncIterator
from typing import Final, Protocol

from msgspec import Struct

_KEY: Final = re.compile(r"[a-z][a-z-]*(?:/[a-z0-9][a-z0-9_-]{0,127}){1,3}")

CHUNK_BYTES: Final = 128 * 1024
"""The largest chunk that `read` gives."""


class Metadata(Struct, frozen=True):
    """What is known of a blob before its bytes are stored."""

    content_type: str
    owner_id: int
    """What it belongs to: of an attachment the channel, of a picture the user or the server."""


class BlobInfo(Struct, frozen=True):
    """`size` is in bytes."""

    size: int
    metadata: Metadata


class BlobMissing(Exception):
    """There is no blob with this key, or not any more."""


class Blobs(Protocol):
    """Its methods are for one event loop."""

    async def put(self, key: str, metadata: Metadata, chunks: AsyncIterator[bytes]) -> int:
        """Store what `chunks` gives, and return its size once it is durable.

        Raises:
            Unavailable: BLOBS_FULL, BLOBS_FAILED. Nothing was stored.
        """
        ...

    async def stat(self, key: str) -> BlobInfo | None:
        """None: there is no such blob.

        Raises:
            Unavailable: BLOBS_FAILED.
        """
        ...

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """The bytes from `start` up to `end` (not included; None: all that follow), as non-empty chunks.

        `0 <= start <= end <= size`. The blob is opened by the first step and let go by the last, or when the iterator
        is closed. Deleted meanwhile, it either stays readable to the end or raises.

        Raises:
            BlobMissing: by the first step.
            Unavailable: BLOBS_FAILED.
        """
        ...

    async def delete(self, key: str) -> None:
        """It is gone when this returns; deleting what is not there does nothing.

        Raises:
            Unavailable: BLOBS_FAILED.
        """
        ...

    async def sweep(self) -> int:
        """Remove what a crash left half written, and return how many there were.

        Only while nothing is being put: at the start.
        """
        ...

    async def close(self) -> None:
        """Finish what is under way and let go of everything. Nothing may be called after this."""
        ...


def check_key(key: str) -> str:
    """The key itself. Raises ValueError for one that Beep does not make: that is a defect, whoever caused it."""
    if not _KEY.fullmatch(key):
        raise ValueError("this is no key of a blob")
    return key
