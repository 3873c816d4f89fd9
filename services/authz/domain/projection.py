"""What a change means in facts: the attributes and relationships to write, and the epochs that it ends."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from services.authz.domain.changes import (
    Change,
    RemoveChannel,
    RemovePrivateChannel,
    RemoveSeat,
    RemoveServer,
    RemoveThread,
    SetChannel,
    SetFrozen,
    SetPrivateChannel,
    SetRoles,
    SetSeat,
    SetServer,
    SetSuspended,
    SetThread,
)
from services.authz.domain.facts import (
    CHANNEL_RIGHT,
    SERVER_RIGHT,
    Attribute,
    Entity,
    Relationship,
    RelationshipFilter,
    channel_entity,
    channels_of,
    private_channel_entity,
    seat_entity,
    server_entity,
    server_of,
    thread_entity,
    user_entity,
)
from services.authz.domain.rights import RIGHTS

Epoch: TypeAlias = tuple[str, int] | tuple[str, int, int]
"""What a decision's answers hang on: the facts of one server, channel, seat or user, or the list of a server's
channels."""


def server_epoch(server_id: int) -> Epoch:
    return ("server", server_id)


def channel_epoch(channel_id: int) -> Epoch:
    """Also of a thread and of a private channel: no two of them have the same id."""
    return ("channel", channel_id)


def channels_epoch(server_id: int) -> Epoch:
    return ("channels", server_id)


def seat_epoch(server_id: int, user_id: int) -> Epoch:
    return ("seat", server_id, user_id)


def user_epoch(user_id: int) -> Epoch:
    return ("user", user_id)


class VersionKey(NamedTuple):
    """The attribute that remembers which version of an object has been applied."""

    entity: Entity
    name: str


@dataclass(frozen=True, slots=True)
class Projection:
    """A change in facts.

    Attributes:
        version: where the version of what changes is kept; a change older than it comes late and is void.
        attributes: the complete new values, also of what does not differ.
        relationships: to add.
        removed: to delete, after the rest is written.
        epochs: what the change ends: the invalidation table of docs/adr/0005-decisions-and-epochs.md.
    """

    version: VersionKey
    attributes: tuple[Attribute, ...]
    epochs: tuple[Epoch, ...]
    relationships: tuple[Relationship, ...] = ()
    removed: RelationshipFilter | None = None


def project(change: Change) -> Projection:
    """The facts of a change.

    What is removed is overwritten by nothing (an owner '', no roles, no overwrites) rather than deleted: Permify
    cannot write and delete in one atomic call, and the version has to outlive the object, or a change that comes late
    would bring it back.
    """
    match change:
        case SetServer(server_id, owner_id):
            return _server(server_id, "owner_version", Attribute(server_entity(server_id), "owner", str(owner_id)))
        case SetFrozen(server_id, frozen):
            return _server(server_id, "frozen_version", Attribute(server_entity(server_id), "frozen", frozen))
        case SetRoles(server_id, permissions):
            return _server(server_id, "roles_version", *_role_facts(server_id, permissions))
        case RemoveServer(server_id):
            return Projection(
                VersionKey(server_entity(server_id), "owner_version"),
                (Attribute(server_entity(server_id), "owner", ""), *_role_facts(server_id, ())),
                (server_epoch(server_id), channels_epoch(server_id)),
                removed=channels_of(server_id),
            )
        case SetChannel(server_id, channel_id, _):
            return Projection(
                VersionKey(channel_entity(channel_id), "version"),
                tuple(_channel_facts(change)),
                (channel_epoch(channel_id), channels_epoch(server_id)),
                relationships=(Relationship(channel_entity(channel_id), "server", server_entity(server_id)),),
            )
        case RemoveChannel(server_id, channel_id):
            return Projection(
                VersionKey(channel_entity(channel_id), "version"),
                tuple(_channel_facts(SetChannel(server_id, channel_id, ()))),
                (channel_epoch(channel_id), channels_epoch(server_id)),
                removed=server_of(channel_id),
            )
        case SetSeat(server_id, user_id, role_ids, muted):
            return _seat(server_id, user_id, tuple(sorted({str(role) for role in (server_id, *role_ids)})), muted)
        case RemoveSeat(server_id, user_id):
            return _seat(server_id, user_id, (), muted=False)
        case SetSuspended(user_id, suspended):
            return Projection(
                VersionKey(user_entity(user_id), "version"),
                (Attribute(user_entity(user_id), "suspended", suspended),),
                (user_epoch(user_id),),
            )
        case SetPrivateChannel(channel_id, participant_ids, silenced):
            return _private_channel(channel_id, tuple(sorted({str(user) for user in participant_ids})), silenced)
        case RemovePrivateChannel(channel_id):
            return _private_channel(channel_id, (), silenced=False)
        case SetThread(_, thread_id, channel_id, locked, archived):
            return _thread(thread_id, str(channel_id), locked, archived)
        case RemoveThread(_, thread_id):
            return _thread(thread_id, "", locked=False, archived=False)


def _private_channel(channel_id: int, participants: tuple[str, ...], silenced: bool) -> Projection:
    channel = private_channel_entity(channel_id)
    return Projection(
        VersionKey(channel, "version"),
        (Attribute(channel, "participants", participants), Attribute(channel, "silenced", silenced)),
        (channel_epoch(channel_id),),
    )


def _thread(thread_id: int, parent: str, locked: bool, archived: bool) -> Projection:
    thread = thread_entity(thread_id)
    return Projection(
        VersionKey(thread, "version"),
        (
            Attribute(thread, "parent", parent),
            Attribute(thread, "locked", locked),
            Attribute(thread, "archived", archived),
        ),
        (channel_epoch(thread_id),),
    )


def _server(server_id: int, version: str, *attributes: Attribute) -> Projection:
    return Projection(VersionKey(server_entity(server_id), version), attributes, (server_epoch(server_id),))


def _seat(server_id: int, user_id: int, roles: tuple[str, ...], muted: bool) -> Projection:
    seat = seat_entity(server_id, user_id)
    return Projection(
        VersionKey(seat, "version"),
        (Attribute(seat, "roles", roles), Attribute(seat, "muted", muted)),
        (seat_epoch(server_id, user_id),),
    )


def _role_facts(server_id: int, permissions: tuple[tuple[int, int], ...]) -> Iterator[Attribute]:
    yield Attribute(server_entity(server_id), "roles", tuple(sorted(str(role) for role, _ in permissions)))
    for right in RIGHTS:
        granted = tuple(sorted(str(role) for role, bits in permissions if bits & right.mask))
        yield Attribute(Entity(SERVER_RIGHT, f"{server_id}.{right.name}"), "granted", granted)


def _channel_facts(change: SetChannel) -> Iterator[Attribute]:
    personal = tuple(sorted(str(overwrite.target_id) for overwrite in change.overwrites if overwrite.is_member))
    yield Attribute(channel_entity(change.channel_id), "personal", personal)
    for right in RIGHTS:
        if right.in_channel:
            lines = tuple(sorted(_overwrite_lines(change, right.mask)))
            yield Attribute(Entity(CHANNEL_RIGHT, f"{change.channel_id}.{right.name}"), "overwrites", lines)


def _overwrite_lines(change: SetChannel, bit: int) -> Iterator[str]:
    for overwrite in change.overwrites:
        if overwrite.is_member:
            target = f"user:{overwrite.target_id}"
        elif overwrite.target_id == change.server_id:
            target = "everyone"
        else:
            target = f"role:{overwrite.target_id}"
        # Discord applies deny, then allow: a bit in both is allowed, which is what the rule's order says as well.
        if overwrite.allow & bit:
            yield f"allow:{target}"
        if overwrite.deny & bit:
            yield f"deny:{target}"
