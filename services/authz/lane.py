"""The one writer of facts: a queue, one task, never two writes in flight.

Permify answers wrongly for ever when two writes overlap (an acknowledged revoke stays allowed), so everything that
changes a fact goes through here. The order is: write; on the reply bump the epochs; then acknowledge. What has queued
meanwhile is one write.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.authz.domain.changes import Change
from services.authz.domain.drift import Repair
from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.domain.projection import Epoch, Projection, project
from services.authz.epochs import Epochs
from services.authz.store.ports import WRITE_LIMIT, Authorizer, Token
from services.common.errors import BeepError, Internal, Unavailable

logger = logging.getLogger(__name__)

QUEUE_LIMIT: Final = 1_024
"""Requests that may wait; more are refused, and repeated by the relays that sent them."""

GROUP_LIMIT: Final = 128
"""Requests in one group: bounds what the first of them waits for the last."""

_LARGEST_CHANGE: Final = 64
"""More than the facts of any change: one for each right, and a few."""


@dataclass(frozen=True, slots=True)
class _Request:
    """`repair_of`: the version at which a repair found the object; None: no repair."""

    version: int
    projections: tuple[Projection, ...]
    applied: asyncio.Future[Token]
    repair_of: int | None = None


class Leadership(Protocol):
    """What the lane asks of the right to write, when there are several processes that decide."""

    async def may_write(self) -> None:
        """Return when a write can begin that is over before anybody else may write; raise Unavailable if none can."""
        ...

    def wrote(self, epochs: Iterable[Epoch], token: Token) -> None:
        """The epochs have been bumped here."""
        ...

    async def known_to_all(self) -> None:
        """Return when nobody decides without what was written before the call."""
        ...


class Alone:
    """The leadership of a process that shares its engine with no other one."""

    async def may_write(self) -> None:
        return

    def wrote(self, epochs: Iterable[Epoch], token: Token) -> None:
        return

    async def known_to_all(self) -> None:
        return


class Lane:
    """Applies changes of facts in the order in which they come, while this process leads. One per permission engine."""

    def __init__(self, authorizer: Authorizer, epochs: Epochs) -> None:
        self._authorizer = authorizer
        self._epochs = epochs
        self._requests: asyncio.Queue[_Request] = asyncio.Queue(QUEUE_LIMIT)
        self._leadership: Leadership | None = None
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._doubtful: dict[Epoch, None] = {}
        """What writes have touched of which nobody knows whether they happened, until they are repeated."""
        self.taken = 0
        """Requests that were taken up since the start."""
        self.groups = 0
        """Groups that they came in."""

    def waiting(self) -> int:
        """Requests that nobody has taken up yet."""
        return self._requests.qsize()

    @property
    def leads(self) -> bool:
        return self._leadership is not None

    def start(self, leadership: Leadership | None = None) -> None:
        """Begin to apply; None: there is no other process. `close` ends it, and it can be started again."""
        self._leadership = leadership or Alone()
        self._doubtful.clear()
        self._task = asyncio.create_task(self._run(self._leadership), name="authz lane")

    async def close(self) -> None:
        """Stop. Whoever waits gets Unavailable; what is being written is written: nothing is in flight afterwards."""
        self._leadership = None
        if self._task is not None:
            async with self._writing:
                self._task.cancel()
            await asyncio.wait([self._task])

    async def apply(self, version: int, changes: Iterable[Change]) -> Token:
        """Apply the changes of one version of a server's or a user's state.

        What is older than the version that an object already has is left out: it came late. The same version again is
        applied again, which changes nothing. When this returns, the facts are durable and every later decision sees
        them.

        Returns:
            The newest snap token.

        Raises:
            BeepError: not applied, or not known to be: repeat it.
        """
        return await self._request(version, tuple(project(change) for change in changes))

    async def repair(self, repair: Repair) -> Token:
        """Make an object as its source states it, whatever has been written behind the lane's back.

        It may take a version back that authz holds and no source knows, but only the very one that was found: a change
        that has come since is newer than the repair, which is left out then.

        Raises:
            BeepError: as `apply`.
        """
        return await self._request(repair.version, repair.projections, repair.instead_of)

    async def _request(self, version: int, projections: tuple[Projection, ...], repair_of: int | None = None) -> Token:
        if self._leadership is None or self._task is None or self._task.done():
            raise Unavailable("FACTS_CLOSED", "No facts can be changed now.")
        request = _Request(version, projections, asyncio.get_running_loop().create_future(), repair_of)
        try:
            self._requests.put_nowait(request)
        except asyncio.QueueFull:
            raise Unavailable("FACTS_OVERLOADED", "Too many changes wait to be applied; try again.") from None
        return await request.applied

    async def _run(self, leadership: Leadership) -> None:
        group: list[_Request] = []
        try:
            while True:
                group = [await self._requests.get()]
                while len(group) < GROUP_LIMIT and not self._requests.empty():
                    group.append(self._requests.get_nowait())
                self.taken += len(group)
                self.groups += 1
                async with self._writing:
                    await self._apply(group, leadership)
        finally:
            while not self._requests.empty():
                group.append(self._requests.get_nowait())
            _settle(group, Unavailable("FACTS_CLOSED", "No facts can be changed now."))

    async def _apply(self, group: Sequence[_Request], leadership: Leadership) -> None:
        try:
            await self._write(group, leadership)
            await leadership.known_to_all()
        except BeepError as error:
            _settle(group, error)
        except Exception:  # a defect that one change has met must not end those of all others
            logger.critical("authz_lane_failed", exc_info=True)
            _settle(group, Internal("INTERNAL", "Something went wrong inside Beep."))
        else:
            _settle(group, self._epochs.head)

    async def _write(self, group: Sequence[_Request], leadership: Leadership) -> None:
        writing = _Writing(await self._current(group))
        for request in group:
            for projection in request.projections:
                if writing.size > WRITE_LIMIT - _LARGEST_CHANGE:
                    await self._flush(writing, leadership)
                added = writing.add(request.version, projection, request.repair_of)
                if added and projection.removed is not None:
                    # What is deleted goes after what is written; so nothing later may share this write.
                    await self._flush(writing, leadership, projection.removed)
        await self._flush(writing, leadership)

    async def _current(self, group: Sequence[_Request]) -> dict[tuple[Entity, str], Value]:
        """What is stored now of all that the group may change. Nobody else writes, so it stays true."""
        entities = {
            entity: None
            for request in group
            for projection in request.projections
            for entity in (projection.version.entity, *(attribute.entity for attribute in projection.attributes))
        }
        # What a repair is for was written by somebody else: the newest token of this process does not show it.
        repairs = any(request.repair_of is not None for request in group)
        token = await self._authorizer.head() if repairs else self._epochs.head
        found = await self._authorizer.read_attributes(list(entities), token)
        return {(entity, name): value for entity, values in found.items() for name, value in values.items()}

    async def _flush(
        self, writing: "_Writing", leadership: Leadership, removed: RelationshipFilter | None = None
    ) -> None:
        attributes, relationships, epochs = writing.take()
        if not epochs:
            return
        await self._may_write(leadership)
        # The new token shows what an earlier write without a reply has done, if it has. So all that hangs on that one
        # ends with it as well: else a decision would be made of both states, facts read as of the new token beside
        # answers as of an old one.
        written = dict.fromkeys(epochs)
        touched = self._doubtful = self._doubtful | written
        token = await self._authorizer.write(attributes, relationships)
        if removed is not None:
            await self._may_write(leadership)
            token = await self._authorizer.delete(removed)
        self._doubtful = {epoch: None for epoch in touched if epoch not in written}
        self._epochs.bump(touched, token)
        leadership.wrote(touched, token)

    async def _may_write(self, leadership: Leadership) -> None:
        await leadership.may_write()
        if self._leadership is not leadership:
            raise Unavailable("FACTS_CLOSED", "No facts can be changed now.")


class _Writing:
    """What the next write holds, on top of what is stored."""

    def __init__(self, current: dict[tuple[Entity, str], Value]) -> None:
        self._current = current
        self._attributes: dict[tuple[Entity, str], Value] = {}
        self._relationships: dict[Relationship, None] = {}
        self._epochs: dict[Epoch, None] = {}

    @property
    def size(self) -> int:
        return len(self._attributes) + len(self._relationships)

    def add(self, version: int, projection: Projection, repair_of: int | None = None) -> bool:
        """Add a change; False if it came late."""
        applied = self._current.get(projection.version, 0)
        if isinstance(applied, int) and version < applied and applied != repair_of:
            return False
        for entity, name, value in projection.attributes:
            # What was never written counts as false or empty already.
            if self._current.get((entity, name), type(value)()) != value:
                self._set(entity, name, value)
        # Written even if nothing differs: after a lost reply the facts are there already, but the epochs were not
        # bumped.
        self._set(*projection.version, version)
        self._relationships.update(dict.fromkeys(projection.relationships))
        self._epochs.update(dict.fromkeys(projection.epochs))
        return True

    def take(self) -> tuple[list[Attribute], list[Relationship], list[Epoch]]:
        """All that was added since the last time."""
        taken = (
            [Attribute(entity, name, value) for (entity, name), value in self._attributes.items()],
            list(self._relationships),
            list(self._epochs),
        )
        self._attributes.clear()
        self._relationships.clear()
        self._epochs.clear()
        return taken

    def _set(self, entity: Entity, name: str, value: Value) -> None:
        self._attributes[entity, name] = self._current[entity, name] = value


def _settle(group: Iterable[_Request], result: Token | BeepError) -> None:
    for request in group:
        if request.applied.done():  # settled before, or nobody waits any more
            continue
        if isinstance(result, BeepError):
            request.applied.set_exception(result)
        else:
            request.applied.set_result(result)
