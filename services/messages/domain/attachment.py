"""What a message knows of a file; the bytes are the edge's."""

from collections.abc import Collection, Sequence

from msgspec import Struct

from services.common import limits
from services.common.errors import FieldViolation
from services.messages.domain.errors import InvalidForm, too_long


class Attachment(Struct, frozen=True, omit_defaults=True):
    """`content_type` is by what the bytes are; `token` is what makes the URL one that cannot be guessed."""

    id: int
    filename: str
    content_type: str
    size: int
    token: str
    description: str = ""
    width: int = 0
    height: int = 0
    spoiler: bool = False

    @property
    def blob_key(self) -> str:
        """Under which the edge keeps the bytes."""
        return f"attachments/{self.id}-{self.token}"


def check(attachments: Sequence[Attachment]) -> None:
    """Raises InvalidForm: too many for one message, or too large together."""
    if len(attachments) > limits.ATTACHMENTS_PER_MESSAGE:
        raise InvalidForm(too_long("attachments", limits.ATTACHMENTS_PER_MESSAGE))
    if sum(attachment.size for attachment in attachments) > limits.UPLOAD_REQUEST_BYTES:
        message = f"The files of a message have at most {limits.UPLOAD_REQUEST_BYTES} bytes together."
        raise InvalidForm(FieldViolation("attachments", "BASE_TYPE_MAX_LENGTH", message))


def changed(
    old: Sequence[Attachment], *, kept_ids: Collection[int], new: Sequence[Attachment]
) -> tuple[Attachment, ...]:
    """What a message has after an edit: those that it keeps, in their order, and the new ones.

    Raises:
        InvalidForm: it has none with an id that is to be kept, or has too many now.
    """
    if unknown := set(kept_ids) - {attachment.id for attachment in old}:
        message = f"Unknown attachment {min(unknown)}"
        raise InvalidForm(FieldViolation("attachments", "ATTACHMENT_NOT_FOUND", message))
    attachments = (*(attachment for attachment in old if attachment.id in kept_ids), *new)
    check(attachments)
    return attachments
