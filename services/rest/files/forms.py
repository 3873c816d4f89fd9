"""The body of a message: JSON, or a form with files beside the same JSON.

https://docs.discord.com/developers/reference#uploading-files. What counts as a file is any part with a filename,
whatever it is called: libraries call them `files[0]`, `file`, `_name`, or nothing at all.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from services.common import limits
from services.common.errors import FieldViolation
from services.rest.body import UnsupportedMediaType, decode
from services.rest.errors import InvalidForm, RequestTooLarge
from services.rest.fields import Snowflake
from services.rest.files.multipart import FORM_DATA, MultipartBody, Part, read_field
from services.rest.request import ApiRequest

FORM: Final = "form"
"""In a route's `opt`: the type of a body that may also come as a form with files."""

PAYLOAD: Final = "payload_json"
_NUMBERED: Final = re.compile(r"files\[(\d{1,4})\]")

T = TypeVar("T")


class AttachmentIn(Struct):
    """About a file: an uploaded one by its number, or one that the message has by its id."""

    id: Snowflake | None = None
    filename: str | None = None
    description: Annotated[str, Meta(max_length=limits.ATTACHMENT_DESCRIPTION)] | None = None


AttachmentsIn = Annotated[list[AttachmentIn], Meta(max_length=limits.UPLOAD_PARTS)]


class UploadedFile(Struct):
    """A file part: `number` is what `attachments[].id` calls it."""

    number: int
    filename: str
    chunks: AsyncIterator[bytes]


async def read_json(request: ApiRequest, decoder: msgspec.json.Decoder[T]) -> T:
    """The body as one value, where more than REQUEST_BODY_BYTES is taken of forms only. Raises RequestTooLarge,
    MalformedBody, InvalidForm."""
    length = request.content_length
    if length is None:
        return decode(decoder, await _read_all(request))
    if length > limits.REQUEST_BODY_BYTES:
        raise RequestTooLarge
    # The server sees to it that no more comes than was announced.
    return decode(decoder, await request.body())


async def _read_all(request: ApiRequest) -> bytes:
    body = bytearray()
    async with aclosing(request.stream()) as chunks:
        async for chunk in chunks:
            body += chunk
            if len(body) > limits.REQUEST_BODY_BYTES:
                raise RequestTooLarge
    return bytes(body)


def is_form(request: ApiRequest) -> bool:
    """Raises UnsupportedMediaType for the other kinds of multipart."""
    content_type = request.headers.get("content-type", "").lower()
    if content_type.startswith("multipart/") and not content_type.startswith(FORM_DATA):
        raise UnsupportedMediaType
    return content_type.startswith(FORM_DATA)


async def read_form(
    request: ApiRequest,
    decoder: msgspec.json.Decoder[T],
    store: Callable[[UploadedFile], Awaitable[None]],
) -> T:
    """Give each file to `store` as it comes, and return what the rest of the form says.

    Raises RequestTooLarge, MalformedBody or InvalidForm as soon as it is known, in the middle of the body.
    """
    fields: dict[str, bytes] = {}
    files = 0
    data: T | None = None
    room = limits.REQUEST_BODY_BYTES
    content_type = request.headers["content-type"]
    async with aclosing(request.stream()) as stream, MultipartBody(content_type, stream) as body:
        async for part in body:
            if part.filename is None or part.name == PAYLOAD:
                value = fields[part.name] = await read_field(part, room)
                room -= len(value)
                if part.name == PAYLOAD:
                    data = decode(decoder, value)
                continue
            if files == limits.ATTACHMENTS_PER_MESSAGE:
                raise too_many_files()
            async with aclosing(part.chunks()) as chunks:
                await store(UploadedFile(_number(part, files), part.filename, chunks))
            files += 1
    return decode(decoder, _as_json(fields)) if data is None else data


def too_many_files() -> InvalidForm:
    message = f"Must be {limits.ATTACHMENTS_PER_MESSAGE} or fewer in length."
    return InvalidForm(FieldViolation("attachments", "BASE_TYPE_MAX_LENGTH", message))


def _number(part: Part, position: int) -> int:
    numbered = _NUMBERED.fullmatch(part.name)
    return int(numbered[1]) if numbered else position


def _as_json(fields: dict[str, bytes]) -> bytes:
    """A form without `payload_json` has the fields themselves: `content=hello`."""
    return msgspec.json.encode({name: value.decode("utf-8", "replace") for name, value in fields.items()})
