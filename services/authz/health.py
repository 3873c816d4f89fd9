"""Whether authz can decide what it does not remember. While it cannot, it is degraded."""

import asyncio
from typing import Final

from services.authz.mandate import Mandate
from services.authz.store.permify import PermifyAuthorizer
from services.common.clock import Clock
from services.common.errors import BeepError

HOLDS_SECONDS: Final = 1.0
"""For so long an answer of Permify counts. Anybody may ask for the health of Beep, and that must not burden Permify."""

ANSWER_SECONDS: Final = 0.8
"""Less than anybody waits for the health of a service."""


class DecidesAnew:
    """For `RpcServer.degraded_unless`."""

    def __init__(self, mandate: Mandate, permify: PermifyAuthorizer | None, clock: Clock) -> None:
        """`permify` None: the engine is in this process, and answers as long as that does."""
        self._mandate = mandate
        self._permify = permify
        self._clock = clock
        self._answers = True
        self._asks_again_at = clock.monotonic()

    async def __call__(self) -> bool:
        return self._mandate.left > 0 and (self._permify is None or await self._permify_answers(self._permify))

    async def _permify_answers(self, permify: PermifyAuthorizer) -> bool:
        """Asked, and not only counted: when nobody else asks, nobody would notice that it is gone, or back."""
        now = self._clock.monotonic()
        if now >= self._asks_again_at:
            # Before the question, so that one at a time asks; the others get the answer of before.
            self._asks_again_at = now + HOLDS_SECONDS
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await permify.probe()
                self._answers = True
            except (BeepError, TimeoutError):
                self._answers = False
        # Between two questions the breaker knows more.
        return self._answers and not permify.calls.is_lost
