"""The relay: from one outbox to the bus. What it promises is said in the package."""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Sequence
from math import inf
from typing import Final

from services.common.bus import Bus
from services.common.clock import Clock
from services.common.errors import BeepError, DeadlineExceeded, Internal, InvalidArgument, Unavailable
from services.common.outbox.ports import Outbox, OutboxRecord

logger = logging.getLogger(__name__)

_PAGE: Final = 256
_MAX_ENVELOPES: Final = 512
_MAX_APPLYING: Final = 32
_MAX_REMEMBERED: Final = 8_192
_PUBLISH_DEADLINE: Final = 5.0
_APPLY_DEADLINE: Final = 5.0
_FIRST_RETRY: Final = 0.05
_LAST_RETRY: Final = 1.0
_STUCK_SECONDS: Final = 0.6
"""A shard whose facts could not be applied for so long stands still; who waits for it is told, and need not wait on."""
_MARK_SECONDS: Final = 0.25
_SWEEP_SECONDS: Final = 5.0

_REFUSALS: Final = (InvalidArgument, TypeError, ValueError, OverflowError)
"""Errors that are the record's own fault, for ever. Any other is the bus's, and waiting for it loses nothing."""


class _Entry:
    """A record in a lane. `ready`: its facts are applied, or it has none."""

    __slots__ = ("ready", "record")

    def __init__(self, record: OutboxRecord) -> None:
        self.record = record
        self.ready = record.facts is None


_Lane = deque[_Entry]


class Relay:
    """Takes records from one outbox to the bus. One per outbox and process."""

    def __init__(
        self,
        outbox: Outbox,
        bus: Bus,
        clock: Clock,
        *,
        apply_facts: Callable[[OutboxRecord], Awaitable[object]] | None = None,
        max_queued: int = 10_000,
    ) -> None:
        """Make a relay; `start` it.

        Args:
            outbox: where the records are.
            bus: where they go.
            clock: paces retries and sweeps.
            apply_facts: applies a record's facts. Idempotent: a crash repeats it, with an older record after a newer
                one was applied, which the version inside the facts must make harmless. Needed if records have facts.
            max_queued: how many records are held in memory.
        """
        self._outbox = outbox
        self._bus = bus
        self._clock = clock
        self._apply = apply_facts
        self._max_queued = max_queued
        self._lanes: dict[str, _Lane] = {}
        self._ready: dict[str, None] = {}
        """The shards whose first entry is ready, in the order in which they became so."""
        self._known: dict[int, str] = {}
        """Records in a lane, and published ones that the outbox does not yet know to be done; and their shards."""
        self._failing: dict[str, float] = {}
        """Shards whose first record's facts could not be applied yet, and since when that has been tried."""
        self._refused: set[str] = set()
        """Of these, those whose record is refused for what it is: that says nothing about all others."""
        self._applied = -inf
        """When facts of any shard were applied last."""
        self._done: list[int] = []
        self._outcomes: dict[int, BeepError | None] = {}
        """What became of the newest records: None, or why it is a dead letter."""
        self._waiters: dict[int, list[asyncio.Future[None]]] = {}
        self._behind = True
        """There may be records in the outbox that come before those that `notify` brings: they are read first."""
        self._held: list[OutboxRecord] | None = None
        """Records that `notify` brought while the older ones were being read."""
        self._work = asyncio.Event()
        self._unmarked = asyncio.Event()
        self._tending = asyncio.Lock()
        """Held by whoever reads or marks: a record marked while a page is being read would come back from it."""
        self._slots = asyncio.Semaphore(_MAX_APPLYING)
        self._tasks: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Queue what an earlier process left behind, before anything new, and begin to relay.

        Raises:
            BeepError: the outbox cannot be read.
        """
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(started), name="relay")
        await started
        try:
            await self._sweep()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop. What is not published stays in the outbox for the next start."""
        if self._running is None:
            return
        self._behind = True  # whoever still commits leaves it to the next start
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        self._running = None
        for waiter in [waiter for waiters in self._waiters.values() for waiter in waiters]:
            if not waiter.done():
                waiter.set_exception(Unavailable("RELAY_CLOSED", "The change is stored; it is published later."))
        try:
            await self._mark()
        except BeepError as error:
            # What is not marked is published again, and dropped by the bus.
            logger.warning("outbox_not_tended", extra={"error": repr(error)})

    def notify(self, record: OutboxRecord) -> None:
        """A record has been committed. Called once per commit, in the order of the commits."""
        if not self._behind:
            self._accept(record)
        elif self._held is not None and len(self._held) < self._max_queued:
            self._held.append(record)
        else:
            self._held = None  # it is in the outbox, and so is whatever comes after it

    async def published(self, record_id: int, *, deadline: float = 5.0) -> None:
        """Return when the record has been published: its facts are applied and the bus has its envelopes.

        Args:
            record_id: a record that was given to `notify`.
            deadline: seconds.

        Raises:
            DeadlineExceeded: not yet. The change is stored and will be published.
            Internal: it is a dead letter.
            Unavailable: the relay was closed, or the shard stands still. The change is stored and will be published.
        """
        if record_id in self._outcomes:
            outcome = self._outcomes[record_id]
            if outcome is not None:
                raise outcome
            return
        shard = self._known.get(record_id, "")
        if self._is_stuck(shard):
            raise _waits()
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiters = self._waiters.setdefault(record_id, [])
        waiters.append(waiter)
        try:
            async with asyncio.timeout(deadline):
                done, _ = await asyncio.wait([waiter], timeout=_STUCK_SECONDS)
                if not done and shard in self._failing:
                    raise _waits()
                await waiter
        except TimeoutError:
            raise DeadlineExceeded("RELAY_TIMEOUT", "The change is stored; it is not yet published.") from None
        finally:
            waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(record_id, None)

    async def unpublished(self, record_ids: Collection[int], *, deadline: float) -> set[int]:
        """Wait until all of these records are published, or for `deadline` seconds; give those that are not."""

        async def wait(record_id: int) -> int:
            try:
                await self.published(record_id, deadline=deadline)
            except (DeadlineExceeded, Unavailable):
                return record_id
            except Internal:
                pass  # a dead letter: nothing more will come of it, and its facts are applied
            return 0

        return set(await asyncio.gather(*map(wait, record_ids))) - {0}

    def require_flowing(self, shard: str) -> None:
        """Ask before a change that nobody can be told of as long as the shard stands still.

        Raises:
            Unavailable: it does.
        """
        if self._is_stuck(shard):
            raise _refused()

    def require_applying(self) -> None:
        """Ask before a change that is the first of its shard, which nobody can be told of while no facts are applied.

        Raises:
            Unavailable: those of a shard that stands still are not, and since it began no others were either.
        """
        for shard, begun in self._failing.items():
            if begun > self._applied and shard not in self._refused and self._is_stuck(shard):
                raise _refused()

    @property
    def queued(self) -> int:
        """How many records are held in memory."""
        return len(self._known)

    async def _run(self, started: asyncio.Future[None]) -> None:
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._keep_publishing(), name="relay-publish")
            tasks.create_task(self._keep_marking(), name="relay-mark")
            tasks.create_task(self._keep_sweeping(), name="relay-sweep")
            started.set_result(None)

    # Lanes: one per shard that has something to do.

    def _accept(self, record: OutboxRecord) -> bool:
        """Queue a record, unless it is; False if there is no room."""
        if record.id in self._known:
            return True
        if len(self._known) >= self._max_queued:
            self._behind = True
            return False
        self._known[record.id] = record.shard
        lane = self._lanes.get(record.shard)
        if lane is None:
            lane = self._lanes[record.shard] = deque()
        lane.append(_Entry(record))
        if len(lane) == 1:
            self._advance(record.shard, lane)
        return True

    def _advance(self, shard: str, lane: _Lane) -> None:
        """The lane has a new first entry, or none."""
        self._ready.pop(shard, None)
        if not lane:
            del self._lanes[shard]
        elif lane[0].ready:
            self._ready[shard] = None  # to the end: a shard that is never empty must not starve the others
            self._work.set()
        elif self._tasks is not None:
            self._tasks.create_task(self._apply_facts(shard, lane), name=f"relay-facts-{shard}")

    async def _apply_facts(self, shard: str, lane: _Lane) -> None:
        record = lane[0].record
        begun = self._clock.monotonic()
        retry = _FIRST_RETRY
        while True:
            try:
                # The slot is held for one attempt only: shards that stand still do not use them up.
                async with self._slots, asyncio.timeout(_APPLY_DEADLINE):
                    if self._apply is None:
                        raise Internal("NO_AUTHZ", "The record has facts and nobody to apply them.")
                    await self._apply(record)
                break
            except Exception as error:  # noqa: BLE001 - whatever it is: facts are never skipped
                if isinstance(error, _REFUSALS):
                    level = logging.ERROR
                    self._refused.add(shard)
                else:
                    level = logging.WARNING
                    self._refused.discard(shard)
                logger.log(
                    level, "facts_not_applied", extra={"shard": shard, "record": record.id, "error": repr(error)}
                )
            self._failing[shard] = begun
            if self._is_stuck(shard):
                for entry in lane:
                    self._tell(entry.record.id, _waits())
            await self._clock.sleep(retry)
            retry = min(retry * 2, _LAST_RETRY)
        self._failing.pop(shard, None)
        self._refused.discard(shard)
        self._applied = self._clock.monotonic()
        lane[0].ready = True
        self._advance(shard, lane)

    def _is_stuck(self, shard: str) -> bool:
        begun = self._failing.get(shard)
        return begun is not None and self._clock.monotonic() - begun >= _STUCK_SECONDS

    # Publishing: one append at a time, of everything that is ready.

    async def _keep_publishing(self) -> None:
        retry = _FIRST_RETRY
        while True:
            if not self._ready:
                self._work.clear()
                await self._work.wait()
            try:
                await self._publish(self._take())
                retry = _FIRST_RETRY
            except Exception as error:  # noqa: BLE001 - the bus or the outbox is away: nothing can be done but wait
                logger.warning("relay_waits", extra={"error": repr(error)})
                await self._clock.sleep(retry)
                retry = min(retry * 2, _LAST_RETRY)

    def _take(self) -> list[tuple[str, list[_Entry]]]:
        """What is ready now, per shard, in order. It stays in its lane until it is published."""
        batch: list[tuple[str, list[_Entry]]] = []
        envelopes = 0
        for shard in self._ready:
            entries: list[_Entry] = []
            for entry in self._lanes[shard]:
                if not entry.ready or envelopes >= _MAX_ENVELOPES:
                    break
                entries.append(entry)
                envelopes += len(entry.record.envelopes)
            if not entries:
                break
            batch.append((shard, entries))
        return batch

    async def _publish(self, batch: list[tuple[str, list[_Entry]]]) -> None:
        try:
            await self._append([entry for _, entries in batch for entry in entries])
        except _REFUSALS:
            await self._publish_apart(batch)
        else:
            for shard, entries in batch:
                self._finish(shard, len(entries))

    async def _publish_apart(self, batch: list[tuple[str, list[_Entry]]]) -> None:
        """One of the records was refused. Find it, and let the others pass."""
        for shard, entries in batch:
            for entry in entries:
                refusal: BeepError | None = None
                try:
                    await self._append([entry])
                except _REFUSALS as error:
                    logger.error("dead_letter", extra={"shard": shard, "record": entry.record.id, "error": repr(error)})
                    await self._outbox.dead_letter(entry.record.id, repr(error))
                    refusal = Internal("DEAD_LETTER", "The change is stored but could not be published.")
                self._finish(shard, 1, refusal)

    async def _append(self, entries: Sequence[_Entry]) -> None:
        async with asyncio.timeout(_PUBLISH_DEADLINE):
            await self._bus.publish([envelope for entry in entries for envelope in entry.record.envelopes])

    def _finish(self, shard: str, count: int, refusal: BeepError | None = None) -> None:
        """The first `count` entries of the lane are published (or refused)."""
        lane = self._lanes[shard]
        for _ in range(count):
            record_id = lane.popleft().record.id
            self._done.append(record_id)
            self._outcomes[record_id] = refusal
            self._tell(record_id, refusal)
        while len(self._outcomes) > _MAX_REMEMBERED:
            del self._outcomes[next(iter(self._outcomes))]
        self._advance(shard, lane)
        self._unmarked.set()

    def _tell(self, record_id: int, refusal: BeepError | None) -> None:
        """To whoever waits for the record."""
        for waiter in self._waiters.get(record_id, ()):
            if not waiter.done():
                waiter.set_result(None) if refusal is None else waiter.set_exception(refusal)

    # Tending the outbox: marking what is done, reading what was left behind.

    async def _keep_marking(self) -> None:
        while True:
            await self._unmarked.wait()
            # Late on purpose: many records are marked by one write. A crash before it publishes them again.
            await self._clock.sleep(_MARK_SECONDS)
            try:
                await self._mark()
                if self._behind:
                    await self._sweep()
            except Exception as error:  # noqa: BLE001 - tried again with the next record, and by the sweeper
                logger.warning("outbox_not_tended", extra={"error": repr(error)})

    async def _keep_sweeping(self) -> None:
        while True:
            await self._clock.sleep(_SWEEP_SECONDS)
            try:
                await self._mark()
                await self._sweep()
            except Exception as error:  # noqa: BLE001 - tried again after the same time
                logger.warning("outbox_not_tended", extra={"error": repr(error)})

    async def _mark(self) -> None:
        async with self._tending:
            self._unmarked.clear()
            done = self._done[:]
            if done:
                await self._outbox.mark_done(done)
                del self._done[: len(done)]
                for record_id in done:
                    self._known.pop(record_id, None)

    async def _sweep(self) -> None:
        """Queue every record of the outbox that is not known, oldest first; stop when there is no more room."""
        async with self._tending:
            catching_up = self._behind
            self._held = [] if catching_up else None
            try:
                complete = await self._queue_pending()
                held = self._held
            finally:
                self._held = None
            if catching_up and complete and held is not None:
                # What was held was committed after what has just been read, or is known from it: we are live.
                self._behind = False
                for record in held:
                    if not self._accept(record):
                        break

    async def _queue_pending(self) -> bool:
        after = 0
        while True:
            page = await self._outbox.pending(after, _PAGE)
            if not all(self._accept(pending.record) for pending in page):
                return False
            if len(page) < _PAGE:
                return True
            after = page[-1].position


def _waits() -> Unavailable:
    return Unavailable("CHANGE_WAITS", "The change is stored. It takes effect as soon as permissions can be changed.")


def _refused() -> Unavailable:
    return Unavailable("CHANGES_REFUSED", "Permissions cannot be changed at the moment. Try again soon.")
