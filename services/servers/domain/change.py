"""What a rule gives back: the new state, and what happened, in the past tense."""

from dataclasses import dataclass
from typing import TypeAlias

from services.servers.domain.state import (
    Ban,
    Channel,
    Invitation,
    Invite,
    Member,
    Role,
    ServerState,
    Thread,
    ThreadMember,
)


@dataclass(frozen=True, slots=True)
class ServerCreated:
    owner_id: int


@dataclass(frozen=True, slots=True)
class ServerUpdated:
    owner_changed: bool = False


@dataclass(frozen=True, slots=True)
class ServerDeleted:
    pass


@dataclass(frozen=True, slots=True)
class ChannelCreated:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ChannelUpdated:
    channel: Channel
    views_changed: bool = False


@dataclass(frozen=True, slots=True)
class ChannelDeleted:
    channel: Channel


@dataclass(frozen=True, slots=True)
class ThreadCreated:
    thread: Thread


@dataclass(frozen=True, slots=True)
class ThreadUpdated:
    thread: Thread


@dataclass(frozen=True, slots=True)
class ThreadDeleted:
    thread: Thread


@dataclass(frozen=True, slots=True)
class ThreadJoined:
    """`thread` counts the member."""

    thread: Thread
    member: ThreadMember


@dataclass(frozen=True, slots=True)
class ThreadLeft:
    """`thread` counts the user no more."""

    thread: Thread
    user_id: int


@dataclass(frozen=True, slots=True)
class RoleCreated:
    role: Role


@dataclass(frozen=True, slots=True)
class RoleUpdated:
    role: Role
    permissions_changed: bool = False


@dataclass(frozen=True, slots=True)
class RoleDeleted:
    role_id: int


@dataclass(frozen=True, slots=True)
class MemberJoined:
    member: Member


@dataclass(frozen=True, slots=True)
class MemberUpdated:
    member: Member
    views_changed: bool = False


@dataclass(frozen=True, slots=True)
class MemberLeft:
    user_id: int


@dataclass(frozen=True, slots=True)
class BanAdded:
    user_id: int


@dataclass(frozen=True, slots=True)
class BanRemoved:
    user_id: int


@dataclass(frozen=True, slots=True)
class InvitationCreated:
    invitation: Invitation


@dataclass(frozen=True, slots=True)
class InvitationDeleted:
    """Answered, cancelled, or without an object."""

    invitation: Invitation


@dataclass(frozen=True, slots=True)
class InviteCreated:
    invite: Invite


@dataclass(frozen=True, slots=True)
class InviteDeleted:
    code: str
    channel_id: int


Event: TypeAlias = (
    ServerCreated
    | ServerUpdated
    | ServerDeleted
    | ChannelCreated
    | ChannelUpdated
    | ChannelDeleted
    | ThreadCreated
    | ThreadUpdated
    | ThreadDeleted
    | ThreadJoined
    | ThreadLeft
    | RoleCreated
    | RoleUpdated
    | RoleDeleted
    | MemberJoined
    | MemberUpdated
    | MemberLeft
    | BanAdded
    | BanRemoved
    | InvitationCreated
    | InvitationDeleted
    | InviteCreated
    | InviteDeleted
)


@dataclass(frozen=True, slots=True)
class MemberChange:
    """A membership that begins (`before` is None), changes, or ends (`after` is None)."""

    before: Member | None
    after: Member | None

    @property
    def user_id(self) -> int:
        member = self.after or self.before
        assert member is not None
        return member.user_id

    @property
    def changes_seat(self) -> bool:
        """Whether what decisions read of the membership (roles, mute) changes."""
        if self.before is None or self.after is None:
            return True
        return (self.before.role_ids, self.before.is_muted) != (self.after.role_ids, self.after.is_muted)


@dataclass(frozen=True, slots=True)
class ThreadChange:
    """A thread that begins (`before` is None), changes, or goes (`after` is None)."""

    before: Thread | None
    after: Thread | None

    @property
    def thread_id(self) -> int:
        thread = self.after or self.before
        assert thread is not None
        return thread.id

    @property
    def changes_decisions(self) -> bool:
        """Whether what decisions read of the thread changes."""
        if self.before is None or self.after is None:
            return True
        return (self.before.archived, self.before.locked) != (self.after.archived, self.after.locked)


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a server, stored as a whole or not at all. `state` is None when the server is deleted."""

    state: ServerState | None
    events: tuple[Event, ...]
    members: tuple[MemberChange, ...] = ()
    invites_put: tuple[Invite, ...] = ()
    invites_removed: tuple[Invite, ...] = ()
    bans_put: tuple[Ban, ...] = ()
    bans_removed: tuple[Ban, ...] = ()
    invitations_put: tuple[Invitation, ...] = ()
    invitations_removed: tuple[Invitation, ...] = ()
    threads: tuple[ThreadChange, ...] = ()
    thread_members_put: tuple[ThreadMember, ...] = ()
    thread_members_removed: tuple[ThreadMember, ...] = ()
