"""https://docs.discord.com/developers/resources/webhook"""

from typing import TYPE_CHECKING, Final

from msgspec import UNSET, Struct, UnsetType

from services.wire.encoding import optional_id
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.webhooks.v1.webhook_pb2 import Webhook

INCOMING: Final = 1


class WebhookObject(Struct, kw_only=True):
    id: str
    type: int = INCOMING
    guild_id: str | None
    channel_id: str | None
    # Who made it; left out for whoever has nothing but the token.
    user: UserObject | UnsetType = UNSET
    name: str | None
    avatar: str | None
    token: str
    application_id: None = None


class WebhooksUpdate(Struct, kw_only=True):
    """The webhooks of a channel are no longer what they were; which, is asked for."""

    guild_id: str
    channel_id: str


def webhook_object(webhook: "Webhook") -> WebhookObject:
    return WebhookObject(
        id=str(webhook.id),
        guild_id=optional_id(webhook.server_id),
        channel_id=optional_id(webhook.channel_id),
        user=user_object(webhook.creator) if webhook.HasField("creator") else UNSET,
        name=webhook.name,
        avatar=webhook.avatar or None,
        token=webhook.token,
    )
