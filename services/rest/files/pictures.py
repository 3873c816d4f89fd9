"""Avatars and icons: small images that come inside JSON and are served to everybody.

https://docs.discord.com/developers/reference#image-data. A picture has a name of its own each time it is set: what is
removed late is never one that was put back.
"""

import binascii
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal

from msgspec import Meta, UnsetType

from services.common import limits
from services.common.errors import BeepError, DeadlineExceeded, FieldViolation, Internal, Unavailable
from services.rest.blobs.ports import Blobs, Metadata
from services.rest.errors import InvalidForm
from services.rest.files.media import IMAGES, Media, recognise

Folder = Literal["avatars", "icons", "channel-icons"]

PictureIn = Annotated[
    str,
    Meta(
        max_length=limits.PICTURE_BYTES * 2,
        description=f"data:image/png;base64,… (PNG, JPEG, GIF or WebP) of at most {limits.PICTURE_BYTES} bytes and "
        f"{limits.PICTURE_PIXELS} pixels either way.",
    ),
]

_DATA_URI: Final = re.compile(r"data:[a-z]+/[a-z0-9.+-]+;base64,(?P<data>[A-Za-z0-9+/\s]*={0,2})\s*", re.IGNORECASE)
_FILE: Final = re.compile(r"(?P<name>(?:a_)?[0-9a-f]{32})\.(?:png|jpe?g|gif|webp)")
_ANIMATED: Final = "a_"


@dataclass(frozen=True, slots=True)
class Picture:
    """`name` is what the JSON of its owner says (Discord's hash); clients make the URL of it."""

    name: str
    content_type: str
    data: bytes

    def named(self, name: str) -> "Picture":
        return replace(self, name=name)


class Pictures:
    def __init__(self, blobs: Blobs, new_name: Callable[[], str]) -> None:
        """`new_name` gives 32 hexadecimal digits that were never given before."""
        self._blobs = blobs
        self._new_name = new_name

    def parse(self, data_uri: str, field: str) -> Picture:
        """Raises InvalidForm, which names the field."""
        match = _DATA_URI.fullmatch(data_uri)
        try:
            data = binascii.a2b_base64(match["data"]) if match else b""
        except binascii.Error:
            data = b""
        if not data:
            raise _invalid(field, "Must be data:image/…;base64, and an image in base64.")
        if len(data) > limits.PICTURE_BYTES:
            raise _invalid(
                field, f"File cannot be larger than {limits.PICTURE_BYTES / 1024} kb.", "BINARY_TYPE_MAX_SIZE"
            )
        media = recognise(data)
        _check(media, field)
        prefix = _ANIMATED if media.content_type == "image/gif" else ""
        return Picture(prefix + self._new_name(), media.content_type, data)

    async def put(self, folder: Folder, owner_id: int, picture: Picture) -> None:
        """Store it, so that it is there before anybody is told of it. Raises Unavailable."""
        metadata = Metadata(picture.content_type, owner_id)
        await self._blobs.put(picture_key(folder, owner_id, picture.name), metadata, _once(picture.data))

    @asynccontextmanager
    async def changing(
        self, folder: Folder, owner_id: int, given: str | UnsetType | None, field: str
    ) -> AsyncIterator[str | None]:
        """What to tell the service that owns the owner, which is told in this block: the picture's name, empty to have
        none (`null` was given), None to leave it. When the service refuses, the picture goes again.

        Raises:
            BeepError: it is no picture, or it cannot be stored.
        """
        if isinstance(given, UnsetType) or given is None:
            yield None if isinstance(given, UnsetType) else ""
            return
        picture = self.parse(given, field)
        await self.put(folder, owner_id, picture)
        try:
            yield picture.name
        except (Unavailable, DeadlineExceeded, Internal):
            # It is not known whether somebody refers to it now.
            raise
        except BeepError:
            await self._blobs.delete(picture_key(folder, owner_id, picture.name))
            raise


def picture_key(folder: str, owner_id: int, name: str) -> str:
    return f"{folder}/{owner_id}/{name}"


def name_in(file: str) -> str | None:
    """The picture's name in the last part of its URL; it is served as what it is, whichever extension is asked for."""
    match = _FILE.fullmatch(file)
    return match["name"] if match else None


def _check(media: Media, field: str) -> None:
    if media.content_type not in IMAGES:
        raise _invalid(field, "Must be a PNG, JPEG, GIF or WebP image.", "IMAGE_INVALID")
    if not (0 < media.width <= limits.PICTURE_PIXELS and 0 < media.height <= limits.PICTURE_PIXELS):
        raise _invalid(field, f"Must be 1 to {limits.PICTURE_PIXELS} pixels wide and high.", "IMAGE_INVALID")


def _invalid(field: str, message: str, code: str = "IMAGE_INVALID") -> InvalidForm:
    return InvalidForm(FieldViolation(field, code, message))


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
