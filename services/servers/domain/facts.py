"""What authz must be told of a change: the difference of two states.

It is computed and not written down by each rule, so no rule can forget a fact. What it must hold altogether
(`root_facts`, `seat_fact`, `thread_fact`) is made of the same pieces.
"""

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from services.servers.domain.change import Change
from services.servers.domain.state import Channel, Member, Overwrite, ServerState, Thread


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


class FactKind(Enum):
    """What has a version of its own in authz."""

    SERVER = "server"
    ROLES = "roles"
    CHANNEL = "channel"
    SEAT = "seat"
    THREAD = "thread"


@dataclass(frozen=True, slots=True)
class FactKey:
    """Names a fact of a server, also one that is gone. `id`: of the channel, the thread or the user; else 0."""

    kind: FactKind
    server_id: int
    id: int = 0


def key_of(server_id: int, fact: Fact) -> FactKey:
    match fact:
        case ServerFact() | ServerGone():
            return FactKey(FactKind.SERVER, server_id)
        case RolesFact():
            return FactKey(FactKind.ROLES, server_id)
        case ChannelFact(channel_id) | ChannelGone(channel_id):
            return FactKey(FactKind.CHANNEL, server_id, channel_id)
        case SeatFact(user_id) | SeatGone(user_id):
            return FactKey(FactKind.SEAT, server_id, user_id)
        case ThreadFact(thread_id) | ThreadGone(thread_id):
            return FactKey(FactKind.THREAD, server_id, thread_id)


def gone(key: FactKey) -> Fact:
    """What is to be said of something that is no more."""
    match key.kind:
        case FactKind.SERVER | FactKind.ROLES:
            return ServerGone()
        case FactKind.CHANNEL:
            return ChannelGone(key.id)
        case FactKind.SEAT:
            return SeatGone(key.id)
        case FactKind.THREAD:
            return ThreadGone(key.id)


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


def root_facts(state: ServerState) -> tuple[ServerFact, RolesFact]:
    """Of the server itself."""
    return ServerFact(state.owner_id), RolesFact(_table(state))


def channel_fact(channel: Channel) -> ChannelFact:
    return ChannelFact(channel.id, channel.overwrites)


def seat_fact(member: Member) -> SeatFact:
    return SeatFact(member.user_id, member.role_ids, member.is_muted)


def thread_fact(thread: Thread) -> ThreadFact:
    return ThreadFact(thread.id, thread.channel_id, thread.locked, thread.archived)


def _server(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    same = before is not None and before.owner_id == after.owner_id
    return () if same else (ServerFact(after.owner_id),)


def _roles(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    table = _table(after)
    return () if before is not None and _table(before) == table else (RolesFact(table),)


def _table(state: ServerState) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((role.id, role.permissions) for role in state.roles))


def _channels(before: ServerState | None, after: ServerState) -> tuple[Fact, ...]:
    old = {channel.id: channel_fact(channel) for channel in before.channels} if before else {}
    new = {channel.id: channel_fact(channel) for channel in after.channels}
    return (
        *(fact for channel_id, fact in new.items() if old.get(channel_id) != fact),
        *(ChannelGone(channel_id) for channel_id in old if channel_id not in new),
    )


def _seats(change: Change) -> tuple[Fact, ...]:
    return tuple(
        seat_fact(member.after) if member.after is not None else SeatGone(member.user_id)
        for member in change.members
        if member.changes_seat
    )


def _threads(change: Change) -> tuple[Fact, ...]:
    return tuple(
        thread_fact(each.after) if each.after is not None else ThreadGone(each.thread_id)
        for each in change.threads
        if each.changes_decisions
    )
