"""What the owners of the state tell authz. Each change is absolute state, never a delta: applying it twice is
applying it once."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class SetServer:
    """The server exists and has this owner."""

    server_id: int
    owner_id: int


@dataclass(frozen=True, slots=True)
class RemoveServer:
    server_id: int


@dataclass(frozen=True, slots=True)
class SetRoles:
    """The complete table of roles: role id to permission bits. @everyone has the server's id.

    A role that is missing here is held by nobody any more, whatever the seats say.
    """

    server_id: int
    permissions: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Overwrite:
    """What a channel allows and denies to a role (the server's id: to everyone) or to one member."""

    target_id: int
    is_member: bool
    allow: int
    deny: int


@dataclass(frozen=True, slots=True)
class SetChannel:
    """The channel exists and has exactly these overwrites."""

    server_id: int
    channel_id: int
    overwrites: tuple[Overwrite, ...]


@dataclass(frozen=True, slots=True)
class RemoveChannel:
    server_id: int
    channel_id: int


@dataclass(frozen=True, slots=True)
class SetSeat:
    """The user is a member with these roles (@everyone is understood), muted or not."""

    server_id: int
    user_id: int
    role_ids: tuple[int, ...]
    muted: bool


@dataclass(frozen=True, slots=True)
class RemoveSeat:
    server_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class SetFrozen:
    server_id: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class SetSuspended:
    user_id: int
    suspended: bool


@dataclass(frozen=True, slots=True)
class SetPrivateChannel:
    """The channel of no server exists, and exactly these users take part. Silenced: they may read, but not write."""

    channel_id: int
    participant_ids: tuple[int, ...]
    silenced: bool


@dataclass(frozen=True, slots=True)
class RemovePrivateChannel:
    channel_id: int


@dataclass(frozen=True, slots=True)
class SetThread:
    """The thread exists and hangs on this channel, which decides in its place."""

    server_id: int
    thread_id: int
    channel_id: int
    locked: bool
    archived: bool


@dataclass(frozen=True, slots=True)
class RemoveThread:
    server_id: int
    thread_id: int


Change: TypeAlias = (
    SetServer
    | RemoveServer
    | SetRoles
    | SetChannel
    | RemoveChannel
    | SetSeat
    | RemoveSeat
    | SetFrozen
    | SetSuspended
    | SetPrivateChannel
    | RemovePrivateChannel
    | SetThread
    | RemoveThread
)
