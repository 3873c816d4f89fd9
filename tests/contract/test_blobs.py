"""What every store of blobs must do (services/rest/blobs/ports.py)."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Protocol

import pytest

from services.common.errors import Unavailable
from services.rest.blobs.directory import DirectoryBlobs
from services.rest.blobs.ports import CHUNK_BYTES, BlobMissing, Blobs, Metadata

PNG = Metadata("image/png", owner_id=42)
KEY = "attachments/81-0123456789abcdef"


class Store(Protocol):
    blobs: Blobs

    def left(self) -> int:
        """How many blobs there are, whole and in parts."""
        ...

    async def restarted(self) -> Blobs:
        """As another process finds it."""
        ...


class DirectoryStore:
    def __init__(self, root: Path, blobs: DirectoryBlobs) -> None:
        self.blobs: Blobs = blobs
        self._root = root

    def left(self) -> int:
        return sum(path.is_file() for path in self._root.rglob("*"))

    async def restarted(self) -> Blobs:
        await self.blobs.close()
        self.blobs = await DirectoryBlobs.open(self._root, reserved=0)
        return self.blobs


@asynccontextmanager
async def _directory(path: Path) -> AsyncIterator[Store]:
    store = DirectoryStore(path, await DirectoryBlobs.open(path, reserved=0))
    yield store
    await store.blobs.close()


Factory = Callable[[Path], AbstractAsyncContextManager[Store]]


@pytest.fixture(params=[_directory], ids=["directory"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    factory: Factory = request.param
    async with factory(tmp_path / "blobs") as running:
        yield running


async def of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def all_of(blobs: Blobs, key: str, start: int = 0, end: int | None = None) -> bytes:
    return b"".join([chunk async for chunk in blobs.read(key, start, end)])


async def test_blob_is_read_as_it_was_put(store: Store) -> None:
    content = os.urandom(3 * CHUNK_BYTES + 17)
    assert await store.blobs.put(KEY, PNG, of(content[:5], content[5:])) == len(content)
    info = await store.blobs.stat(KEY)
    assert info is not None
    assert (info.size, info.metadata) == (len(content), PNG)
    assert await all_of(store.blobs, KEY) == content


async def test_blob_survives_a_restart(store: Store) -> None:
    await store.blobs.put(KEY, PNG, of(b"bytes"))
    assert await all_of(await store.restarted(), KEY) == b"bytes"


@pytest.mark.parametrize(("start", "end"), [(0, None), (0, 1), (3, 7), (4, None), (10, 10), (10, None), (0, 0)])
async def test_any_range_is_read(store: Store, start: int, end: int | None) -> None:
    await store.blobs.put(KEY, PNG, of(b"0123456789"))
    assert await all_of(store.blobs, KEY, start, end) == b"0123456789"[start:end]


async def test_no_chunk_is_larger_than_declared(store: Store) -> None:
    await store.blobs.put(KEY, PNG, of(bytes(5 * CHUNK_BYTES)))
    assert all([0 < len(chunk) <= CHUNK_BYTES async for chunk in store.blobs.read(KEY)])


async def test_empty_blob_is_a_blob(store: Store) -> None:
    assert await store.blobs.put(KEY, PNG, of()) == 0
    info = await store.blobs.stat(KEY)
    assert info is not None
    assert info.size == 0
    assert await all_of(store.blobs, KEY) == b""


async def test_putting_it_again_changes_nothing(store: Store) -> None:
    for _ in range(2):
        await store.blobs.put(KEY, PNG, of(b"bytes"))
    assert await all_of(store.blobs, KEY) == b"bytes"
    assert store.left() == 1


async def test_what_is_not_there_is_missing(store: Store) -> None:
    assert await store.blobs.stat(KEY) is None
    with pytest.raises(BlobMissing):
        await all_of(store.blobs, KEY)


async def test_deleting_removes_and_may_be_repeated(store: Store) -> None:
    await store.blobs.put(KEY, PNG, of(b"bytes"))
    for _ in range(2):
        await store.blobs.delete(KEY)
    assert await store.blobs.stat(KEY) is None
    assert store.left() == 0


async def test_blob_is_not_visible_before_it_is_whole(store: Store) -> None:
    seen = []

    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        seen.append(await store.blobs.stat(KEY))
        yield b"whole"

    await store.blobs.put(KEY, PNG, chunks())
    assert seen == [None]


async def test_failure_of_the_source_goes_through_and_leaves_nothing(store: Store) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        raise LookupError("cut")

    with pytest.raises(LookupError):
        await store.blobs.put(KEY, PNG, chunks())
    assert await store.blobs.stat(KEY) is None
    assert store.left() == 0


async def test_cancelled_put_leaves_nothing(store: Store) -> None:
    waiting = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield bytes(CHUNK_BYTES)
        waiting.set()
        await asyncio.Event().wait()

    putting = asyncio.create_task(store.blobs.put(KEY, PNG, chunks()))
    await waiting.wait()
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    assert store.left() == 0


@pytest.mark.parametrize("steps", range(1, 12))
async def test_put_that_is_cancelled_at_any_step_is_whole_or_nothing(store: Store, steps: int) -> None:
    putting = asyncio.create_task(store.blobs.put(KEY, PNG, of(*[bytes(CHUNK_BYTES)] * 3)))
    for _ in range(steps * 3):
        await asyncio.sleep(0)
    putting.cancel()
    await asyncio.wait([putting])
    info = await store.blobs.stat(KEY)
    assert store.left() == (0 if info is None else 1)
    assert info is None or info.size == 3 * CHUNK_BYTES


async def test_reader_that_stops_early_lets_go(store: Store) -> None:
    await store.blobs.put(KEY, PNG, of(bytes(3 * CHUNK_BYTES)))
    before = len(os.listdir("/proc/self/fd"))
    async with aclosing(store.blobs.read(KEY)) as chunks:  # type: ignore[type-var]  # a generator, as `read` says
        await anext(chunks)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_sweep_removes_what_a_crash_left_and_nothing_else(store: Store, tmp_path: Path) -> None:
    await store.blobs.put(KEY, PNG, of(b"bytes"))
    assert await store.blobs.sweep() == 0

    async def chunks() -> AsyncIterator[bytes]:
        yield b"half"
        # The crash: whoever would have cleaned up is gone, and what is on the disk stays.
        swept.append(await store.blobs.sweep())

    swept: list[int] = []
    await store.blobs.put("attachments/82-0", PNG, of(b""))
    with pytest.raises(Unavailable):
        await store.blobs.put("attachments/83-0", PNG, chunks())
    assert swept == [1]
    assert store.left() == 2
    assert await all_of(store.blobs, KEY) == b"bytes"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "attachments",
        "attachments/",
        "/attachments/1-a",
        "attachments//1-a",
        "../attachments/1-a",
        "attachments/../1-a",
        "attachments/..",
        "attachments/1-a/../../../x",
        "attachments/1-A",
        "attachments/1 a",
        "attachments/1-a\n",
        "attachments/1\0a",
        "attachments\\1-a",
        "attachments/.hidden",
        ".incoming/0",
        "attachments/ü",
        "attachments/" + "a" * 129,
    ],
)
async def test_no_other_key_is_taken(store: Store, key: str) -> None:
    with pytest.raises(ValueError, match="no key"):
        await store.blobs.put(key, PNG, of(b"bytes"))
    with pytest.raises(ValueError, match="no key"):
        await store.blobs.stat(key)
    with pytest.raises(ValueError, match="no key"):
        await all_of(store.blobs, key)
    with pytest.raises(ValueError, match="no key"):
        await store.blobs.delete(key)
    assert store.left() == 0


async def test_directory_refuses_when_too_little_would_stay_free(tmp_path: Path) -> None:
    blobs = await DirectoryBlobs.open(tmp_path, reserved=1 << 62)
    with pytest.raises(Unavailable) as refused:
        await blobs.put(KEY, PNG, of(b"bytes"))
    assert refused.value.reason == "BLOBS_FULL"
    assert DirectoryStore(tmp_path, blobs).left() == 0
    await blobs.close()
