"""What a rule gives back: the new state, and what happened, in the past tense."""

from dataclasses import dataclass
from typing import TypeAlias

from services.servers.domain.state import Channel, Invite, Member, Role, ServerState


@dataclass(frozen=True, slots=True)
class ServerCreated:
    owner_id: int


@dataclass(frozen=True, slots=True)
class ServerUpdated:
    pass


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
    | RoleCreated
    | RoleUpdated
    | RoleDeleted
    | MemberJoined
    | MemberUpdated
    | MemberLeft
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
class Change:
    """One change of a server, stored as a whole or not at all. `state` is None when the server is deleted."""

    state: ServerState | None
    events: tuple[Event, ...]
    members: tuple[MemberChange, ...] = ()
    invites_put: tuple[Invite, ...] = ()
    invites_removed: tuple[str, ...] = ()
