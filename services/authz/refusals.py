"""The refusals that can be looked up: noted while the answer goes out, explained and stored right after.

A refusal costs the request an id and a place in a queue. One task explains what has queued, as of the instant of each
decision (the engine keeps the facts of its tokens readable for some seconds), and stores a batch at a time.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from beep.authz.v1.explain_service_pb2 import Decision
from services.authz.domain.rights import KNOWN, MANAGING, VIEW, Right, rights_in
from services.authz.explain import Explainer, Pinned
from services.authz.explained import explanation_message
from services.authz.store.decision_log import DecisionLog
from services.common.clock import Clock
from services.common.errors import BeepError

logger = logging.getLogger(__name__)
audit = logging.getLogger("beep.authz.denied")
"""One line for each denial of a right that manages. Its own name, so that it can be kept where the rest is not."""

WAITING_AT_MOST: Final = 4_096
EXPLAINED_AT_ONCE: Final = 256
EXPLAINED_PER_SECOND: Final = 200
"""Of more, at once or for long, only the plain facts are kept: an explanation is half a millisecond of the process that
decides, and whoever floods it with what is refused must not buy its time."""

EXPLAINED_RIGHTS: Final = 8
"""Of one refusal; nothing that Beep asks for needs more."""

BATCH: Final = 64

_TAG_BYTES: Final = 2
_NUMBER_BYTES: Final = 8
_ID: Final = re.compile(r"[0-9a-f]{20}")
_ELSEWHERE_SECONDS: Final = 0.5
_ELSEWHERE_TRIES: Final = 10


@dataclass(frozen=True, slots=True)
class _Waiting:
    decision: Decision
    pinned: Pinned | None
    stored: asyncio.Future[Decision]


_RULES_OF_MANAGERS: Final = frozenset({"MISSING_PERMISSIONS"})
"""Of the rules beside the permissions: rank, a bot's own role, what only the owner does. All of them manage."""


class Refusals:
    """One per process. Ids begin with the tag of the process, so that nobody waits for what it would know of."""

    def __init__(
        self, explainer: Explainer, log: DecisionLog, clock: Clock, random_digits: Callable[[int], str]
    ) -> None:
        """`random_digits` makes an id of so many bytes, in hexadecimal digits."""
        self._explainer = explainer
        self._log = log
        self._clock = clock
        self._random_digits = random_digits
        self._tag = random_digits(_TAG_BYTES)
        self._waiting: dict[str, _Waiting] = {}
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue(WAITING_AT_MOST)
        self._task: asyncio.Task[None] | None = None
        self._budget = float(EXPLAINED_AT_ONCE)
        self._budget_at = clock.monotonic()
        self.stored = 0
        self.unexplained = 0
        self.lost = 0
        """Not even kept: too many at once, or the disk did not let it."""

    def start(self) -> None:
        """Begin to store. `close` ends it."""
        self._task = asyncio.create_task(self._run(), name="authz refusals")

    async def close(self) -> None:
        """Store the plain facts of what still waits, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self._store(list(self._waiting.values()))

    def waiting(self) -> int:
        return len(self._waiting)

    def note(self, decision: Decision, pinned: Pinned | None) -> str:
        """Keep a refusal. Never waits.

        Args:
            decision: without id, time and explanations.
            pinned: the instant of the decision; None: it is about no place.

        Returns:
            The id under which it is found from now on.
        """
        decision.id = self._tag + self._random_digits(_NUMBER_BYTES)
        decision.at_ms = self._clock.now_ms()
        if decision.missing & MANAGING or (decision.message and decision.reason in _RULES_OF_MANAGERS):
            audit.warning("manager_action_denied", extra=_audited(decision))
        entry = _Waiting(decision, pinned, asyncio.get_running_loop().create_future())
        try:
            self._queue.put_nowait(entry)
        except asyncio.QueueFull:
            self.lost += 1
            return decision.id
        self._waiting[decision.id] = entry
        return decision.id

    async def find(self, decision_id: str) -> Decision | None:
        """The refusal, explained; of another process on the same data as soon as that one has stored it."""
        entry = self._waiting.get(decision_id)
        if entry is not None:
            return await asyncio.shield(entry.stored)
        if not _ID.fullmatch(decision_id):
            return None
        found = await self._log.find(decision_id)
        if decision_id.startswith(self._tag):
            return found
        for _ in range(_ELSEWHERE_TRIES):
            if found is not None:
                break
            await self._clock.sleep(_ELSEWHERE_SECONDS / _ELSEWHERE_TRIES)
            found = await self._log.find(decision_id)
        return found

    async def _run(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            for entry in batch:
                await self._explain(entry)
            await self._store(batch)

    async def _explain(self, entry: _Waiting) -> None:
        rights = _rights(entry)
        if entry.pinned is None or not rights:
            return
        if not self._afford():
            self.unexplained += 1
            return
        try:
            explained = await self._explainer.explain(entry.pinned, rights)
        except BeepError as error:
            # The plain facts are kept; what the engine could not tell now it will tell no more.
            self.unexplained += 1
            logger.warning("refusal_unexplained", extra={"decision": entry.decision.id, "reason": error.reason})
            return
        except Exception:  # a defect of one explanation is told here, and must not end those of all others
            self.unexplained += 1
            logger.exception("refusal_unexplained", extra={"decision": entry.decision.id})
            return
        entry.decision.explanations.extend(
            explanation_message(entry.pinned, explanation, changes) for explanation, changes in explained
        )

    def _afford(self) -> bool:
        """Whether one more explanation may be made now: a bucket that fills with time."""
        now = self._clock.monotonic()
        earned = (now - self._budget_at) * EXPLAINED_PER_SECOND
        self._budget, self._budget_at = min(self._budget + earned, EXPLAINED_AT_ONCE), now
        if self._budget < 1:
            return False
        self._budget -= 1
        return True

    async def _store(self, batch: Sequence[_Waiting]) -> None:
        try:
            await self._log.add([entry.decision for entry in batch], self._clock.now_ms())
            self.stored += len(batch)
        except BeepError as error:
            self.lost += len(batch)
            logger.error("refusals_not_stored", extra={"count": len(batch), "reason": error.reason})
        except Exception:  # logged and counted as lost: what the disk does once must not end all record of refusals
            self.lost += len(batch)
            logger.exception("refusals_not_stored", extra={"count": len(batch)})
        for entry in batch:
            self._waiting.pop(entry.decision.id, None)
            if not entry.stored.done():
                entry.stored.set_result(entry.decision)


def _rights(entry: _Waiting) -> tuple[Right, ...]:
    """Those to explain: without VIEW_CHANNEL nothing else of a channel is worth a word."""
    missing = entry.decision.missing & KNOWN
    if missing & VIEW.mask and entry.decision.channel_id:
        return (VIEW,)
    return rights_in(missing)[:EXPLAINED_RIGHTS]


def _audited(decision: Decision) -> dict[str, object]:
    """What there is of it: a rule beside the permissions misses none, and what is about a server has no channel."""
    said: dict[str, object] = {
        "decision": decision.id,
        "user": decision.user_id,
        "server": decision.server_id,
        "channel": decision.channel_id,
        "reason": decision.reason,
        "rule": decision.message,
        "missing": ",".join(right.name for right in rights_in(decision.missing & KNOWN)),
    }
    return {name: value for name, value in said.items() if value}
