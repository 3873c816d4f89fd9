"""Facts as the permission engine keeps them (attributes and relationships of entities), and the ids of Beep's
entities."""

from typing import Final, NamedTuple, TypeAlias

Value: TypeAlias = bool | int | str | tuple[str, ...]
"""The value of an attribute."""


class Entity(NamedTuple):
    """Anything that facts are about; also the subject of a relationship."""

    type: str
    id: str


class Attribute(NamedTuple):
    entity: Entity
    name: str
    value: Value


class Relationship(NamedTuple):
    entity: Entity
    relation: str
    subject: Entity


class RelationshipFilter(NamedTuple):
    """Relationships of one relation, of these entities and with this subject; what is left out matches any."""

    entity_type: str
    relation: str
    entity_ids: tuple[str, ...] = ()
    subject: Entity | None = None


SERVER_RIGHT: Final = "server_right"
CHANNEL_RIGHT: Final = "channel_right"


def user_entity(user_id: int) -> Entity:
    return Entity("user", str(user_id))


def server_entity(server_id: int) -> Entity:
    return Entity("server", str(server_id))


def channel_entity(channel_id: int) -> Entity:
    return Entity("channel", str(channel_id))


def private_channel_entity(channel_id: int) -> Entity:
    return Entity("private_channel", str(channel_id))


def thread_entity(thread_id: int) -> Entity:
    return Entity("thread", str(thread_id))


def seat_entity(server_id: int, user_id: int) -> Entity:
    return Entity("seat", f"{server_id}.{user_id}")


def channels_of(server_id: int) -> RelationshipFilter:
    """The channels of a server."""
    return RelationshipFilter("channel", "server", subject=server_entity(server_id))


def server_of(*channel_ids: int) -> RelationshipFilter:
    """The servers of channels, of which there is at least one."""
    return RelationshipFilter("channel", "server", entity_ids=tuple(map(str, channel_ids)))
