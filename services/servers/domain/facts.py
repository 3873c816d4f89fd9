"""What authz must be told of a change: the difference of two states.

It is computed and not written down by each rule, so no rule can forget a fact.
"""

from dataclasses import dataclass
from typing import TypeAlias

from services.servers.domain.change import Change
from services.servers.domain.state import Overwrite, ServerState


@dataclass(frozen=True, slots=True)
class ServerFact:
    owner_id: int


@dataclass(frozen=True, slots=True)
class ServerGone:
    pass


@dataclass(frozen=True, slots=True)
class RolesFact:
    """The whole table: (role id, permissions)."""

    permissions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class ChannelFact:
    channel_id: int
    overwrites: tuple[Overwrite, ...]


@dataclass(frozen=True, slots=True)
class ChannelGone:
    channel_id: int


@dataclass(frozen=True, slots=True)
class SeatFact:
    user_id: int
    role_ids: tuple[int, ...]
    muted: bool


@dataclass(frozen=True, slots=True)
class SeatGone:
    user_id: int


@dataclass(frozen=True, slots=True)
class ThreadFact:
    thread_id: int
    channel_id: int
    locked: bool
    archived: bool


@dataclass(frozen=True, slots=True)
class ThreadGone:
    thread_id: int


Fact: TypeAlias = (
    ServerFact | ServerGone | RolesFact | ChannelFact | ChannelGone | SeatFact | SeatGone | ThreadFact | ThreadGone
)


def facts_of(before: ServerState | None, change: Change) -> tuple[Fact, ...]:
    """The facts that differ. `before` is None for a new server."""
    after = change.state
    if after is None:
        return (ServerGone(),)
    return (
        *_server(before, after),
        *_roles(before, after),
        *_channels(before, after),
        *_seats(change),
        *_threads(change),
    )


def _server(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    same = before is not None and before.owner_id == after.owner_id
    return () if same else (ServerFact(after.owner_id),)


def _roles(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    table = _table(after)
    return () if before is not None and _table(before) == table else (RolesFact(table),)


def _table(state: ServerState) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((role.id, role.permissions) for role in state.roles))


def _channels(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    old = {channel.id: channel.overwrites for channel in before.channels} if before else {}
    new = {channel.id: channel.overwrites for channel in after.channels}
    return (
        *(
            ChannelFact(channel_id, overwrites)
            for channel_id, overwrites in new.items()
            if old.get(channel_id) != overwrites
        ),
        *(ChannelGone(channel_id) for channel_id in old if channel_id not in new),
    )


def _seats(change: Change) -> tuple[Fact, ...]:
    return tuple(
        SeatFact(member.after.user_id, member.after.role_ids, member.after.is_muted)
        if member.after is not None
        else SeatGone(member.user_id)
        for member in change.members
        if member.changes_seat
    )


def _threads(change: Change) -> tuple[Fact, ...]:
    return tuple(
        ThreadFact(each.after.id, each.after.channel_id, each.after.locked, each.after.archived)
        if each.after is not None
        else ThreadGone(each.thread_id)
        for each in change.threads
        if each.changes_decisions
    )
