"""Forgets nonces that are too old to count, so that they do not grow with the history."""

import logging
from typing import Final

from services.common.clock import Clock
from services.common.errors import BeepError
from services.common.limits import NONCE_LIFETIME
from services.common.snowflake import at_ms
from services.messages.store.ports import MessageStore

INTERVAL_SECONDS: Final = 600.0
BATCH: Final = 1_000

logger = logging.getLogger(__name__)


async def forget_old_nonces(store: MessageStore, clock: Clock) -> None:
    """One round, in small writes: senders wait behind each of them."""
    horizon = at_ms(clock.now_ms() - NONCE_LIFETIME * 1000)
    while await store.forget_nonces(before=horizon, limit=BATCH) == BATCH:
        pass


async def keep_forgetting(store: MessageStore, clock: Clock) -> None:
    """A round now and then, until cancelled."""
    while True:
        try:
            await forget_old_nonces(store, clock)
        except BeepError as error:
            # Nothing depends on it: an old nonce that is still there does not count.
            logger.warning("nonces_kept", extra={"error": error})
        await clock.sleep(INTERVAL_SECONDS)
