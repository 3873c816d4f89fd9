"""Who leads the lane, and how the others keep up: one task per process, for as long as it serves.

A process watches the lease. While somebody else holds it, it follows: by long polls it gets the bumps of the epochs
and, for a short while each time, the right to decide. When the lease is free or lost it tries to take it, and leads.
docs/adr/0018-lane-lease.md
"""

import asyncio
import logging
from typing import Final

from beep.authz.v1 import lane_service_pb2 as pb
from services.authz.domain.lease import HELD_SECONDS, RENEW_SECONDS, WATCH_SECONDS, Lease, Watch
from services.authz.domain.projection import Epoch
from services.authz.epochs import Epochs
from services.authz.lane import Lane
from services.authz.leader import Leader
from services.authz.mandate import Mandate
from services.authz.reign import HOLD_SECONDS, Reign
from services.authz.store.ports import Authorizer, Leases
from services.common.clock import Clock
from services.common.errors import BeepError

logger = logging.getLogger(__name__)

POLL_SECONDS: Final = HOLD_SECONDS + 0.4
"""The deadline of a poll: a leader that hangs is asked again, while the lease that it gave still holds."""

RETRY_SECONDS: Final = 0.1

BEGIN_SECONDS: Final = 10.0
"""More than a takeover takes."""


class Succession:
    """The place of one process in the lane."""

    def __init__(
        self,
        leases: Leases,
        authorizer: Authorizer,
        lane: Lane,
        epochs: Epochs,
        mandate: Mandate,
        clock: Clock,
        leader: Leader,
        *,
        name: str,
        address: str,
    ) -> None:
        """Make it; `run` it.

        Args:
            leader: kept at whoever leads.
            name: of this process, from its start to its end.
            address: where the others reach it; empty: nowhere, so while it leads nobody else decides.
        """
        self._leases = leases
        self._authorizer = authorizer
        self._lane = lane
        self._epochs = epochs
        self._mandate = mandate
        self._clock = clock
        self._leader = leader
        self._name = name
        self._address = address
        self._watch = Watch()
        self._lane_id = 0
        self._seq = 0
        """The lane that is followed, and its newest bump that is applied here."""
        self._decides = asyncio.Event()
        self.reign: Reign | None = None
        """While this process leads."""

    async def begun(self) -> None:
        """Return when this process has had the right to decide, or does not get it soon."""
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                await self._decides.wait()
        except TimeoutError:
            # It answers that it cannot decide, until it can.
            logger.warning("lane_not_joined", extra={"seconds": BEGIN_SECONDS})

    async def run(self) -> None:
        """Lead or follow, until cancelled; a lease that is held is given up then."""
        try:
            async with asyncio.TaskGroup() as tasks:
                while True:
                    following = tasks.create_task(self._follow(), name="authz follower")
                    while (claimed := await self._claimed()) is None:
                        await self._clock.sleep(WATCH_SECONDS)
                    following.cancel()
                    await asyncio.wait([following])
                    await self._leader.at("")
                    await self._lead(*claimed)
        finally:
            self._mandate.end()

    async def _claimed(self) -> tuple[Lease, float, float] | None:
        """Look at the lease, and take it if it is free.

        Returns:
            The lease, when it was asked for, and until when nothing may be written. None: somebody else has it.
        """
        try:
            self._watch.saw(await self._leases.read(), self._clock.monotonic())
            asked, before = self._clock.monotonic(), self._watch.lease
            if not self._watch.may_claim(asked):
                return None
            lease = before.taken_over(self._name, self._address)
            if not await self._leases.swap(before, lease):
                return None
        except BeepError as error:
            logger.warning("lease_not_seen", extra={"error": repr(error)})
            return None
        self._watch.saw(lease, asked)
        return lease, asked, asked + before.quiet_ms / 1000

    # Leading.

    async def _lead(self, lease: Lease, asked: float, quiet_until: float) -> None:
        reign: Reign | None = None
        try:
            # From here on its token stands for everything that the one before has written.
            head = await self._authorizer.head()
            self._epochs.reset(head)
            reign = Reign(lease.fence, head, self._clock, until=asked + HELD_SECONDS, quiet_until=quiet_until)
            self._lane.start(reign)
            self.reign = reign
            self._may_decide(reign.until)
            logger.info("lane_led", extra={"fence": lease.fence})
            await self._keep(reign)
        except BeepError as error:
            # Without the engine nobody can lead; perhaps another process reaches it.
            logger.warning("lane_not_led", extra={"fence": lease.fence, "error": repr(error)})
            await self._clock.sleep(WATCH_SECONDS)
        finally:
            self.reign = None
            self._mandate.end()
            left = reign.end() if reign is not None else 0.0
            # What is being written ends within the lease: so this comes before somebody else is let in.
            await self._lane.close()
            await self._give_up(lease.fence, max(left, quiet_until - self._clock.monotonic()))

    async def _keep(self, reign: Reign) -> None:
        """Renew the lease until somebody else has it."""
        while True:
            await self._clock.sleep(RENEW_SECONDS)
            try:
                lease = await self._leases.read()
                if lease.fence != reign.lane_id:
                    logger.warning("lane_lost", extra={"fence": reign.lane_id, "to": lease.fence})
                    return
                asked = self._clock.monotonic()
                if await self._leases.swap(lease, lease.renewed()):
                    reign.until = asked + HELD_SECONDS
                    self._may_decide(reign.until)
            except BeepError as error:
                logger.warning("lease_not_renewed", extra={"error": repr(error)})

    async def _give_up(self, fence: int, quiet_seconds: float) -> None:
        try:
            lease = await self._leases.read()
            if lease.fence == fence:
                await self._leases.swap(lease, lease.given_up(quiet_seconds))
        except BeepError as error:
            # Whoever comes next waits for its end.
            logger.warning("lease_not_given_up", extra={"error": repr(error)})

    # Following.

    async def _follow(self) -> None:
        while True:
            lease = self._watch.lease
            await self._leader.at("" if lease.released or lease.holder == self._name else lease.address)
            try:
                await self._poll()
            except BeepError as error:
                logger.debug("lane_not_followed", extra={"fence": lease.fence, "error": repr(error)})
                await self._clock.sleep(RETRY_SECONDS)

    async def _poll(self) -> None:
        asked = self._clock.monotonic()
        request = pb.FollowEpochsRequest(follower_id=self._name, lane_id=self._lane_id, after_seq=self._seq)
        answer = await self._leader.follow(request, POLL_SECONDS)
        if answer.lane_id < self._lane_id:
            return  # of one who has been succeeded
        # No await from here on: whoever decides has all of it.
        if answer.reset:
            self._epochs.reset(answer.head)
        for bump in answer.bumps:
            self._epochs.bump([_epoch(epoch) for epoch in bump.epochs], bump.snap_token)
        self._lane_id, self._seq = answer.lane_id, answer.seq
        self._may_decide(asked + answer.lease_ms / 1000)

    def _may_decide(self, until: float) -> None:
        self._mandate.extend(until)
        self._decides.set()


def _epoch(message: pb.Epoch) -> Epoch:
    """The domain's word for it."""
    match list(message.ids):
        case [one]:
            return (message.kind, one)
        case [one, other]:
            return (message.kind, one, other)
        case _:
            raise ValueError("an epoch is of one object, or of a seat")
