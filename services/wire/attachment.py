"""https://docs.discord.com/developers/resources/message#attachment-object"""

from typing import TYPE_CHECKING
from urllib.parse import quote

from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from beep.messages.v1.message_pb2 import Attachment


class AttachmentObject(Struct, kw_only=True):
    id: str
    filename: str
    size: int
    url: str
    proxy_url: str
    content_type: str
    description: str | UnsetType = UNSET
    # Of an image whose size is known.
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET


def attachment_url(public_url: str, channel_id: int, attachment: "Attachment") -> str:
    """Where its bytes are; whoever knows this may read them, so it holds what cannot be guessed.

    Args:
        public_url: how clients reach Beep, with no slash at its end.
        channel_id: of the message.
        attachment: its `id`, `token` and `filename`.
    """
    name = quote(attachment.filename, safe="")
    return f"{public_url}/attachments/{channel_id}/{attachment.id}/{attachment.token}/{name}"


def attachment_object(attachment: "Attachment", url: str) -> AttachmentObject:
    return AttachmentObject(
        id=str(attachment.id),
        filename=attachment.filename,
        size=attachment.size,
        url=url,
        proxy_url=url,
        content_type=attachment.content_type,
        description=attachment.description or UNSET,
        width=attachment.width or UNSET,
        height=attachment.height or UNSET,
    )
