"""Files with messages, at the edge: what services are asked, what is stored, and what is left of it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from beep.authz.v1.authz_service_pb2 import OUTCOME_ALLOWED, OUTCOME_DENIED, OUTCOME_HIDDEN, AuthorizeResponse
from beep.messages.v1.message_pb2 import MESSAGE_TYPE_DEFAULT, Attachment, Message
from beep.messages.v1.messages_service_pb2 import (
    CreateMessageRequest,
    CreateMessageResponse,
    FindAttachmentsRequest,
    FindAttachmentsResponse,
    UpdateMessageRequest,
    UpdateMessageResponse,
)
from beep.users.v1.user_pb2 import User
from services.common import limits
from services.common.bus import BLOBS_DELETED, Audience, Envelope, service_shard
from services.common.errors import DeadlineExceeded, InvalidArgument, NotFound, PermissionDenied, Unavailable
from services.common.permissions import Permission
from services.common.runtime import running
from services.rest.blobs.ports import Metadata
from services.rest.files.uploads import SETTLE_SECONDS
from tests.integration.rest.running_edge import PERSON, PUBLIC_URL, RunningEdge

CHANNEL = 981
URL = f"/api/v10/channels/{CHANNEL}/messages"
MIB = 1 << 20
GIF = b"GIF89a\x02\x00\x03\x00rest"

Files = list[tuple[str, tuple[str, bytes]]]


def message(**fields: Any) -> Message:
    return Message(
        id=1, channel_id=CHANNEL, type=MESSAGE_TYPE_DEFAULT, author=User(id=PERSON, username="ada"), **fields
    )


def stored(edge: RunningEdge) -> list[Path]:
    """Every file of the store, half-written ones among them."""
    return [path for path in edge.files.rglob("*") if path.is_file()]


@pytest.fixture
def sent(edge: RunningEdge) -> list[CreateMessageRequest]:
    """What messages is asked to create; it creates it."""
    asked: list[CreateMessageRequest] = []

    async def create(request: CreateMessageRequest) -> CreateMessageResponse:
        asked.append(request)
        return CreateMessageResponse(message=message(attachments=request.attachments))

    edge.upstream.answer("Authorize", AuthorizeResponse(outcome=OUTCOME_ALLOWED))
    edge.upstream.answer("CreateMessage", create)
    return asked


async def post(edge: RunningEdge, files: Files, payload: Any = None, **options: Any) -> httpx.Response:
    data = {} if payload is None else {"payload_json": msgspec.json.encode(payload).decode()}
    return await edge.person.post(URL, files=files, data=data, **options)


def form(*parts: bytes, end: bytes = b"--b--\r\n") -> dict[str, Any]:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return {"content": body, "headers": {"content-type": "multipart/form-data; boundary=b"}}


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
    return f"Content-Disposition: {disposition}\r\n\r\n".encode() + content


# sending


async def test_file_is_stored_and_told_to_messages(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    response = await post(edge, [("files[0]", ("my cat.gif", GIF))], {"content": "look"})
    assert response.status_code == 200, response.text
    [request] = sent
    [attachment] = request.attachments
    assert request.content == "look"
    assert (attachment.filename, attachment.content_type, attachment.size) == ("my_cat.gif", "image/gif", len(GIF))
    assert (attachment.width, attachment.height) == (2, 3)
    [call] = edge.upstream.calls["Authorize"]
    assert call.request.required == Permission.SEND_MESSAGES | Permission.ATTACH_FILES
    assert (call.request.user_id, call.request.channel_id) == (PERSON, CHANNEL)
    got = await edge.anonymous.get(f"/attachments/{CHANNEL}/{attachment.id}/{attachment.token}/my_cat.gif")
    assert (got.status_code, got.content) == (200, GIF)
    assert await edge.pending.list() == {}


@pytest.mark.parametrize("name", ["files[0]", "files[7]", "file", "file0", "_cat.gif", "", "payload"])
async def test_any_part_with_a_filename_is_a_file(
    edge: RunningEdge, sent: list[CreateMessageRequest], name: str
) -> None:
    await edge.person.post(URL, **form(part(name, GIF, "cat.gif"), part("payload_json", b'{"content": "x"}')))
    assert [attachment.filename for attachment in sent[0].attachments] == ["cat.gif"]


async def test_payload_is_taken_before_and_behind_files_and_with_a_type_of_its_own(
    edge: RunningEdge, sent: list[CreateMessageRequest]
) -> None:
    typed = (
        b'Content-Disposition: form-data; name="payload_json"\r\nContent-Type: application/json\r\n\r\n{"content":"a"}'
    )
    await edge.person.post(URL, **form(typed, part("files[0]", GIF, "a.gif")))
    await edge.person.post(URL, **form(part("files[0]", GIF, "a.gif"), typed))
    named = part("payload_json", b'{"content":"a"}', "payload.json")
    await edge.person.post(URL, **form(named, part("files[0]", GIF, "a.gif")))
    assert [(request.content, len(request.attachments)) for request in sent] == [("a", 1)] * 3


async def test_fields_of_a_form_without_payload_are_the_message(
    edge: RunningEdge, sent: list[CreateMessageRequest]
) -> None:
    await edge.person.post(URL, **form(part("content", b"hello"), part("tts", b"true"), part("f", GIF, "a.gif")))
    assert (sent[0].content, sent[0].tts, len(sent[0].attachments)) == ("hello", True, 1)


async def test_form_without_files_needs_no_right_to_attach(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    response = await edge.person.post(URL, **form(part("payload_json", b'{"content": "x"}')))
    assert response.status_code == 200
    assert edge.upstream.calls["Authorize"] == []


async def test_descriptions_and_names_are_matched_by_number(
    edge: RunningEdge, sent: list[CreateMessageRequest]
) -> None:
    said = [
        {"id": "1", "description": "the second", "filename": "SPOILER_2.gif"},
        {"id": 0, "description": "the first"},
        {"id": 99, "filename": "nobody's"},
    ]
    await post(
        edge, [("files[0]", ("1.gif", GIF)), ("files[1]", ("b.gif", GIF)), ("c", ("c", GIF))], {"attachments": said}
    )
    first, second, third = sent[0].attachments
    assert (first.filename, first.description, first.spoiler) == ("1.gif", "the first", False)
    assert (second.filename, second.description, second.spoiler) == ("SPOILER_2.gif", "the second", True)
    assert (third.filename, third.description) == ("c", "")


@pytest.mark.parametrize("name", ["my cat.gif", "my_cat.gif", "my%20cat.gif"])
async def test_embed_speaks_of_an_upload_by_its_name(
    edge: RunningEdge, sent: list[CreateMessageRequest], name: str
) -> None:
    url = f"attachment://{name}"
    embed = {
        "title": "t",
        "image": {"url": url},
        "thumbnail": {"url": "attachment://other.gif"},
        "footer": {"text": "f", "icon_url": url},
        "author": {"name": "a", "icon_url": url},
    }
    await post(edge, [("files[0]", ("my cat.gif", GIF))], {"embeds": [embed]})
    [attachment] = sent[0].attachments
    final = f"{PUBLIC_URL}/attachments/{CHANNEL}/{attachment.id}/{attachment.token}/my_cat.gif"
    [shown] = msgspec.json.decode(sent[0].embeds)
    assert (shown["image"]["url"], shown["footer"]["icon_url"], shown["author"]["icon_url"]) == (final,) * 3
    assert shown["thumbnail"]["url"] == "attachment://other.gif"


async def test_browsers_empty_file_is_no_file(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    await edge.person.post(URL, **form(part("content", b"x"), part("file", b"", "")))
    assert list(sent[0].attachments) == []
    await edge.person.post(URL, **form(part("content", b"x"), part("file", b"", "empty.txt")))
    assert [attachment.size for attachment in sent[1].attachments] == [0]


# changing


async def test_patch_keeps_what_is_listed_and_adds_uploads(edge: RunningEdge) -> None:
    async def update(request: UpdateMessageRequest) -> UpdateMessageResponse:
        return UpdateMessageResponse(message=message(attachments=[Attachment(id=555), *request.new_attachments]))

    edge.upstream.answer("Authorize", AuthorizeResponse(outcome=OUTCOME_ALLOWED))
    edge.upstream.answer("UpdateMessage", update)
    payload = {"attachments": [{"id": "555", "filename": "old.gif"}, {"id": 0, "description": "new"}]}
    data = {"payload_json": msgspec.json.encode(payload).decode()}
    response = await edge.person.patch(f"{URL}/1", files=[("files[0]", ("new.gif", GIF))], data=data)
    assert response.status_code == 200
    request = edge.upstream.only("UpdateMessage").request
    assert (request.set_attachments, list(request.kept_attachment_ids)) == (True, [555])
    assert [(new.filename, new.description) for new in request.new_attachments] == [("new.gif", "new")]
    assert not request.HasField("content")
    assert not request.HasField("embeds")
    assert len(stored(edge)) == 1
    assert edge.upstream.only("Authorize").request.required == Permission.ATTACH_FILES


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"content": "x"}, (False, [])),
        ({"attachments": []}, (True, [])),
        ({"attachments": None}, (True, [])),
        ({"attachments": [{"id": "7"}, {"id": 8}, {"filename": "no id"}]}, (True, [7, 8])),
    ],
)
async def test_patch_without_files(edge: RunningEdge, body: Any, expected: Any) -> None:
    edge.upstream.answer("UpdateMessage", UpdateMessageResponse(message=message()))
    assert (await edge.person.patch(f"{URL}/1", json=body)).status_code == 200
    request = edge.upstream.only("UpdateMessage").request
    assert (request.set_attachments, list(request.kept_attachment_ids)) == expected


# refusals: none leaves anything behind


@pytest.mark.parametrize(
    ("decision", "refusal"),
    [
        (AuthorizeResponse(outcome=OUTCOME_HIDDEN), (404, 10003)),
        (AuthorizeResponse(outcome=OUTCOME_DENIED, missing=int(Permission.ATTACH_FILES)), (403, 50013)),
        (AuthorizeResponse(outcome=OUTCOME_DENIED, missing=int(Permission.VIEW_CHANNEL)), (403, 50001)),
    ],
)
async def test_who_may_not_attach_is_refused_before_the_first_byte(
    edge: RunningEdge, decision: AuthorizeResponse, refusal: tuple[int, int]
) -> None:
    edge.upstream.answer("Authorize", decision)
    taken = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal taken
        yield b"--b\r\n" + part("files[0]", b"", "a.bin")
        for _ in range(100):
            taken += 1
            yield bytes(MIB // 8)

    options = form() | {"content": body()}
    response = await edge.person.post(URL, **options)
    assert (response.status_code, response.json()["code"]) == refusal
    assert taken <= 1
    assert stored(edge) == []
    assert await edge.pending.list() == {}
    assert edge.upstream.calls["CreateMessage"] == []


def big(size: int) -> Files:
    return [("files[0]", ("a.bin", bytes(size)))]


@pytest.mark.parametrize(
    ("files", "payload", "refusal"),
    [
        pytest.param(big(limits.UPLOAD_FILE_BYTES + 1), {}, (413, 40005), id="too large a file"),
        pytest.param([*big(20 * MIB), *big(20 * MIB), *big(11 * MIB)], {}, (413, 40005), id="too much in all"),
        pytest.param(
            [("f", ("a", b"x"))] * (limits.ATTACHMENTS_PER_MESSAGE + 1), {}, (400, 50035), id="too many files"
        ),
        pytest.param([("f", ("a", b"x"))] * 1000, {}, (400, 50035), id="a thousand parts"),
        pytest.param(big(5), {"content": 5 * ["x"]}, (400, 50035), id="a wrong field"),
        pytest.param(big(5), {"content": "x" * 4000}, (400, 50035), id="a long field"),
        pytest.param(
            big(5), {"attachments": [{"id": 0, "description": "x" * 2000}]}, (400, 50035), id="a long description"
        ),
    ],
)
@pytest.mark.usefixtures("sent")
async def test_what_is_too_much_is_refused(
    edge: RunningEdge, files: Files, payload: Any, refusal: tuple[int, int]
) -> None:
    response = await post(edge, files, payload)
    assert (response.status_code, response.json()["code"]) == refusal
    assert stored(edge) == []
    assert await edge.pending.list() == {}
    assert edge.upstream.calls["CreateMessage"] == []


@pytest.mark.usefixtures("sent")
@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        pytest.param(form(part("f", GIF, "a"), end=b""), (400, 50035), id="no end"),
        pytest.param(form(part("f", GIF, "a"), part("payload_json", b"{")), (400, 50109), id="broken JSON"),
        pytest.param(
            form(part("payload_json", b'"' + b"x" * MIB + b'"'), part("f", GIF, "a")), (400, 50035), id="much JSON"
        ),
        pytest.param(form(*[part(f"f{n}", b"x" * (MIB // 4)) for n in range(5)]), (400, 50035), id="many long fields"),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/form-data"}}, (400, 50035), id="no boundary"
        ),
        pytest.param(
            {"content": b"x", "headers": {"content-type": "multipart/mixed; boundary=b"}}, (415, 0), id="mixed"
        ),
        pytest.param(
            {"content": b"x" * (MIB + 1), "headers": {"content-type": "application/json"}}, (413, 40005), id="long JSON"
        ),
    ],
)
async def test_broken_bodies_are_refused(edge: RunningEdge, options: Any, refusal: tuple[int, int]) -> None:
    response = await edge.person.post(URL, **options)
    assert (response.status_code, response.json()["code"]) == refusal
    assert stored(edge) == []
    assert await edge.pending.list() == {}


async def test_length_that_is_too_much_is_refused_unread(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("was read")
        yield b""

    headers = {"content-type": "multipart/form-data; boundary=b", "content-length": str(1 << 40)}
    response = await edge.person.post(URL, content=never(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, 40005)
    assert sent == []


@pytest.mark.parametrize(
    "refusal",
    [InvalidArgument("EMPTY_MESSAGE"), PermissionDenied("MISSING_PERMISSIONS"), NotFound("UNKNOWN_MESSAGE")],
)
async def test_message_that_is_refused_takes_its_files_with_it(edge: RunningEdge, refusal: Exception) -> None:
    edge.upstream.answer("Authorize", AuthorizeResponse(outcome=OUTCOME_ALLOWED))
    edge.upstream.answer("CreateMessage", refusal)
    assert (await post(edge, big(5))).is_client_error
    assert stored(edge) == []
    assert await edge.pending.list() == {}


async def test_repeated_nonce_takes_its_files_with_it(edge: RunningEdge) -> None:
    edge.upstream.answer("Authorize", AuthorizeResponse(outcome=OUTCOME_ALLOWED))
    first = message(attachments=[Attachment(id=1, filename="first.gif")])
    edge.upstream.answer("CreateMessage", CreateMessageResponse(message=first))
    assert (await post(edge, big(5), {"nonce": "1"})).status_code == 200
    assert stored(edge) == []
    assert await edge.pending.list() == {}


async def test_caller_who_uploads_much_at_once_waits(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    begun, go_on = asyncio.Semaphore(0), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"--b\r\n" + part("files[0]", b"x", "a.bin")
        begun.release()
        await go_on.wait()
        yield b"\r\n--b--\r\n"

    def upload() -> asyncio.Task[httpx.Response]:
        return asyncio.create_task(edge.person.post(URL, **(form() | {"content": body()})))

    uploads = [upload() for _ in range(limits.UPLOADS_PER_CALLER)]
    for _ in uploads:
        await begun.acquire()
    refused = await post(edge, big(5))
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    assert (await edge.person.post(URL, json={"content": "x"})).status_code == 200
    go_on.set()
    assert {(await upload).status_code for upload in uploads} == {200}
    assert (await post(edge, big(5))).status_code == 200


# what is not known


def finding(*ids: int) -> Callable[[FindAttachmentsRequest], Any]:
    async def find(request: FindAttachmentsRequest) -> FindAttachmentsResponse:
        return FindAttachmentsResponse(attachment_ids=sorted({*request.attachment_ids} & {*ids}))

    return find


async def undecided(edge: RunningEdge, failure: Exception) -> int:
    """An upload of which the edge does not know whether it became part of a message."""
    edge.upstream.answer("Authorize", AuthorizeResponse(outcome=OUTCOME_ALLOWED))
    edge.upstream.answer("CreateMessage", failure)
    assert (await post(edge, big(5))).status_code == 503
    [attachment_id] = await edge.pending.list()
    assert len(stored(edge)) == 1
    return attachment_id


@pytest.mark.parametrize("failure", [Unavailable("DOWN"), DeadlineExceeded("LATE")])
async def test_upload_that_no_message_has_is_removed(edge: RunningEdge, failure: Exception) -> None:
    await undecided(edge, failure)
    edge.upstream.answer("FindAttachments", finding())
    # The call may still be under way: only what was undecided the last time is decided.
    await edge.uploads.settle()
    assert len(stored(edge)) == 1
    await edge.uploads.settle()
    assert stored(edge) == []
    assert await edge.pending.list() == {}


async def test_upload_that_a_message_has_stays(edge: RunningEdge) -> None:
    attachment_id = await undecided(edge, DeadlineExceeded("LATE"))
    edge.upstream.answer("FindAttachments", finding(attachment_id))
    for _ in range(2):
        await edge.uploads.settle()
    assert len(stored(edge)) == 1
    assert await edge.pending.list() == {}


async def test_upload_of_a_process_that_died_is_settled(edge: RunningEdge) -> None:
    # What a crash leaves between the store and the message.
    await edge.pending.add(81, "attachments/81-aa")
    await edge.pending.add(82, "attachments/82-aa")
    await edge.blobs.put("attachments/81-aa", Metadata("image/gif", CHANNEL), _one(GIF))
    edge.upstream.answer("FindAttachments", finding())
    async with running(edge.uploads.settling()):
        while await edge.pending.list():
            edge.clock.advance(SETTLE_SECONDS)
    assert stored(edge) == []


async def test_settling_goes_on_when_messages_does_not_answer(edge: RunningEdge) -> None:
    await edge.pending.add(81, "attachments/81-aa")
    edge.upstream.answer("FindAttachments", Unavailable("DOWN"))
    async with running(edge.uploads.settling()):
        while len(edge.upstream.calls["FindAttachments"]) < 2:
            assert await edge.pending.list() == {81: "attachments/81-aa"}
            edge.clock.advance(SETTLE_SECONDS)
        edge.upstream.answer("FindAttachments", finding())
        while await edge.pending.list():
            edge.clock.advance(SETTLE_SECONDS)


async def test_upload_under_way_is_not_settled(edge: RunningEdge, sent: list[CreateMessageRequest]) -> None:
    edge.upstream.answer("FindAttachments", finding())

    async def body() -> AsyncIterator[bytes]:
        yield b"--b\r\n" + part("files[0]", bytes(MIB), "a.bin")
        for _ in range(2):
            await edge.uploads.settle()
        yield b"\r\n--b--\r\n"

    assert (await edge.person.post(URL, **(form() | {"content": body()}))).status_code == 200
    assert edge.upstream.calls["FindAttachments"] == []
    assert len(stored(edge)) == len(sent) == 1


def told(body: bytes, kind: str = BLOBS_DELETED) -> Envelope:
    return Envelope(1, service_shard("rest"), kind, body, Audience.NONE)


async def test_files_are_deleted_when_nothing_refers_to_them(edge: RunningEdge) -> None:
    for key in ("attachments/81-aa", "attachments/82-aa", "avatars/1/aa"):
        await edge.blobs.put(key, Metadata("image/gif", 1), _one(GIF))
    deleted = told(b'{"keys": ["attachments/81-aa", "avatars/1/aa", "attachments/9-9"]}')
    for _ in range(2):
        await edge.uploads.handle(deleted)
    assert [path.name for path in stored(edge)] == ["82-aa"]
    await edge.uploads.handle(told(b"{}", "SOMETHING_ELSE"))


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"keys": ["../rest.db"]}', b'{"keys": ["attachments/81-aa", ""]}'])
async def test_deletion_that_makes_no_sense_deletes_nothing(edge: RunningEdge, body: bytes) -> None:
    await edge.blobs.put("attachments/81-aa", Metadata("image/gif", 1), _one(GIF))
    with pytest.raises(InvalidArgument):
        await edge.uploads.handle(told(body))
    assert len(stored(edge)) == 1


async def _one(chunk: bytes) -> AsyncIterator[bytes]:
    yield chunk
