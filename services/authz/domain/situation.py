"""All facts about somebody in one place, as of one instant: what an explanation reads, and what a change would change.

Immutable, so that the effect of a change can be tried out: `replace`, and explain again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Target: TypeAlias = tuple[str, int]
"""For whom an overwrite speaks: ("user", id) or ("role", id); @everyone is the role with the server's id."""


@dataclass(frozen=True, slots=True)
class Overwritten:
    """What the overwrites of a channel say about one bit, by target. Allow counts before deny."""

    allow: frozenset[Target] = frozenset()
    deny: frozenset[Target] = frozenset()


@dataclass(frozen=True, slots=True)
class ChannelSituation:
    """A channel of a server, or a thread that hangs on one.

    Attributes:
        overwrites: by bit; those of the channel that a thread hangs on. A bit without any is left out.
    """

    overwrites: Mapping[int, Overwritten] = field(default_factory=dict)
    is_thread: bool = False
    locked: bool = False


@dataclass(frozen=True, slots=True)
class ServerSituation:
    """Somebody, and a server that exists.

    Attributes:
        roles: the bits that each role of the server grants, by its id; @everyone has the server's.
        seat: the roles of the seat, @everyone among them; empty: no member. Those that are gone count for nothing.
        channel: None: it is about the server itself.
    """

    user_id: int
    server_id: int
    owner_id: int
    roles: Mapping[int, int]
    seat: frozenset[int]
    frozen: bool = False
    suspended: bool = False
    muted: bool = False
    channel: ChannelSituation | None = None

    @property
    def held(self) -> tuple[int, ...]:
        """The roles that count, sorted."""
        return tuple(sorted(self.seat & self.roles.keys()))


@dataclass(frozen=True, slots=True)
class PrivateSituation:
    """Somebody, and a private channel."""

    user_id: int
    participants: frozenset[int]
    suspended: bool = False
    silenced: bool = False


Situation: TypeAlias = ServerSituation | PrivateSituation
