"""The domain's nouns as protos."""

from beep.users.v1.user_pb2 import User
from beep.webhooks.v1 import webhook_pb2
from services.webhooks.domain.webhook import Webhook


def webhook(of: Webhook, creator: User | None) -> webhook_pb2.Webhook:
    """`creator` None: not for this reader to know."""
    return webhook_pb2.Webhook(
        id=of.id,
        server_id=of.server_id,
        channel_id=of.channel_id,
        name=of.name,
        avatar=of.avatar,
        creator=creator,
        token=of.token,
    )
