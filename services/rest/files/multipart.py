"""A multipart/form-data body (RFC 7578) as a stream of parts: nothing is held but what the socket has just given.

The state machine is `multipart.PushMultipartParser`, which does no I/O; this file drives it, bounds it, and says what
is wrong in Discord's words.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, Final, Self
from urllib.parse import unquote

from multipart import MultipartError, MultipartSegment, ParserLimitReached, PushMultipartParser, parse_options_header

from services.common import limits
from services.common.errors import FieldViolation
from services.rest.errors import InvalidForm

FORM_DATA: Final = "multipart/form-data"

# RFC 2046 §5.1.1 allows 70 characters, and fewer kinds of them than clients use.
_BOUNDARY: Final = re.compile(r"[!-~](?:[ -~]{0,198}[!-~])?")
_EXTENDED_NAME: Final = re.compile(r"filename\*\s*=\s*\"?utf-8'[^']*'([^\s;\"]*)", re.IGNORECASE)


class Part:
    """One part. Its bytes are read once, with `chunks`; what is not read is skipped."""

    def __init__(self, name: str, filename: str | None, events: AsyncIterator[Any]) -> None:
        self.name: Final = name
        self.filename: Final = filename
        """As the client wrote it; None: this is a field, not a file."""
        self._events = events
        self._ended = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What is left of the part. Raises InvalidForm when the body turns out to be broken."""
        while not self._ended:
            chunk = await anext(self._events)
            if chunk is None:
                self._ended = True
            else:
                yield chunk


class MultipartBody:
    """`async with MultipartBody(…) as body: async for part in body: …`"""

    def __init__(self, content_type: str, stream: AsyncIterator[bytes]) -> None:
        """Raises InvalidForm when the header names no usable boundary."""
        boundary = parse_options_header(content_type)[1].get("boundary", "")
        if not _BOUNDARY.fullmatch(boundary):
            raise _invalid("The Content-Type names no usable boundary.")
        self._parser = PushMultipartParser(boundary, max_segment_count=limits.UPLOAD_PARTS)
        self._events = self._parse(stream)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._events.aclose()

    async def __aiter__(self) -> AsyncIterator[Part]:
        async for event in self._events:
            # Else the end of a part or what nobody wanted of it.
            if isinstance(event, MultipartSegment):
                yield Part(event.name or "", _filename(event), self._events)

    async def _parse(self, stream: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
        try:
            async for chunk in stream:
                if chunk:
                    for event in self._parser.parse(chunk):
                        yield event
            self._parser.close()
        except ParserLimitReached as error:
            raise _invalid(f"{error.args[0]}: at most {limits.UPLOAD_PARTS} parts with short headers.") from None
        except MultipartError as error:
            raise _invalid(f"{error.args[0]}.") from None


async def read_field(part: Part, room: int) -> bytes:
    """A part that is to be held as a whole. Raises InvalidForm when it is longer than `room`."""
    value = bytearray()
    async with aclosing(part.chunks()) as chunks:
        async for chunk in chunks:
            value += chunk
            if len(value) > room:
                message = f"All fields together must be {limits.REQUEST_BODY_BYTES} bytes or fewer."
                raise InvalidForm(FieldViolation(part.name, "BASE_TYPE_MAX_LENGTH", message))
    return bytes(value)


def _filename(segment: MultipartSegment) -> str | None:
    if segment.filename is not None:
        return str(segment.filename)
    # RFC 7578 §4.2 forbids this form, and aiohttp writes it for every name that is not ASCII.
    extended = _EXTENDED_NAME.search(segment.header("Content-Disposition", ""))
    return unquote(extended[1], errors="replace") if extended else None


def _invalid(message: str) -> InvalidForm:
    return InvalidForm(FieldViolation("", "MULTIPART_INVALID", message))
