"""Files on their way into a message.

    authorise → note what is to come (`pending`) → store the bytes (`blobs`) → create the message → strike the note

Nothing that fails on this way leaves a file behind. A refusal removes what was stored at once. When it is not known
whether there is a message now (its service did not answer, this process died), the note stays, and `settle` asks.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, Generic, TypeVar

import msgspec

from beep.messages.v1.message_pb2 import Attachment, Message
from beep.messages.v1.messages_service_pb2 import FindAttachmentsRequest
from services.common import limits
from services.common.bus import BLOBS_DELETED, Envelope
from services.common.clock import Clock
from services.common.errors import (
    BeepError,
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from services.common.permissions import Permission
from services.common.snowflake import SnowflakeGenerator
from services.rest.blobs.ports import Blobs, Metadata, check_key
from services.rest.errors import RequestTooLarge
from services.rest.files.forms import UploadedFile, is_form, read_form, read_json
from services.rest.files.media import HEAD_BYTES, recognise
from services.rest.files.names import is_spoiler, sanitise
from services.rest.files.pending import PendingUploads
from services.rest.request import ApiRequest
from services.rest.services import Services
from services.wire.attachment import attachment_url

if TYPE_CHECKING:
    from services.rest.files.forms import AttachmentIn

logger = logging.getLogger(__name__)

SETTLE_SECONDS: Final = 30.0
"""Longer than any call to messages takes: what was undecided for so long is decided there."""

_FOUND_AT_ONCE: Final = 100
_NOT_KNOWN: Final = (Unavailable, DeadlineExceeded, Internal)

T = TypeVar("T")


@dataclass(slots=True)
class Upload:
    """A stored file. `sent_as` and `number` are how the rest of the form may call it."""

    number: int
    sent_as: str
    attachment: Attachment


@dataclass(slots=True)
class Taken(Generic[T]):
    """A body that was read to its end. `confirm` what became of its files."""

    data: T
    uploads: list[Upload] = field(default_factory=list)
    kept_ids: set[int] = field(default_factory=set)

    def describe(self, given: Sequence["AttachmentIn"]) -> list[Attachment]:
        """The uploads, with what the client says about each of them."""
        said = {each.id: each for each in given}
        for upload in self.uploads:
            about = said.get(upload.number)
            if about is not None:
                upload.attachment.description = about.description or ""
                if about.filename:
                    upload.attachment.filename = sanitise(about.filename)
            upload.attachment.spoiler = is_spoiler(upload.attachment.filename)
        return [upload.attachment for upload in self.uploads]

    def kept(self, given: Sequence["AttachmentIn"]) -> list[int]:
        """Which of a message's attachments a list of them keeps: what is not about an upload."""
        numbers = {upload.number for upload in self.uploads}
        return sorted({each.id for each in given if each.id is not None} - numbers)

    def urls(self, public_url: str, channel_id: int) -> dict[str, str]:
        """Where the uploads will be, by every name that `attachment://` may call them; call `describe` before."""
        found: dict[str, str] = {}
        for upload in self.uploads:
            url = attachment_url(public_url, channel_id, upload.attachment)
            for name in (upload.attachment.filename, upload.sent_as):
                found.setdefault(name, url)
        return found

    def confirm(self, message: Message) -> None:
        """This message was stored; uploads that are not in it go (it is the first one of a repeated nonce)."""
        self.kept_ids = {attachment.id for attachment in message.attachments}


class Uploads:
    """Made once. `settling` is its job beside the requests, `handle` what its inbox does."""

    def __init__(
        self,
        blobs: Blobs,
        pending: PendingUploads,
        services: Services,
        ids: SnowflakeGenerator,
        clock: Clock,
        new_token: Callable[[], str],
    ) -> None:
        """`new_token` gives what nobody can guess, in characters of a blob's key."""
        self._blobs = blobs
        self._pending = pending
        self._services = services
        self._ids = ids
        self._clock = clock
        self._new_token = new_token
        self._callers: Counter[int] = Counter()
        self._under_way: set[int] = set()
        self._undecided: set[int] = set()

    @asynccontextmanager
    async def taking(
        self, request: ApiRequest, channel_id: int, required: Permission, decoder: msgspec.json.Decoder[T]
    ) -> AsyncIterator[Taken[T]]:
        """Read a message's body, JSON or form, and see to its files when the block ends.

        Args:
            request: its body was not read yet.
            channel_id: of the message.
            required: what the caller must be allowed there before the first file is taken.
            decoder: of the JSON.

        Raises:
            BeepError: the body is wrong or too large, the caller may not, the store is full.
        """
        if not is_form(request):
            yield Taken(await read_json(request, decoder))
            return
        user_id = request.caller.user_id
        if self._callers[user_id] >= limits.UPLOADS_PER_CALLER:
            raise ResourceExhausted("TOO_MANY_UPLOADS", metadata={"retry_after": "1"})
        uploads: list[Upload] = []
        self._callers[user_id] += 1
        try:
            try:
                store = partial(self._store, user_id, channel_id, required, uploads)
                taken = Taken(await read_form(request, decoder, store), uploads)
            except BaseException:
                await self._discard(uploads)
                raise
            try:
                yield taken
            except BeepError as error:
                if not isinstance(error, _NOT_KNOWN):
                    await self._discard(uploads)
                raise
            await self._decide(uploads, taken.kept_ids)
        finally:
            self._callers[user_id] -= 1
            if not self._callers[user_id]:
                del self._callers[user_id]
            self._under_way.difference_update(upload.attachment.id for upload in uploads)

    async def settling(self) -> None:
        """Runs for ever."""
        while True:
            try:
                await self.settle()
            except BeepError as error:
                logger.warning("uploads_not_settled", extra={"error": error})
            await self._clock.sleep(SETTLE_SECONDS)

    async def settle(self) -> None:
        """Decide what was undecided already the last time: a call under way then has ended since."""
        noted = await self._pending.list()
        undecided = noted.keys() - self._under_way
        due, self._undecided = sorted(undecided & self._undecided), undecided
        for start in range(0, len(due), _FOUND_AT_ONCE):
            ids = due[start : start + _FOUND_AT_ONCE]
            answer = await self._services.messages.FindAttachments(FindAttachmentsRequest(attachment_ids=ids))
            await self._delete([noted[id] for id in set(ids) - set(answer.attachment_ids)])
            await self._pending.remove(ids)

    async def handle(self, envelope: Envelope) -> None:
        """Another service says that nothing refers to some blobs any more."""
        if envelope.type != BLOBS_DELETED:
            return
        try:
            keys = [check_key(key) for key in _decode_deleted(envelope.body).keys]
        except (msgspec.DecodeError, ValueError):
            raise InvalidArgument("BLOBS_DELETED_UNREADABLE", "These are no keys of blobs.") from None
        await self._delete(keys)

    async def _store(
        self, user_id: int, channel_id: int, required: Permission, uploads: list[Upload], file: UploadedFile
    ) -> None:
        if not uploads:
            # Before the first byte: who may not attach files fills nobody's disk.
            await self._services.access.in_channel(user_id, channel_id, required=required)
        head = bytearray()
        while len(head) < HEAD_BYTES and (chunk := await anext(file.chunks, b"")):
            head += chunk
        if not head and not file.filename:
            # A browser's form in which no file was chosen.
            return
        media = recognise(bytes(head))
        attachment = Attachment(
            id=self._ids.next(),
            filename=sanitise(file.filename),
            content_type=media.content_type,
            width=media.width,
            height=media.height,
            token=self._new_token(),
        )
        uploads.append(Upload(file.number, file.filename, attachment))
        self._under_way.add(attachment.id)
        await self._pending.add(attachment.id, attachment_key(attachment))
        attachment.size = await self._blobs.put(
            attachment_key(attachment), Metadata(media.content_type, channel_id), _bounded(bytes(head), file.chunks)
        )

    async def _decide(self, uploads: Sequence[Upload], kept_ids: set[int]) -> None:
        await self._discard([upload for upload in uploads if upload.attachment.id not in kept_ids])
        kept = [upload.attachment.id for upload in uploads if upload.attachment.id in kept_ids]
        if kept:
            await self._pending.remove(kept)

    async def _discard(self, uploads: Sequence[Upload]) -> None:
        if not uploads:
            return
        try:
            await self._delete([attachment_key(upload.attachment) for upload in uploads])
            await self._pending.remove([upload.attachment.id for upload in uploads])
        except BeepError as error:
            # They are still noted: `settle` finds that no message has them.
            logger.warning("uploads_not_discarded", extra={"error": error})

    async def _delete(self, keys: Collection[str]) -> None:
        for key in keys:
            await self._blobs.delete(key)


class _Deleted(msgspec.Struct):
    keys: list[str]


_decode_deleted: Final = msgspec.json.Decoder(_Deleted).decode


def attachment_key(attachment: Attachment) -> str:
    """Under which its bytes are stored: whoever does not know the token cannot even ask for it."""
    return f"attachments/{attachment.id}-{attachment.token}"


async def _bounded(head: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    size = 0
    chunk = head
    while chunk:
        size += len(chunk)
        if size > limits.UPLOAD_FILE_BYTES:
            raise RequestTooLarge
        yield chunk
        chunk = await anext(rest, b"")
