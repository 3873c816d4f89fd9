"""Uploads that are large, broken, cut, slow or too many: a clear error, nothing left behind, nobody else notices."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from services.common import limits
from services.common.permissions import Permission
from tests.faults.test_bad_input import assert_discords_form
from tests.support.api import Api
from tests.support.beep_process import BeepProcess
from tests.support.bystanders import Bystanders
from tests.support.cramped_beep import FILE_BYTES
from tests.support.demo import Demo
from tests.support.raw_socket import RawSocket
from tests.support.world import World

MIB = 1 << 20
# What 25 MiB may cost, up or down.
MEMORY = 8 * MIB
SECONDS = 15.0
FORM = "multipart/form-data; boundary=b"
PART = b'--b\r\nContent-Disposition: form-data; name="files[0]"; filename="a.bin"\r\n\r\n'
END = b"\r\n--b--\r\n"


def files(beep: BeepProcess) -> list[Path]:
    """Every file that Beep keeps for others, half-written ones among them."""
    return [path for path in (beep.data / "files").rglob("*") if path.is_file()]


async def until_files(beep: BeepProcess, count: int) -> None:
    # A file system tells nobody, so it is looked at again and again.
    for _ in range(int(SECONDS / 0.01)):
        if len(files(beep)) == count:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{len(files(beep))} files, not {count}")


def status(beep: BeepProcess, name: str) -> int:
    """A size in /proc/pid/status (proc(5)), in bytes."""
    lines = Path(f"/proc/{beep.pid}/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024


class Peak:
    """How much more memory was in use at the worst moment of the block than before it."""

    def __init__(self, beep: BeepProcess) -> None:
        self._beep = beep
        self.grown = 0

    def __enter__(self) -> "Peak":
        # 5 resets the peak, VmHWM: proc(5).
        Path(f"/proc/{self._beep.pid}/clear_refs").write_text("5")
        self._before = status(self._beep, "VmRSS")
        return self

    def __exit__(self, *_: object) -> None:
        self.grown = status(self._beep, "VmHWM") - self._before


async def form(*contents: bytes) -> AsyncIterator[bytes]:
    """In small pieces, so that the client needs no memory either."""
    for number, content in enumerate(contents):
        yield (b"\r\n" if number else b"") + PART
        for start in range(0, len(content), 65_536):
            yield content[start : start + 65_536]
    yield END


async def send(who: Api, channel_id: str, *contents: bytes) -> httpx.Response:
    return await who.call(
        "POST", f"/channels/{channel_id}/messages", content=form(*contents), headers={"content-type": FORM}
    )


@pytest.mark.story("CHT-09")
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured by /proc")
async def test_largest_file_costs_little_memory_up_and_down(beep: BeepProcess, demo: Demo) -> None:
    content = os.urandom(limits.UPLOAD_FILE_BYTES)
    digest = hashlib.sha256(content).hexdigest()

    async def up(content: bytes) -> str:
        answer = await send(demo.owner, demo.channel_id, content)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["attachments"][0]["url"])

    async def down(url: str) -> str:
        received = hashlib.sha256()
        async with httpx.AsyncClient() as http, http.stream("GET", url) as answer:
            async for chunk in answer.aiter_bytes():
                received.update(chunk)
        return received.hexdigest()

    # What every first time costs: threads, modules, caches.
    await down(await up(content[:MIB]))
    with Peak(beep) as upwards:
        url = await up(content)
    with Peak(beep) as downwards:
        assert await down(url) == digest
    assert upwards.grown <= MEMORY, f"up: {upwards.grown / MIB:.1f} MiB"
    assert downwards.grown <= MEMORY, f"down: {downwards.grown / MIB:.1f} MiB"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="measured by /proc")
async def test_reader_who_takes_nothing_costs_little_memory(beep: BeepProcess, demo: Demo) -> None:
    answer = await send(demo.owner, demo.channel_id, bytes(limits.UPLOAD_FILE_BYTES))
    path = httpx.URL(answer.json()["attachments"][0]["url"]).path
    with Peak(beep) as peak:
        sockets = [await RawSocket.open(beep, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()) for _ in range(4)]
        for socket in sockets:
            assert b" 200 " in await socket.reader.readline()
        # Somebody else is served meanwhile.
        assert (await send(demo.owner, demo.channel_id, b"small")).status_code == 200
    for socket in sockets:
        await socket.close()
    assert peak.grown <= MEMORY, f"{peak.grown / MIB:.1f} MiB"


@pytest.mark.story("CHT-09")
async def test_upload_that_is_cut_leaves_nothing(world: World, bystanders: Bystanders) -> None:
    before = len(files(world.beep))
    for _ in range(5):
        socket = await begun(world.beep, world.owner, world.channel_id, 10 * MIB)
        await until_files(world.beep, before + 1)
        await socket.close()
        await until_files(world.beep, before)
    assert await world.owner.ok("GET", f"/channels/{world.channel_id}/messages?limit=1") != []
    await bystanders.talk()


async def begun(beep: BeepProcess, who: Api, channel_id: str, length: int) -> RawSocket:
    """An upload of which half has been sent."""
    head = (
        f"POST /api/v10/channels/{channel_id}/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {who.token}\r\n"
        f"Content-Type: {FORM}\r\nContent-Length: {length}\r\n\r\n"
    )
    socket = await RawSocket.open(beep, head.encode() + PART + bytes(length // 2))
    await socket.writer.drain()
    return socket


async def test_upload_that_stands_still_is_ended(world: World, bystanders: Bystanders) -> None:
    before = len(files(world.beep))
    socket = await begun(world.beep, world.owner, world.channel_id, 100_000)
    assert b" 408 " in await socket.reader.readline()
    await socket.rest()
    assert len(files(world.beep)) == before
    await socket.close()
    await bystanders.talk()


async def test_upload_in_time_takes_longer_than_a_request_without_a_body(world: World) -> None:
    """A second is all that `sturdy` gives; a body that comes at a decent pace earns more."""

    async def slowly() -> AsyncIterator[bytes]:
        yield PART
        for _ in range(8):
            yield bytes(64 * 1024)
            await asyncio.sleep(0.25)
        yield END

    answer = await world.owner.call(
        "POST", f"{world.channel_path}/messages", content=slowly(), headers={"content-type": FORM}
    )
    assert answer.status_code == 200, answer.text


async def test_who_may_not_attach_gets_an_answer_though_they_go_on_sending(
    world: World, bystanders: Bystanders
) -> None:
    before = len(files(world.beep))
    await world.role("sender", Permission.VIEW_CHANNEL | Permission.SEND_MESSAGES, world.able)
    for who, code in ((world.stranger, 10003), (world.able, 50013)):
        answer = await send(who, world.channel_id, bytes(limits.UPLOAD_FILE_BYTES))
        assert answer.json()["code"] == code
    assert len(files(world.beep)) == before
    await bystanders.talk()


async def trickle(socket: RawSocket) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            socket.writer.write(b"x")
            await socket.writer.drain()
            await asyncio.sleep(0.05)


async def test_who_never_stops_sending_is_cut_off(world: World, bystanders: Bystanders) -> None:
    socket = await begun(world.beep, world.stranger, world.channel_id, 1 << 25)
    assert b" 404 " in await socket.reader.readline()
    with pytest.raises(ConnectionError):
        await trickle(socket)
    await socket.close()
    await bystanders.talk()


@pytest.mark.story("CHT-09")
async def test_uploads_beyond_the_limits_at_once_leave_nothing(world: World, bystanders: Bystanders) -> None:
    before = len(files(world.beep))
    large = bytes(limits.UPLOAD_FILE_BYTES)
    answers = await asyncio.gather(
        send(world.owner, world.channel_id, large + b"x"),
        send(world.owner, world.channel_id, large, large, large),
    )
    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(413, 40005)] * 2
    assert len(files(world.beep)) == before
    await bystanders.talk()


@pytest.mark.story("CHT-09")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param(FORM, b"", id="nothing"),
        pytest.param(FORM, os.urandom(100_000), id="noise"),
        pytest.param(FORM, PART + bytes(100_000), id="a part without an end"),
        pytest.param(FORM, PART + bytes(100_000) + b"\r\n--b", id="half an end"),
        pytest.param(FORM, (PART + b"x\r\n") * 1000 + b"--b--\r\n", id="a thousand parts"),
        pytest.param(FORM, PART.replace(b"a.bin", b"x" * 100_000) + b"x" + END, id="a name without end"),
        pytest.param(FORM, PART[:-2] + b"X: y\r\n" * 1000 + b"\r\nx" + END, id="a thousand headers"),
        pytest.param("multipart/form-data", PART + b"x" + END, id="no boundary"),
        pytest.param("multipart/form-data; boundary=" + "b" * 5000, PART + b"x" + END, id="a long boundary"),
        pytest.param("multipart/form-data; boundary=other", PART + b"x" + END, id="another boundary"),
        pytest.param("multipart/related; boundary=b", PART + b"x" + END, id="another multipart"),
        pytest.param(
            FORM, PART + b"x\r\n" + PART.replace(b'; filename="a.bin"', b"") + bytes(2 * MIB) + END, id="much text"
        ),
    ],
)
async def test_rubbish_is_refused_and_leaves_nothing(
    world: World, bystanders: Bystanders, content_type: str, body: bytes
) -> None:
    before = len(files(world.beep))
    answer = await world.owner.call(
        "POST", f"{world.channel_path}/messages", content=body, headers={"content-type": content_type}
    )
    assert_discords_form(answer)
    assert len(files(world.beep)) == before
    await bystanders.talk()


@pytest.mark.parametrize(
    "path",
    [
        "/attachments/1/1/../../../messages.db",
        "/attachments/..%2f..%2fmessages.db/1/1/1",
        "/attachments/1/..%2f..%2f..%2fmessages.db%00/x/x",
        "/avatars/../rest.db",
        "/avatars/..%2f..%2frest.db/x.png",
        "/avatars/%2e%2e/%2e%2e/rest.db",
        "/icons//etc/passwd",
        "/icons/..\\..\\x/y.png",
        "/embed/avatars/..%2f..%2f0.png",
        "/avatars/1/" + "a" * 30_000 + ".png",
    ],
)
async def test_no_path_leads_out_of_the_files(world: World, path: str) -> None:
    socket = await RawSocket.open(world.beep, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in await socket.reader.readline()
    await socket.close()


async def test_killed_in_the_middle_nothing_stays(beep: BeepProcess, demo: Demo) -> None:
    socket = await begun(beep, demo.owner, demo.channel_id, 10 * MIB)
    await until_files(beep, 1)
    beep.kill()
    await socket.close()
    assert len(files(beep)) == 1
    beep.start()
    assert files(beep) == []


async def test_full_disk_is_told_and_messages_go_on(tmp_path: Path) -> None:
    beep = BeepProcess(tmp_path / "data", env={"BEEP_RATE_LIMITS": "off"}, module="tests.support.cramped_beep").start()
    try:
        made = beep.demo()
        async with Api(beep.url, made["users"][0]["token"]) as owner:
            refused = await send(owner, made["channel_id"], bytes(FILE_BYTES + 1))
            assert (refused.status_code, refused.json()["code"]) == (503, 0)
            assert "no room" in refused.json()["message"]
            assert files(beep) == []
            assert (await send(owner, made["channel_id"], b"small")).status_code == 200
            await owner.send(made["channel_id"], "all is well")
            assert len(files(beep)) == 1
    finally:
        assert beep.stop() == 0
