"""What servers publishes, and what it follows.

A change becomes one outbox record in the order of its server: the facts for authz, then the events. To the shard of the
server go the dispatches GUILD_UPDATE, GUILD_DELETE, GUILD_ROLE_CREATE/UPDATE/DELETE, GUILD_MEMBER_ADD/UPDATE/REMOVE,
CHANNEL_CREATE/UPDATE/DELETE, INVITE_CREATE/DELETE, GUILD_BAN_ADD/REMOVE and GUILD_AUDIT_LOG_ENTRY_CREATE, their bodies
written here, once, as clients get them. `access` says whose view a change touches. One who joins is not yet a reader of
that shard: the control event SERVER_JOINED, to the shard of the user, tells their sessions to read it from now on. To
the shard of an invited user go SERVER_INVITATION_CREATE/DELETE. Other services are told what is left over of a change:
CHANNELS_DELETED to messages and webhooks, BLOBS_DELETED to rest.

Followed, by `services.servers.directory`: USER_UPDATE. Told by others, in `services.servers.notices`: AUDIT_ENTRY,
IDENTITY_CHANGED, PROFILE_CHANGED, THREAD_MESSAGE.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec import UNSET, Struct

from beep.authz.v1 import authz_service_pb2, facts_pb2
from beep.users.v1 import user_pb2
from services.common.bus import (
    BLOBS_DELETED,
    CHANNELS_DELETED,
    SERVER_JOINED,
    AccessChange,
    Audience,
    Envelope,
    server_shard,
    service_shard,
    user_shard,
)
from services.common.outbox import OutboxRecord
from services.common.permissions import Permission
from services.servers import render
from services.servers.domain import facts
from services.servers.domain.audit import AuditEntry
from services.servers.domain.change import (
    BanAdded,
    BanRemoved,
    Change,
    ChannelCreated,
    ChannelDeleted,
    ChannelUpdated,
    Event,
    InvitationCreated,
    InvitationDeleted,
    InviteCreated,
    InviteDeleted,
    MemberJoined,
    MemberLeft,
    MemberUpdated,
    RoleCreated,
    RoleDeleted,
    RoleUpdated,
    ServerCreated,
    ServerDeleted,
    ServerUpdated,
    ThreadCreated,
    ThreadDeleted,
    ThreadJoined,
    ThreadLeft,
    ThreadUpdated,
)
from services.servers.domain.facts import Fact, facts_of
from services.servers.domain.state import Channel, Overwrite, OverwriteTarget, ServerState
from services.wire.audit_log import audit_log_entry_create
from services.wire.ban import guild_ban
from services.wire.channel import channel_object
from services.wire.encoding import encode
from services.wire.events import (
    GuildRoleDelete,
    InviteDelete,
    guild_member,
    guild_member_remove,
    guild_role,
    invite_create,
)
from services.wire.invitation import InvitationDelete, invitation_object
from services.wire.server import UnavailableGuild, guild_object
from services.wire.thread import (
    thread_create,
    thread_delete,
    thread_member_update,
    thread_members_update,
    thread_object,
)

USER_UPDATE: Final = "USER_UPDATE"

# A channel may have had any number of threads, and an envelope is bounded.
_IN_ONE_ORDER: Final = 1000

_OVERWRITE_TARGETS: Final = {
    OverwriteTarget.ROLE: facts_pb2.OVERWRITE_TARGET_ROLE,
    OverwriteTarget.MEMBER: facts_pb2.OVERWRITE_TARGET_MEMBER,
}


def users_in(change: Change) -> set[int]:
    """The users whose profiles the events of this change show."""
    found: set[int] = set()
    for event in change.events:
        match event:
            case MemberJoined(member) | MemberUpdated(member):
                found.add(member.user_id)
            case MemberLeft(user_id) | BanAdded(user_id) | BanRemoved(user_id):
                found.add(user_id)
            case InviteCreated(invite):
                found.add(invite.inviter_id)
            case InvitationCreated(invitation):
                found |= {invitation.inviter_id, invitation.invitee_id}
            case _:
                pass
    return found


def record_of(
    server_id: int,
    before: ServerState | None,
    change: Change,
    profiles: Mapping[int, user_pb2.User],
    next_id: Callable[[], int],
    audit: Sequence[AuditEntry] = (),
) -> OutboxRecord:
    """What must be told of a change, with the `audit` entries it made. `profiles` has the `users_in` it."""
    version = change.state.version if change.state else (before.version if before else 0) + 1
    record_id = next_id()
    writer = _Writer(server_id, change.state or before, version, profiles, next_id)
    envelopes = (
        *(envelope for event in change.events for envelope in writer.envelopes(event)),
        *(audit_envelope(entry, next_id) for entry in audit),
        *_leftovers(server_id, before, change, next_id),
    )
    return OutboxRecord(record_id, server_shard(server_id), envelopes, _facts(server_id, version, before, change))


def audit_envelope(entry: AuditEntry, next_id: Callable[[], int]) -> Envelope:
    return Envelope(
        event_id=next_id(),
        shard=server_shard(entry.server_id),
        type="GUILD_AUDIT_LOG_ENTRY_CREATE",
        body=encode(audit_log_entry_create(render.audit_entry(entry))),
        audience=Audience.SERVER,
        server_id=entry.server_id,
        required_permissions=int(Permission.VIEW_AUDIT_LOG),
    )


def _leftovers(
    server_id: int, before: ServerState | None, change: Change, next_id: Callable[[], int]
) -> Iterator[Envelope]:
    """What other services keep of what is gone: computed from the difference, so that no rule can forget it."""
    if before is None:
        return
    after = change.state
    kept = {channel.id for channel in after.channels} if after else set()
    gone = [channel.id for channel in before.channels if channel.id not in kept]
    threads = [each.thread_id for each in change.threads if each.after is None]
    # Webhooks are of channels only; both hold messages.
    for service, channel_ids in (("messages", gone + threads), ("webhooks", gone)):
        for start in range(0, len(channel_ids), _IN_ONE_ORDER):
            ids = [str(channel_id) for channel_id in channel_ids[start : start + _IN_ONE_ORDER]]
            yield _order(service, CHANNELS_DELETED, server_id, encode({"channel_ids": ids}), next_id)
    if before.icon and (after is None or after.icon != before.icon):
        yield _order("rest", BLOBS_DELETED, server_id, encode({"keys": [f"icons/{server_id}/{before.icon}"]}), next_id)


def _order(service: str, type: str, server_id: int, body: bytes, next_id: Callable[[], int]) -> Envelope:
    return Envelope(
        event_id=next_id(),
        shard=service_shard(service),
        type=type,
        body=body,
        audience=Audience.NONE,
        server_id=server_id,
    )


class _Writer:
    """Writes the envelopes of one change."""

    def __init__(
        self,
        server_id: int,
        state: ServerState | None,
        version: int,
        profiles: Mapping[int, user_pb2.User],
        next_id: Callable[[], int],
    ) -> None:
        self._id = server_id
        self._state = state
        self._version = version
        self._profiles = profiles
        self._next_id = next_id

    def envelopes(self, event: Event) -> Iterator[Envelope]:
        access: AccessChange | None
        match event:
            case ServerCreated(owner_id):
                yield self._joined(owner_id)
            case ServerUpdated(owner_changed):
                assert self._state is not None
                access = AccessChange(whole_server=True) if owner_changed else None
                guild = guild_object(render.server(self._state), render.roles(self._state))
                yield self._to_server("GUILD_UPDATE", guild, access)
            case ServerDeleted():
                access = AccessChange(server_deleted=True)
                yield self._to_server("GUILD_DELETE", UnavailableGuild(id=str(self._id)), access)
            case ChannelCreated(channel):
                yield self._to_viewers("CHANNEL_CREATE", channel, AccessChange(channel_ids=(channel.id,)))
            case ChannelUpdated(channel, views_changed):
                access = AccessChange(channel_ids=(channel.id,)) if views_changed else None
                yield self._to_viewers("CHANNEL_UPDATE", channel, access)
            case ChannelDeleted(channel):
                yield self._to_viewers("CHANNEL_DELETE", channel, AccessChange(channel_ids=(channel.id,)))
            case ThreadCreated() | ThreadUpdated() | ThreadDeleted() | ThreadJoined() | ThreadLeft():
                yield from self._of_thread(event)
            case RoleCreated(role):
                yield self._to_server("GUILD_ROLE_CREATE", guild_role(render.role(self._id, role)))
            case RoleUpdated(role, permissions_changed):
                access = AccessChange(whole_server=True) if permissions_changed else None
                yield self._to_server("GUILD_ROLE_UPDATE", guild_role(render.role(self._id, role)), access)
            case RoleDeleted(role_id):
                gone = GuildRoleDelete(guild_id=str(self._id), role_id=str(role_id))
                yield self._to_server("GUILD_ROLE_DELETE", gone, AccessChange(whole_server=True))
            case MemberJoined(member):
                access = AccessChange(joined_user_ids=(member.user_id,))
                rendered = guild_member(render.member(self._id, member, self._profiles))
                yield self._to_server("GUILD_MEMBER_ADD", rendered, access)
                yield self._joined(member.user_id)
            case MemberUpdated(member, views_changed):
                access = AccessChange(user_ids=(member.user_id,)) if views_changed else None
                rendered = guild_member(render.member(self._id, member, self._profiles))
                yield self._to_server("GUILD_MEMBER_UPDATE", rendered, access)
            case MemberLeft(user_id):
                access = AccessChange(left_user_ids=(user_id,))
                yield self._to_server(
                    "GUILD_MEMBER_REMOVE", guild_member_remove(self._id, self._profiles[user_id]), access
                )
            case BanAdded(user_id):
                yield self._to_moderators("GUILD_BAN_ADD", guild_ban(self._id, self._profiles[user_id]))
            case BanRemoved(user_id):
                yield self._to_moderators("GUILD_BAN_REMOVE", guild_ban(self._id, self._profiles[user_id]))
            case InvitationCreated(invitation):
                assert self._state is not None
                invited = invitation_object(render.invitation(self._state, invitation, self._profiles))
                yield self._to_invitee("SERVER_INVITATION_CREATE", invitation.invitee_id, invited)
            case InvitationDeleted(invitation):
                answered = InvitationDelete(id=str(invitation.id))
                yield self._to_invitee("SERVER_INVITATION_DELETE", invitation.invitee_id, answered)
            case InviteCreated(invite):
                assert self._state is not None
                created = invite_create(render.invite(self._state, invite, self._profiles))
                yield self._to_channel_keepers("INVITE_CREATE", invite.channel_id, created)
            case InviteDeleted(code, channel_id):
                deleted = InviteDelete(channel_id=str(channel_id), guild_id=str(self._id), code=code)
                yield self._to_channel_keepers("INVITE_DELETE", channel_id, deleted)

    def _of_thread(
        self, event: ThreadCreated | ThreadUpdated | ThreadDeleted | ThreadJoined | ThreadLeft
    ) -> Iterator[Envelope]:
        """Whoever may view the channel is told of its threads."""
        channel_id, thread = event.thread.channel_id, render.thread(event.thread)
        match event:
            case ThreadCreated():
                yield self._in_channel("THREAD_CREATE", channel_id, thread_create(thread))
            case ThreadUpdated():
                updated = thread_object(thread)
                updated.last_message_id = UNSET
                yield self._in_channel("THREAD_UPDATE", channel_id, updated)
            case ThreadDeleted():
                yield self._in_channel("THREAD_DELETE", channel_id, thread_delete(thread))
            case ThreadJoined(_, member):
                joined = render.thread_member(member)
                added = thread_members_update(thread, added=[joined])
                yield self._in_channel("THREAD_MEMBERS_UPDATE", channel_id, added)
                own = thread_member_update(self._id, joined)
                yield self._envelope("THREAD_MEMBER_UPDATE", own, Audience.USERS, user_ids=(member.user_id,))
            case ThreadLeft(_, user_id):
                left = thread_members_update(thread, removed=[user_id])
                yield self._in_channel("THREAD_MEMBERS_UPDATE", channel_id, left)

    def _in_channel(self, type: str, channel_id: int, body: Struct) -> Envelope:
        return self._envelope(type, body, Audience.CHANNEL, channel_id=channel_id)

    def _to_server(self, type: str, body: Struct, access: AccessChange | None = None) -> Envelope:
        return self._envelope(type, body, Audience.SERVER, access=access)

    def _to_viewers(self, type: str, channel: Channel, access: AccessChange | None) -> Envelope:
        body = channel_object(render.channel(self._id, channel))
        if type == "CHANNEL_UPDATE":
            # Not known here, and not what has changed.
            body.last_message_id = UNSET
        return self._envelope(type, body, Audience.CHANNEL, channel_id=channel.id, access=access)

    def _to_channel_keepers(self, type: str, channel_id: int, body: Struct) -> Envelope:
        """A code lets whoever knows it in: only those get it who could make one for every channel."""
        keepers = int(Permission.MANAGE_CHANNELS)
        return self._envelope(type, body, Audience.CHANNEL, channel_id=channel_id, required_permissions=keepers)

    def _to_moderators(self, type: str, body: Struct) -> Envelope:
        banners = int(Permission.BAN_MEMBERS)
        return self._envelope(type, body, Audience.SERVER, required_permissions=banners)

    def _to_invitee(self, type: str, user_id: int, body: Struct) -> Envelope:
        """They are no reader of the server's shard."""
        return Envelope(
            event_id=self._next_id(),
            shard=user_shard(user_id),
            type=type,
            body=encode(body),
            audience=Audience.USERS,
            user_ids=(user_id,),
        )

    def _joined(self, user_id: int) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=user_shard(user_id),
            type=SERVER_JOINED,
            body=b"{}",
            audience=Audience.NONE,
            server_id=self._id,
            user_ids=(user_id,),
            state_version=self._version,
        )

    def _envelope(
        self,
        type: str,
        body: Struct,
        audience: Audience,
        *,
        channel_id: int = 0,
        user_ids: tuple[int, ...] = (),
        required_permissions: int = 0,
        access: AccessChange | None = None,
    ) -> Envelope:
        return Envelope(
            event_id=self._next_id(),
            shard=server_shard(self._id),
            type=type,
            body=encode(body),
            audience=audience,
            server_id=self._id,
            channel_id=channel_id,
            user_ids=user_ids,
            required_permissions=required_permissions,
            state_version=self._version,
            access=access,
        )


def _facts(server_id: int, version: int, before: ServerState | None, change: Change) -> bytes | None:
    """The request to authz, as the relay will send it; None when no decision depends on the change."""
    changes = [fact_change(server_id, fact) for fact in facts_of(before, change)]
    if not changes:
        return None
    request = authz_service_pb2.ApplyFactsRequest(server_id=server_id, version=version, changes=changes)
    return request.SerializeToString()


def fact_change(server_id: int, fact: Fact) -> facts_pb2.FactChange:
    """The fact in the words of authz."""
    match fact:
        case facts.ServerFact(owner_id):
            return facts_pb2.FactChange(set_server=facts_pb2.SetServer(server_id=server_id, owner_id=owner_id))
        case facts.ServerGone():
            return facts_pb2.FactChange(remove_server=facts_pb2.RemoveServer(server_id=server_id))
        case facts.RolesFact(permissions):
            roles = [facts_pb2.RolePermissions(role_id=role_id, permissions=mask) for role_id, mask in permissions]
            return facts_pb2.FactChange(set_roles=facts_pb2.SetRoles(server_id=server_id, roles=roles))
        case facts.ChannelFact(channel_id, overwrites):
            set_channel = facts_pb2.SetChannel(
                server_id=server_id, channel_id=channel_id, overwrites=map(_overwrite, overwrites)
            )
            return facts_pb2.FactChange(set_channel=set_channel)
        case facts.ChannelGone(channel_id):
            gone = facts_pb2.RemoveChannel(server_id=server_id, channel_id=channel_id)
            return facts_pb2.FactChange(remove_channel=gone)
        case facts.SeatFact(user_id, role_ids, muted):
            seat = facts_pb2.SetSeat(server_id=server_id, user_id=user_id, role_ids=role_ids, muted=muted)
            return facts_pb2.FactChange(set_seat=seat)
        case facts.ThreadFact(thread_id, channel_id, locked, archived):
            set_thread = facts_pb2.SetThread(
                server_id=server_id, thread_id=thread_id, channel_id=channel_id, locked=locked, archived=archived
            )
            return facts_pb2.FactChange(set_thread=set_thread)
        case facts.ThreadGone(thread_id):
            thread_gone = facts_pb2.RemoveThread(server_id=server_id, thread_id=thread_id)
            return facts_pb2.FactChange(remove_thread=thread_gone)
        case facts.SeatGone(user_id):
            return facts_pb2.FactChange(remove_seat=facts_pb2.RemoveSeat(server_id=server_id, user_id=user_id))


def _overwrite(of: Overwrite) -> facts_pb2.PermissionOverwrite:
    return facts_pb2.PermissionOverwrite(
        target_id=of.target_id, target=_OVERWRITE_TARGETS[of.target], allow=of.allow, deny=of.deny
    )
