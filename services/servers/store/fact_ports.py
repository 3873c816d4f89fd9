"""All that authz should hold of servers, to compare it with what it holds.

Each fact is as of the state of its server that is named beside it. Nothing else is one state: what changes while the
facts are walked is given as it was or as it is, and what is there from the begin to the end of a walk is given.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Protocol

from services.servers.domain.facts import Fact, FactKey


class Part(IntEnum):
    """The facts of a server, in the order in which they are walked."""

    ROOT = 0
    CHANNELS = 1
    SEATS = 2
    THREADS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """How far a walk has come: to the fact `after` of this part, by its id."""

    server_id: int = 0
    part: Part = Part.ROOT
    after: int = 0


BEGIN: Final = Place()


@dataclass(frozen=True, slots=True)
class StatedFact:
    """A fact as of a version of its server; 0: the server is gone.

    `pending_record`: the outbox record of the newest change, as long as that is not known to be published, else 0.
    """

    server_id: int
    version: int
    pending_record: int
    fact: Fact


class FactStore(Protocol):
    async def facts_page(self, place: Place, limit: int) -> tuple[list[StatedFact], Place | None]:
        """Up to `limit` facts behind the place, and how far they go; None: that was all."""
        ...

    async def facts_about(self, keys: Collection[FactKey]) -> list[StatedFact]:
        """What is to be said of each of these now. A channel or thread is found by its own id, whatever server the key
        names."""
        ...
