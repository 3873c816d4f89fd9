"""A webhook: a way into one channel for a program that has nothing but a URL.

https://docs.discord.com/developers/resources/webhook
"""

import re
from dataclasses import dataclass, field, replace
from typing import Final

from services.common.errors import FieldViolation
from services.common.limits import IDEMPOTENCY_KEY, WEBHOOK_NAME
from services.webhooks.domain.errors import InvalidForm

TOKEN_LENGTH: Final = 68
"""Libraries find a webhook's token in its URL by this length (discord.py: `[A-Za-z0-9_-]{60,}`, hikari: 68)."""

_PICTURE: Final = re.compile(r"[A-Za-z0-9_]{0,64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """`revision` rises by one with every change. The token is a secret: whoever has it may post."""

    id: int
    server_id: int
    channel_id: int
    creator_id: int
    name: str
    # The hash of a picture that the edge keeps; empty: none.
    avatar: str = ""
    # Kept as it is, because who manages webhooks may read it again.
    token: str = field(repr=False)
    revision: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEdit:
    """What to change; None: leave it."""

    name: str | None = None
    avatar: str | None = None
    channel_id: int | None = None


def create(
    *, webhook_id: int, server_id: int, channel_id: int, creator_id: int, name: str, avatar: str, token: str
) -> Webhook:
    """Raises InvalidForm."""
    return Webhook(
        id=webhook_id,
        server_id=server_id,
        channel_id=channel_id,
        creator_id=creator_id,
        name=_name(name),
        avatar=_picture(avatar),
        token=token,
    )


def edited(webhook: Webhook, edit: WebhookEdit) -> Webhook | None:
    """The webhook after the change; None when it is so already. Raises InvalidForm."""
    changed = replace(
        webhook,
        name=webhook.name if edit.name is None else _name(edit.name),
        avatar=webhook.avatar if edit.avatar is None else _picture(edit.avatar),
        channel_id=webhook.channel_id if edit.channel_id is None else edit.channel_id,
    )
    return None if changed == webhook else replace(changed, revision=webhook.revision + 1)


def require_key(key: str) -> None:
    """Raises InvalidForm for an idempotency key that is too long."""
    _require_length("Idempotency-Key", key, 0, IDEMPOTENCY_KEY)


def _name(name: str) -> str:
    plain = " ".join(name.split())
    _require_length("name", plain, 1, WEBHOOK_NAME)
    return plain


def _picture(avatar: str) -> str:
    if not _PICTURE.fullmatch(avatar):
        raise InvalidForm(FieldViolation("avatar", "BASE_TYPE_INVALID", "Not the hash of a picture."))
    return avatar


def _require_length(field_name: str, value: str, minimum: int, maximum: int) -> None:
    if not minimum <= len(value) <= maximum:
        message = f"Must be between {minimum} and {maximum} in length."
        raise InvalidForm(FieldViolation(field_name, "BASE_TYPE_BAD_LENGTH", message))
