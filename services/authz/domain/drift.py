"""Whether what authz holds is what the source of its facts states, object by object.

Both move while they are compared, so a difference alone says nothing. What tells drift from a change on its way:

- The source stated it at a version, and authz has been told of everything up to it. If authz then holds the object at
  that version or an older one, nothing is on its way: a difference is drift.
- If authz holds a newer version, the source has moved on: ask it again. A source that was asked after the newer version
  was seen, and still states an older one, has lost what it once told (it was restored from an older backup): that is
  drift too, even where the facts agree, because every later change would come too late.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from services.authz.domain.changes import (
    Change,
    RemoveChannel,
    RemovePrivateChannel,
    RemoveSeat,
    RemoveServer,
    RemoveThread,
    SetChannel,
    SetPrivateChannel,
    SetSuspended,
)
from services.authz.domain.facts import (
    Entity,
    Relationship,
    RelationshipFilter,
    Value,
    server_entity,
    server_of,
)
from services.authz.domain.projection import Projection, VersionKey, project

NOTHING: Final = "nothing"


@dataclass(frozen=True, slots=True)
class Stated:
    """What a source says of one object.

    Attributes:
        version: of the state that says so; 0: the server or private channel is gone, and its versions with it.
        told: authz has been told of everything up to that state.
        seen_version: which version authz was seen to hold before the source was asked; 0: nobody had looked.
    """

    change: Change
    version: int
    told: bool
    seen_version: int = 0


@dataclass(frozen=True, slots=True)
class Held:
    """What authz holds, as of one instant, of all that is compared together."""

    attributes: Mapping[Entity, Mapping[str, Value]]
    relationships: frozenset[Relationship]

    def value(self, entity: Entity, name: str, default: Value) -> Value:
        return self.attributes.get(entity, {}).get(name, default)

    def version(self, key: VersionKey) -> int:
        value = self.value(key.entity, key.name, 0)
        return value if isinstance(value, int) else 0


class DriftKind(Enum):
    MISSING = "missing"
    """Less is held than is stated."""
    WRONG = "wrong"
    EXTRA = "extra"
    """More is held than is stated."""


@dataclass(frozen=True, slots=True)
class Difference:
    fact: str
    expected: str
    found: str
    kind: DriftKind


@dataclass(frozen=True, slots=True)
class Repair:
    """What makes an object as it is stated.

    `instead_of`: authz may hold it at this version, though it is newer; at another newer one the repair comes late.
    """

    version: int
    projections: tuple[Projection, ...]
    instead_of: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """`changing`: nothing can be told yet. `held_version`: what was seen, for when the source is asked again."""

    held_version: int
    differences: tuple[Difference, ...] = ()
    repair: Repair | None = None
    changing: bool = False


def entities_of(change: Change) -> Iterator[Entity]:
    """What must be read to compare it."""
    projection = project(change)
    yield projection.version.entity
    yield from (attribute.entity for attribute in projection.attributes)
    server = _server_version(change)
    if server is not None:
        yield server.entity


def compare(stated: Stated, held: Held, *, last: bool = False) -> Comparison:
    """Compare one object.

    Args:
        last: the source has had its time: what differs is drift, though authz has not been told of it.
    """
    change, version = stated.change, stated.version
    projection = project(change)
    own = held.version(projection.version)
    server = _server_version(change)
    # Its removal makes facts void that keep their own version.
    seen = own if server is None else max(own, held.version(server))
    if not version and isinstance(change, RemoveSeat | RemoveThread):
        # What hangs on a server that is gone means nothing, and is not cleared when the server goes.
        return Comparison(seen)
    if version and version < seen and version >= stated.seen_version:
        return Comparison(seen, changing=True)
    differences = list(_differences(projection, change, held))
    if version and own > version:
        differences.append(_version_difference(projection.version, f"at most {version}", str(own), DriftKind.WRONG))
    elif version and not own and not differences and not _is_removal(change):
        differences.append(_version_difference(projection.version, str(version), NOTHING, DriftKind.MISSING))
    if not differences:
        return Comparison(seen)
    if not stated.told and not last:
        return Comparison(seen, changing=True)
    repair = Repair(version or max(own, 1), tuple(_repairs(projection, change, held)), own)
    return Comparison(seen, tuple(differences), repair)


def _server_version(change: Change) -> VersionKey | None:
    """The version that a server's removal raises, for what is in a server."""
    if isinstance(change, SetPrivateChannel | RemovePrivateChannel | SetSuspended):
        return None
    return VersionKey(server_entity(change.server_id), "owner_version")


def _is_removal(change: Change) -> bool:
    return isinstance(change, RemoveServer | RemoveChannel | RemoveSeat | RemoveThread | RemovePrivateChannel)


def _differences(projection: Projection, change: Change, held: Held) -> Iterator[Difference]:
    for attribute in projection.attributes:
        entity, name, expected = attribute
        found = held.value(entity, name, type(expected)())
        kind = _kind(expected, found)
        if kind is not None:
            yield Difference(f"{entity.type}:{entity.id}${name}", _text(expected), _text(found), kind)
    for relationship in _relationships(change, held) - set(projection.relationships):
        yield _relationship_difference(relationship, DriftKind.EXTRA)
    for relationship in set(projection.relationships) - _relationships(change, held):
        yield _relationship_difference(relationship, DriftKind.MISSING)


def _relationships(change: Change, held: Held) -> set[Relationship]:
    """What is held of which channel is whose. (Those of a server that is gone are each compared as a channel.)"""
    if not isinstance(change, SetChannel | RemoveChannel):
        return set()
    query = server_of(change.channel_id)
    return {
        each for each in held.relationships if each.relation == query.relation and each.entity.id in query.entity_ids
    }


def _repairs(projection: Projection, change: Change, held: Held) -> Iterator[Projection]:
    if _is_removal(change):
        yield projection
        return
    extra = sorted(_relationships(change, held) - set(projection.relationships))
    for relationship in extra:
        entity, relation, subject = relationship
        yield replace(projection, removed=RelationshipFilter(entity.type, relation, (entity.id,), subject))
    if not extra:
        yield projection


def _kind(expected: Value, found: Value) -> DriftKind | None:
    if isinstance(expected, tuple) and isinstance(found, tuple):
        wanted, there = set(expected), set(found)
        if wanted == there:
            return None
        return DriftKind.MISSING if there < wanted else DriftKind.EXTRA if wanted < there else DriftKind.WRONG
    if expected == found:
        return None
    if found == type(found)():
        return DriftKind.MISSING
    return DriftKind.EXTRA if expected == type(expected)() else DriftKind.WRONG


def _version_difference(key: VersionKey, expected: str, found: str, kind: DriftKind) -> Difference:
    return Difference(f"{key.entity.type}:{key.entity.id}${key.name}", expected, found, kind)


def _relationship_difference(relationship: Relationship, kind: DriftKind) -> Difference:
    entity, relation, subject = relationship
    texts = (NOTHING, f"{subject.type}:{subject.id}")
    expected, found = texts if kind is DriftKind.EXTRA else reversed(texts)
    return Difference(f"{entity.type}:{entity.id}#{relation}", expected, found, kind)


def _text(value: Value) -> str:
    match value:
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(value) or NOTHING
        case _:
            return str(value) or NOTHING
