"""The bumps of one lane, numbered, for those who follow it."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.authz.domain.projection import Epoch

BUMPS_KEPT: Final = 1_024
EPOCHS_KEPT: Final = 16_384
"""Over all bumps that are kept: some hundred kilobytes, which bounds an answer as well."""


class Bump(NamedTuple):
    token: str
    epochs: tuple[Epoch, ...]


class Bumps:
    """The newest of them. Whoever is further behind forgets all epochs: dearer, and never wrong."""

    def __init__(self, *, bumps: int = BUMPS_KEPT, epochs: int = EPOCHS_KEPT) -> None:
        self._limits = (bumps, epochs)
        self._kept: deque[Bump] = deque()
        self._epochs = 0
        self.seq = 0
        """The number of the newest."""

    def add(self, bump: Bump) -> None:
        self.seq += 1
        self._kept.append(bump)
        self._epochs += len(bump.epochs)
        while len(self._kept) > self._limits[0] or self._epochs > self._limits[1]:
            self._epochs -= len(self._kept.popleft().epochs)

    def after(self, seq: int) -> Sequence[Bump] | None:
        """Those with greater numbers, in their order; None: one of them is not kept any more, or never was."""
        missing = self.seq - seq
        if not 0 <= missing <= len(self._kept):
            return None
        return [self._kept[index] for index in range(len(self._kept) - missing, len(self._kept))]
