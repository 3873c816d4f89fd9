"""The domain's nouns as protos, and what comes in as the domain's."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from beep.servers.v1 import (
    audit_log_service_pb2,
    bans_service_pb2,
    channel_pb2,
    invitations_service_pb2,
    invite_pb2,
    member_pb2,
    role_pb2,
    server_pb2,
)
from beep.users.v1 import user_pb2
from services.servers.domain import channel as channel_rules
from services.servers.domain import role as role_rules
from services.servers.domain.audit import AuditEntry, Value
from services.servers.domain.form import invalid
from services.servers.domain.state import (
    Ban,
    Channel,
    ChannelType,
    Invitation,
    Invite,
    Member,
    Overwrite,
    OverwriteTarget,
    Role,
    ServerState,
    Thread,
    ThreadMember,
)

_TYPES: Final = {
    ChannelType.TEXT: channel_pb2.CHANNEL_TYPE_TEXT,
    ChannelType.CATEGORY: channel_pb2.CHANNEL_TYPE_CATEGORY,
    ChannelType.ANNOUNCEMENT: channel_pb2.CHANNEL_TYPE_ANNOUNCEMENT,
}
_TYPES_BY_PROTO: Final[Mapping[int, ChannelType]] = {proto: kind for kind, proto in _TYPES.items()}
_TARGETS: Final = {
    OverwriteTarget.ROLE: channel_pb2.OVERWRITE_TARGET_ROLE,
    OverwriteTarget.MEMBER: channel_pb2.OVERWRITE_TARGET_MEMBER,
}
_TARGETS_BY_PROTO: Final[Mapping[int, OverwriteTarget]] = {proto: target for target, proto in _TARGETS.items()}


def server(state: ServerState) -> server_pb2.Server:
    return server_pb2.Server(
        id=state.id,
        name=state.name,
        description=state.description,
        owner_id=state.owner_id,
        is_public=state.is_public,
        icon=state.icon,
        system_channel_id=state.system_channel_id,
        version=state.version,
        member_count=state.member_count,
    )


def snapshot(
    state: ServerState,
    members: Iterable[Member],
    profiles: Mapping[int, user_pb2.User],
    threads: Iterable[Thread] = (),
) -> server_pb2.ServerSnapshot:
    return server_pb2.ServerSnapshot(
        server=server(state),
        roles=roles(state),
        channels=[channel(state.id, each) for each in channel_rules.order(state.channels)],
        members=[member(state.id, each, profiles) for each in members],
        threads=[thread(each) for each in threads],
    )


def roles(state: ServerState) -> list[role_pb2.Role]:
    return [role(state.id, each) for each in role_rules.order(state.roles)]


def role(server_id: int, of: Role) -> role_pb2.Role:
    return role_pb2.Role(
        id=of.id,
        server_id=server_id,
        name=of.name,
        permissions=of.permissions,
        position=of.position,
        color=of.color,
        hoist=of.hoist,
        mentionable=of.mentionable,
        managed=of.managed,
        bot_id=of.bot_id,
    )


def channel(server_id: int, of: Channel) -> channel_pb2.Channel:
    return channel_pb2.Channel(
        id=of.id,
        server_id=server_id,
        type=_TYPES[of.type],
        name=of.name,
        topic=of.topic,
        position=of.position,
        parent_id=of.parent_id,
        nsfw=of.nsfw,
        rate_limit_per_user=of.rate_limit_per_user,
        overwrites=[overwrite(each) for each in of.overwrites],
    )


def thread(of: Thread) -> channel_pb2.Channel:
    return channel_pb2.Channel(
        id=of.id,
        server_id=of.server_id,
        type=channel_pb2.CHANNEL_TYPE_PUBLIC_THREAD,
        name=of.name,
        parent_id=of.channel_id,
        rate_limit_per_user=of.rate_limit_per_user,
        thread=channel_pb2.Thread(
            owner_id=of.owner_id,
            archived=of.archived,
            locked=of.locked,
            auto_archive_minutes=of.auto_archive_minutes,
            archive_changed_at_ms=of.archive_changed_at_ms,
            created_at_ms=of.created_at_ms,
            member_count=of.member_count,
        ),
    )


def thread_member(of: ThreadMember) -> channel_pb2.ThreadMember:
    return channel_pb2.ThreadMember(thread_id=of.thread_id, user_id=of.user_id, joined_at_ms=of.joined_at_ms)


def overwrite(of: Overwrite) -> channel_pb2.Overwrite:
    return channel_pb2.Overwrite(target_id=of.target_id, target=_TARGETS[of.target], allow=of.allow, deny=of.deny)


def member(server_id: int, of: Member, profiles: Mapping[int, user_pb2.User]) -> member_pb2.Member:
    return member_pb2.Member(
        server_id=server_id,
        user=profiles[of.user_id],
        nick=of.nick,
        role_ids=of.role_ids,
        joined_at_ms=of.joined_at_ms,
        muted_until_ms=of.muted_until_ms,
    )


def invite(state: ServerState, of: Invite, profiles: Mapping[int, user_pb2.User]) -> invite_pb2.Invite:
    """With what a holder of the code may know of the server and the channel before joining, and no more."""
    target = state.channel(of.channel_id)
    return invite_pb2.Invite(
        code=of.code,
        server_id=of.server_id,
        channel_id=of.channel_id,
        inviter=profiles[of.inviter_id],
        created_at_ms=of.created_at_ms,
        max_age_seconds=of.max_age_seconds,
        max_uses=of.max_uses,
        uses=of.uses,
        temporary=of.temporary,
        server=preview(state),
        channel=channel_pb2.Channel(id=target.id, server_id=state.id, type=_TYPES[target.type], name=target.name),
    )


def preview(state: ServerState) -> server_pb2.Server:
    """What somebody may know of the server before joining."""
    return server_pb2.Server(
        id=state.id,
        name=state.name,
        description=state.description,
        icon=state.icon,
        is_public=state.is_public,
        member_count=state.member_count,
    )


def invitation(
    state: ServerState, of: Invitation, profiles: Mapping[int, user_pb2.User]
) -> invitations_service_pb2.Invitation:
    return invitations_service_pb2.Invitation(
        id=of.id,
        server=preview(state),
        inviter=profiles[of.inviter_id],
        invitee=profiles[of.invitee_id],
        created_at_ms=of.created_at_ms,
    )


def ban(server_id: int, of: Ban, profiles: Mapping[int, user_pb2.User]) -> bans_service_pb2.Ban:
    return bans_service_pb2.Ban(server_id=server_id, user=profiles[of.user_id], reason=of.reason)


def audit_entry(of: AuditEntry) -> audit_log_service_pb2.AuditLogEntry:
    return audit_log_service_pb2.AuditLogEntry(
        id=of.id,
        server_id=of.server_id,
        actor_id=of.deed.actor_id,
        action=of.line.action,
        target_id=of.line.target_id,
        reason=of.deed.reason,
        changes=[
            audit_log_service_pb2.AuditLogChange(key=each.key, old_value=_json(each.old), new_value=_json(each.new))
            for each in of.line.changes
        ],
        options=b"" if of.line.options is None else msgspec.json.encode(of.line.options),
    )


def _json(value: Value) -> bytes:
    return b"" if value is None else msgspec.json.encode(value)


def channel_type(proto: int) -> ChannelType:
    """A type that is not given is text. Raises InvalidForm for one that is not known."""
    if proto == channel_pb2.CHANNEL_TYPE_UNSPECIFIED:
        return ChannelType.TEXT
    kind = _TYPES_BY_PROTO.get(proto)
    if kind is None:
        raise invalid("type", "No such type of channel.")
    return kind


def domain_overwrites(protos: Iterable[channel_pb2.Overwrite]) -> tuple[Overwrite, ...]:
    return tuple(domain_overwrite(proto) for proto in protos)


def domain_overwrite(proto: channel_pb2.Overwrite) -> Overwrite:
    """Raises InvalidForm when it is neither for a role nor for a member."""
    target = _TARGETS_BY_PROTO.get(proto.target)
    if target is None:
        raise invalid("type", "An overwrite is for a role or for a member.")
    return Overwrite(target_id=proto.target_id, target=target, allow=proto.allow, deny=proto.deny)
