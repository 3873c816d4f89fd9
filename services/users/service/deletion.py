"""Deleting an account: a saga whose progress is stored, so that it ends whatever dies meanwhile (ACC-08, SYS-03).

Rules
    1. A step may run any number of times: a process may die after it and before it is noted.
    2. A step that is refused (`OwnsServers`) undoes those before it, latest first, and the account lives on. Any other
       failure is waited out, for as long as it takes.
    3. From the moment at which a deletion is stored, every token of the account is refused.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.common.errors import BeepError
from services.users.domain.errors import OwnsServers
from services.users.store.ports import DELETED, Deletion, DeletionStore

logger = logging.getLogger(__name__)

ANSWER_S: Final = 3.0
"""How long whoever asked waits for the end. What is not done by then goes on without them."""
RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """`name` is stored: it is never given to another step. `undo`: None where nothing has to be taken back."""

    name: str
    run: Callable[[Deletion], Awaitable[None]]
    undo: Callable[[Deletion], Awaitable[None]] | None = None


class Deletions:
    """Takes accounts through the steps. `run` it as a job: it begins with what an earlier process left."""

    def __init__(
        self,
        store: DeletionStore,
        steps: Sequence[Step],
        owns_servers: Callable[[int], Awaitable[bool]],
    ) -> None:
        """`owns_servers`: asked before anything is begun."""
        self._store = store
        self._steps = list(steps)
        self._owns_servers = owns_servers
        self._awake = asyncio.Event()
        self._outcomes: dict[int, asyncio.Future[BeepError | None]] = {}

    async def refuse_owner(self, user_id: int) -> None:
        """Raises OwnsServers."""
        if await self._owns_servers(user_id):
            raise OwnsServers

    async def delete(self, user_id: int, subject: str) -> None:
        """From the return on nobody gets in as this user. Usually all is done by then; if not, the rest follows.

        Raises:
            OwnsServers: they have come to own a server meanwhile; the account is as it was, signed out.
        """
        await self._store.begin(Deletion(user_id, subject, self._steps[0].name))
        loop = asyncio.get_running_loop()
        outcome = self._outcomes.setdefault(user_id, loop.create_future())
        self._awake.set()
        try:
            async with asyncio.timeout(ANSWER_S):
                error = await asyncio.shield(outcome)
        except TimeoutError:
            logger.warning("deletion_takes_long", extra={"user_id": user_id})
            return
        if error is not None:
            raise error

    async def run(self) -> None:
        while True:
            self._awake.clear()
            try:
                for deletion in await self._store.pending():
                    await self._work_off(deletion)
            except (BeepError, TimeoutError) as error:
                logger.warning("deletions_unreadable", extra={"error": error})
            try:
                async with asyncio.timeout(RETRY_S):
                    await self._awake.wait()
            except TimeoutError:
                continue

    async def _work_off(self, deletion: Deletion) -> None:
        error: BeepError | None = None
        try:
            await self._finish(deletion)
        except OwnsServers as refused:
            error = refused
        except (BeepError, TimeoutError) as failure:
            # Tried again at the next round, and no other account waits for this one.
            logger.warning("deletion_waits", extra={"user_id": deletion.user_id, "error": failure})
            return
        outcome = self._outcomes.pop(deletion.user_id, None)
        if outcome is not None:
            outcome.set_result(error)

    async def _finish(self, deletion: Deletion) -> None:
        names = [step.name for step in self._steps]
        for number in range(names.index(deletion.step), len(names)):
            try:
                await self._steps[number].run(deletion)
            except OwnsServers:
                await self._undo(deletion, number)
                raise
            await self._store.advance(deletion.user_id, [*names, DELETED][number + 1])

    async def _undo(self, deletion: Deletion, number: int) -> None:
        for step in reversed(self._steps[:number]):
            if step.undo is not None:
                await step.undo(deletion)
        await self._store.cancel(deletion.user_id)
