"""Which object of a source a held fact belongs to."""

from dataclasses import dataclass
from enum import Enum

from services.authz.domain.facts import Attribute, Entity, Relationship, Value


class FactKind(Enum):
    SERVER = "server"
    CHANNEL = "channel"
    SEAT = "seat"
    THREAD = "thread"
    PRIVATE_CHANNEL = "private channel"
    FROZEN = "frozen"
    SUSPENDED = "suspended"


@dataclass(frozen=True, slots=True)
class FactKey:
    """An object by which a source knows it. `id` is the user of a seat; `server_id` is 0 where there is none."""

    kind: FactKind
    id: int
    server_id: int = 0


def key_of(fact: Attribute | Relationship) -> FactKey | None:
    """Which object a held fact belongs to; None if it says nothing by itself.

    A thread's server is not among its own facts: 0.
    """
    try:
        return _key_of(*fact)
    except ValueError:
        return None  # No id of Beep's: nothing can ever ask about it.


def _key_of(entity: Entity, name: str, value: Value | Entity) -> FactKey | None:
    match entity.type, name:
        case "server", "owner" | "owner_version" | "roles":
            return FactKey(FactKind.SERVER, int(entity.id), int(entity.id))
        case "server", "frozen" if value is True:
            return FactKey(FactKind.FROZEN, int(entity.id), int(entity.id))
        case "user", "suspended" if value is True:
            return FactKey(FactKind.SUSPENDED, int(entity.id))
        case "seat", _:
            server_id, user_id = map(int, entity.id.split("."))
            return FactKey(FactKind.SEAT, user_id, server_id)
        case "thread", "parent" if value:
            return FactKey(FactKind.THREAD, int(entity.id))
        case "private_channel", _:
            return FactKey(FactKind.PRIVATE_CHANNEL, int(entity.id))
        case "channel", "server" if isinstance(value, Entity):
            return FactKey(FactKind.CHANNEL, int(entity.id), int(value.id))
        case _:
            return None
