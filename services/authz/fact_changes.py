"""Changes of facts, from protos to the words of the domain."""

from beep.authz.v1 import facts_pb2
from services.authz.domain.changes import (
    Change,
    Overwrite,
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
from services.common.errors import FieldViolation, InvalidArgument


def change_of(message: facts_pb2.FactChange) -> Change | None:
    """None: it is empty. Raises InvalidArgument."""
    match message.WhichOneof("change"):
        case "set_server":
            return SetServer(message.set_server.server_id, message.set_server.owner_id)
        case "remove_server":
            return RemoveServer(message.remove_server.server_id)
        case "set_roles":
            roles = message.set_roles
            return SetRoles(roles.server_id, tuple((role.role_id, role.permissions) for role in roles.roles))
        case "set_channel":
            channel = message.set_channel
            return SetChannel(channel.server_id, channel.channel_id, tuple(map(_overwrite, channel.overwrites)))
        case "remove_channel":
            return RemoveChannel(message.remove_channel.server_id, message.remove_channel.channel_id)
        case "set_seat":
            seat = message.set_seat
            return SetSeat(seat.server_id, seat.user_id, tuple(seat.role_ids), seat.muted)
        case "remove_seat":
            return RemoveSeat(message.remove_seat.server_id, message.remove_seat.user_id)
        case "set_frozen":
            return SetFrozen(message.set_frozen.server_id, message.set_frozen.frozen)
        case "set_suspended":
            return SetSuspended(message.set_suspended.user_id, message.set_suspended.suspended)
        case "set_private_channel":
            private = message.set_private_channel
            return SetPrivateChannel(private.channel_id, tuple(private.participant_ids), private.silenced)
        case "remove_private_channel":
            return RemovePrivateChannel(message.remove_private_channel.channel_id)
        case "set_thread":
            thread = message.set_thread
            return SetThread(thread.server_id, thread.thread_id, thread.channel_id, thread.locked, thread.archived)
        case "remove_thread":
            return RemoveThread(message.remove_thread.server_id, message.remove_thread.thread_id)
        case None:
            return None


def _overwrite(message: facts_pb2.PermissionOverwrite) -> Overwrite:
    if message.target == facts_pb2.OVERWRITE_TARGET_UNSPECIFIED:
        needed = "An overwrite is for a role or for a member."
        raise InvalidArgument("INVALID_REQUEST", needed, violations=[FieldViolation("target", "REQUIRED", needed)])
    is_member = message.target == facts_pb2.OVERWRITE_TARGET_MEMBER
    return Overwrite(message.target_id, is_member, message.allow, message.deny)
