"""The store of webhooks, as a specification.

An adapter is right when `tests/contract/test_webhook_store.py` passes with it.

Atomicity
    A webhook and the outbox record that tells of its change are one write: both are there afterwards, or neither. An
    event is published for what was stored, and for nothing else.

Durability
    When a write returns, it survives the death of every process and of the machine.

Conflicts
    Nothing is locked between a read and a write. `replace` and `delete` are made from a revision, and answer False
    when it is not the stored one any more: the caller reads again and decides anew.

Limits
    A channel never has more than `most` webhooks, however many are made at the same moment.

Gone channels
    A channel whose webhooks were dropped never gets one again, also from a request that was authorised before.

Failure
    Every call may raise `Unavailable`; a write that did is not known to have happened. Trying again is safe: an add
    with its key, a replace or a delete with its revision.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.common.outbox import OutboxRecord
from services.webhooks.domain.webhook import Webhook


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """What a client names a create by, so that its retry makes nothing new. Keys are per user and channel."""

    user_id: int
    channel_id: int
    key: str


class WebhookStore(Protocol):
    async def get(self, webhook_id: int) -> Webhook | None: ...

    async def of_channel(self, channel_id: int) -> list[Webhook]:
        """By id, ascending."""
        ...

    async def of_server(self, server_id: int) -> list[Webhook]:
        """By id, ascending."""
        ...

    async def add(
        self, webhook: Webhook, record: OutboxRecord, *, most: int, key: IdempotencyKey | None, now_ms: int
    ) -> Webhook:
        """Stores a webhook and returns it; or the one that was first with this key, and then nothing is written.

        Args:
            record: its events; published if, and only if, the webhook is added.
            most: webhooks that its channel may have afterwards.
            key: counts for `limits.IDEMPOTENCY_LIFETIME` seconds.

        Raises:
            TooManyWebhooks: the channel has as many already.
            UnknownChannel: see Gone channels.
            UnknownWebhook: the key is that of a webhook which has been deleted since.
        """
        ...

    async def replace(self, webhook: Webhook, record: OutboxRecord, *, most: int) -> bool:
        """Puts `webhook` in the place of the one that has its id and the revision before its own.

        Raises:
            TooManyWebhooks, UnknownChannel: as `add`, for one that moves to another channel.
        """
        ...

    async def delete(self, webhook: Webhook, record: OutboxRecord) -> bool:
        """Removes the webhook if its revision is the stored one."""
        ...

    async def drop_channels(
        self, channel_ids: Collection[int], tell: Callable[[Sequence[Webhook]], OutboxRecord | None]
    ) -> None:
        """The channels are gone: so are their webhooks. Repeating it is harmless.

        `tell` is asked within the write what is to be told of those that go, and does nothing else.
        """
        ...
