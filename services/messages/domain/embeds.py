"""Embeds: parsed, bounded, and stored as the JSON that goes out.

Fields and limits: https://docs.discord.com/developers/resources/message#embed-object-embed-limits. Members that are
unknown, or null, or that only a crawler of links fills in (`video`, `provider`), are dropped.
"""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct

from services.common import limits
from services.common.errors import FieldViolation
from services.messages.domain.errors import InvalidForm, too_long

Url = Annotated[str, Meta(max_length=limits.EMBED_URL, pattern=r"\A(?:https?|attachment)://\S+\Z")]


class EmbedFooter(Struct, omit_defaults=True):
    text: Annotated[str, Meta(max_length=limits.EMBED_FOOTER)]
    icon_url: Url | None = None


class EmbedMedia(Struct, omit_defaults=True):
    url: Url


class EmbedAuthor(Struct, omit_defaults=True):
    name: Annotated[str, Meta(max_length=limits.EMBED_AUTHOR)]
    url: Url | None = None
    icon_url: Url | None = None


class EmbedField(Struct):
    name: Annotated[str, Meta(min_length=1, max_length=limits.EMBED_FIELD_NAME)]
    value: Annotated[str, Meta(min_length=1, max_length=limits.EMBED_FIELD_VALUE)]
    inline: bool | None = None


class Embed(Struct, omit_defaults=True):
    title: Annotated[str, Meta(max_length=limits.EMBED_TITLE)] | None = None
    description: Annotated[str, Meta(max_length=limits.EMBED_DESCRIPTION)] | None = None
    url: Url | None = None
    timestamp: Annotated[str, Meta(max_length=64)] | None = None
    color: Annotated[int, Meta(ge=0, le=0xFFFFFF)] | None = None
    footer: EmbedFooter | None = None
    image: EmbedMedia | None = None
    thumbnail: EmbedMedia | None = None
    author: EmbedAuthor | None = None
    fields: Annotated[list[EmbedField], Meta(max_length=limits.EMBED_FIELDS)] | None = None
    type: str | None = None

    def shows_nothing(self) -> bool:
        """A colour and a link alone are nothing to see."""
        return not (
            self.title
            or self.description
            or self.timestamp
            or self.footer
            or self.image
            or self.thumbnail
            or self.author
            or self.fields
        )

    def characters(self) -> int:
        """What counts against the limit of all embeds of a message together."""
        texts = [self.title, self.description]
        texts.append(self.footer.text if self.footer else None)
        texts.append(self.author.name if self.author else None)
        texts.extend(text for field in self.fields or () for text in (field.name, field.value))
        return sum(len(text) for text in texts if text)


_decode: Final = msgspec.json.Decoder(list[Embed]).decode
_encode: Final = msgspec.json.Encoder().encode


def may_show(embeds: bytes) -> bool:
    """Whether it may be anything but an empty array, which is how an edit takes embeds away."""
    return bool(embeds.strip(b" \t\r\n[]"))


def normalise(embeds: bytes) -> bytes:
    """Check a JSON array of embeds and give it the form in which it is stored; empty for none.

    Those that show nothing are left out: they are no reason for a message.

    Raises:
        InvalidForm: not an array of embeds, or a limit is passed.
    """
    if not embeds:
        return b""
    try:
        parsed = _decode(embeds)
    except (msgspec.DecodeError, RecursionError) as error:
        # The text of the error names types, limits and the path, never what was sent.
        raise InvalidForm(FieldViolation("embeds", "EMBED_INVALID", str(error))) from None
    if len(parsed) > limits.MESSAGE_EMBEDS:
        raise InvalidForm(too_long("embeds", limits.MESSAGE_EMBEDS))
    if sum(embed.characters() for embed in parsed) > limits.EMBEDS_CHARACTERS:
        message = f"Embed size exceeds maximum size of {limits.EMBEDS_CHARACTERS}"
        raise InvalidForm(FieldViolation("embeds", "MAX_EMBED_SIZE_EXCEEDED", message))
    shown = [embed for embed in parsed if not embed.shows_nothing()]
    for embed in shown:
        _complete(embed)
    return _encode(shown) if shown else b""


def _complete(embed: Embed) -> None:
    """Fill in what clients expect of every embed that they receive."""
    embed.type = "rich"
    for field in embed.fields or ():
        field.inline = bool(field.inline)
    if embed.timestamp is not None:
        embed.timestamp = _timestamp(embed.timestamp)


def _timestamp(text: str) -> str:
    # Clients' parsers fail on what is not ISO 8601, and with it on the whole message.
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError):
        message = f'Could not parse "{text}". Should be ISO8601.'
        raise InvalidForm(FieldViolation("embeds", "DATE_TIME_TYPE_PARSE", message)) from None
