"""What webhooks publishes, and what it follows.

A change becomes one outbox record in the order of its server: WEBHOOKS_UPDATE to the shard of the server, for those who
may view the channel; unless nobody with a name did it (the webhook's token did), AUDIT_ENTRY to `servers`; and
BLOBS_DELETED to `rest` for a picture that nobody has any more.

Followed, by an inbox: CHANNELS_DELETED.
"""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from services.common.bus import AUDIT_ENTRY, BLOBS_DELETED, Audience, Envelope, server_shard, service_shard
from services.common.outbox import OutboxRecord
from services.webhooks.domain.webhook import Webhook
from services.wire.encoding import encode
from services.wire.webhook import WebhooksUpdate

# https://docs.discord.com/developers/resources/audit-log#audit-log-entry-object-audit-log-events
CREATED: Final = 50
UPDATED: Final = 51
DELETED: Final = 52


# What the audit log tells of a webhook. Not its token.
_AUDITED: Final[dict[str, Callable[[Webhook], str | None]]] = {
    "name": lambda webhook: webhook.name,
    "channel_id": lambda webhook: str(webhook.channel_id),
    "avatar_hash": lambda webhook: webhook.avatar or None,
}


class AuditChange(msgspec.Struct):
    """One field. None: it was, or is, not there."""

    key: str
    old: str | None
    new: str | None


class AuditEntry(msgspec.Struct):
    """The body of AUDIT_ENTRY."""

    id: str
    server_id: str
    actor_id: str
    action: int
    target_id: str
    reason: str
    changes: list[AuditChange]
    options: None = None


class BlobsDeleted(msgspec.Struct):
    """The body of BLOBS_DELETED."""

    keys: list[str]


class ChannelsDeleted(msgspec.Struct):
    """The body of CHANNELS_DELETED. Ids are strings of digits, which msgspec reads as numbers when not strict."""

    channel_ids: list[int]


def deleted_channels(envelope: Envelope) -> list[int]:
    return msgspec.json.decode(envelope.body, type=ChannelsDeleted, strict=False).channel_ids


class WebhookEvents:
    """Writes the records. `next_id` gives event ids."""

    def __init__(self, next_id: Callable[[], int]) -> None:
        self._next_id = next_id

    def record(self, before: Webhook | None, after: Webhook | None, *, actor_id: int, reason: str) -> OutboxRecord:
        """What one change tells of a webhook that begins (`before` is None), changes, or goes (`after` is None).

        `actor_id` 0: its token did it.
        """
        webhook = after or before
        assert webhook is not None
        channel_ids = dict.fromkeys(each.channel_id for each in (before, after) if each is not None)
        envelopes = [self._update(webhook.server_id, channel_id) for channel_id in channel_ids]
        if actor_id:
            action = CREATED if before is None else UPDATED if after is not None else DELETED
            envelopes.append(self._audit(webhook, action, actor_id, reason, _changes(before, after)))
        if before is not None and before.avatar and (after is None or after.avatar != before.avatar):
            envelopes.append(self._blobs_deleted([before]))
        return OutboxRecord(self._next_id(), server_shard(webhook.server_id), tuple(envelopes))

    def dropped(self, webhooks: Sequence[Webhook]) -> OutboxRecord | None:
        """Of those that went with their channels, which nobody may view any more: their pictures go as well."""
        pictured = [webhook for webhook in webhooks if webhook.avatar]
        if not pictured:
            return None
        return OutboxRecord(self._next_id(), server_shard(pictured[0].server_id), (self._blobs_deleted(pictured),))

    def _blobs_deleted(self, webhooks: Sequence[Webhook]) -> Envelope:
        # Where the edge keeps the pictures of users, under the webhook's id: Discord's URLs are the same for both.
        keys = [f"avatars/{webhook.id}/{webhook.avatar}" for webhook in webhooks]
        return Envelope(
            event_id=self._next_id(),
            shard=service_shard("rest"),
            type=BLOBS_DELETED,
            body=encode(BlobsDeleted(keys)),
            audience=Audience.NONE,
            server_id=webhooks[0].server_id,
        )

    def _update(self, server_id: int, channel_id: int) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=server_shard(server_id),
            type="WEBHOOKS_UPDATE",
            body=encode(WebhooksUpdate(guild_id=str(server_id), channel_id=str(channel_id))),
            audience=Audience.CHANNEL,
            server_id=server_id,
            channel_id=channel_id,
        )

    def _audit(self, webhook: Webhook, action: int, actor_id: int, reason: str, changes: list[AuditChange]) -> Envelope:
        entry_id = self._next_id()
        entry = AuditEntry(
            id=str(entry_id),
            server_id=str(webhook.server_id),
            actor_id=str(actor_id),
            action=action,
            target_id=str(webhook.id),
            reason=reason,
            changes=changes,
        )
        return Envelope(
            event_id=entry_id,
            shard=service_shard("servers"),
            type=AUDIT_ENTRY,
            body=encode(entry),
            audience=Audience.NONE,
            server_id=webhook.server_id,
        )


def _changes(before: Webhook | None, after: Webhook | None) -> list[AuditChange]:
    fields = (
        (key, None if before is None else read(before), None if after is None else read(after))
        for key, read in _AUDITED.items()
    )
    return [AuditChange(key, old, new) for key, old, new in fields if old != new]
