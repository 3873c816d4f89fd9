"""Embeds as clients send them: https://docs.discord.com/developers/resources/message#embed-object

They are stored and returned as this module writes them: unknown keys and null members are gone, and nothing is longer
than its limit.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final
from urllib.parse import unquote

import msgspec
from msgspec import Meta, Struct, structs

from services.common import limits
from services.common.errors import FieldViolation
from services.rest.errors import InvalidForm
from services.rest.fields import Color, Moment

ATTACHMENT: Final = "attachment://"
NO_FILES: Final[Mapping[str, str]] = MappingProxyType({})

Url = Annotated[str, Meta(max_length=limits.EMBED_URL)]


class EmbedFooter(Struct, omit_defaults=True):
    text: Annotated[str, Meta(max_length=limits.EMBED_FOOTER)]
    icon_url: Url | None = None


class EmbedMedia(Struct, omit_defaults=True):
    url: Url | None = None


class EmbedAuthor(Struct, omit_defaults=True):
    name: Annotated[str, Meta(max_length=limits.EMBED_AUTHOR)]
    url: Url | None = None
    icon_url: Url | None = None


class EmbedField(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=limits.EMBED_FIELD_NAME)]
    value: Annotated[str, Meta(min_length=1, max_length=limits.EMBED_FIELD_VALUE)]
    inline: bool | None = False


class Embed(Struct, omit_defaults=True):
    title: Annotated[str, Meta(max_length=limits.EMBED_TITLE)] | None = None
    description: Annotated[str, Meta(max_length=limits.EMBED_DESCRIPTION)] | None = None
    url: Url | None = None
    timestamp: Moment | None = None
    color: Color | None = None
    footer: EmbedFooter | None = None
    image: EmbedMedia | None = None
    thumbnail: EmbedMedia | None = None
    author: EmbedAuthor | None = None
    fields: Annotated[list[EmbedField], Meta(max_length=limits.EMBED_FIELDS)] | None = None


class _StoredEmbed(Embed, tag_field="type", tag="rich"):
    """What a client says is its type counts for nothing: only Beep makes other kinds."""


Embeds = Annotated[
    list[Embed],
    Meta(max_length=limits.MESSAGE_EMBEDS, description=f"Of {limits.EMBEDS_CHARACTERS} characters at most, in all."),
]


def encode_embeds(embeds: Sequence[Embed] | None, files: Mapping[str, str] = NO_FILES) -> bytes:
    """As JSON; empty bytes for none. Raises InvalidForm when all of a message's embeds are too long together.

    Args:
        embeds: as the client sent them.
        files: the URLs of the message's uploads, by the names under which `attachment://` may speak of them.
    """
    if not embeds:
        return b""
    if files:
        embeds = [_resolve(embed, files) for embed in embeds]
    if sum(map(_characters, embeds)) > limits.EMBEDS_CHARACTERS:
        message = f"Embed size exceeds maximum size of {limits.EMBEDS_CHARACTERS}."
        raise InvalidForm(FieldViolation("embeds", "MAX_EMBED_SIZE_EXCEEDED", message))
    return msgspec.json.encode([_StoredEmbed(**structs.asdict(embed)) for embed in embeds])


def _resolve(embed: Embed, files: Mapping[str, str]) -> Embed:
    """https://docs.discord.com/developers/reference#uploading-files: what an embed shows may be uploaded with it."""

    def final(url: str | None) -> str | None:
        name = url.removeprefix(ATTACHMENT) if url and url.startswith(ATTACHMENT) else ""
        return files.get(name) or files.get(unquote(name)) or url

    replaced: dict[str, EmbedMedia | EmbedFooter | EmbedAuthor] = {}
    for field, media in (("image", embed.image), ("thumbnail", embed.thumbnail)):
        if media is not None:
            replaced[field] = EmbedMedia(final(media.url))
    for field, part in (("footer", embed.footer), ("author", embed.author)):
        if part is not None:
            replaced[field] = structs.replace(part, icon_url=final(part.icon_url))
    return structs.replace(embed, **replaced)


def _characters(embed: Embed) -> int:
    texts = [embed.title, embed.description]
    texts.append(embed.footer.text if embed.footer else None)
    texts.append(embed.author.name if embed.author else None)
    for field in embed.fields or ():
        texts += (field.name, field.value)
    return sum(len(text) for text in texts if text)
