"""Why a rule refuses. Reasons are mapped to Discord's codes at the edge."""

from services.common.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)


class UnknownServer(NotFound):
    """There is none, or the caller is no member: they must not learn which."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_SERVER", "Unknown server.")


class UnknownChannel(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_CHANNEL", "Unknown channel.")


class UnknownMember(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_MEMBER", "Unknown member.")


class UnknownRole(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_ROLE", "Unknown role.")


class UnknownInvite(NotFound):
    """There is none with this code, or it is expired or used up."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_INVITE", "Unknown invitation.")


class UnknownInvitation(NotFound):
    """There is none, or it is not for the caller to know of."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_INVITATION", "Unknown invitation.")


class UnknownBan(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_BAN", "Unknown ban.")


class UnknownUser(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_USER", "Unknown user.")


class UnknownOverwrite(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_OVERWRITE", "Unknown permission overwrite.")


class UnknownBot(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_BOT", "Unknown bot.")


class MissingPermissions(PermissionDenied):
    """`missing` are the bits that the caller would need; 0 when the hierarchy of roles forbids it.

    `server_id`: where the request itself does not say where it is, so that whoever manages the server can look it up.
    """

    def __init__(self, message: str = "Missing permissions.", *, missing: int = 0, server_id: int = 0) -> None:
        metadata = {"missing": str(missing)} if missing else {}
        if server_id:
            metadata["server_id"] = str(server_id)
        super().__init__("MISSING_PERMISSIONS", message, metadata=metadata)


class OutOfHierarchy(MissingPermissions):
    """Whom or what one acts on is not below one's own highest role."""

    def __init__(self) -> None:
        super().__init__("This is not below your highest role.")


class Banned(PermissionDenied):
    """The user, or another account of the same person."""

    def __init__(self, server_id: int) -> None:
        super().__init__("USER_BANNED", "The user is banned from this server.", metadata={"server_id": str(server_id)})


class AlreadyMember(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("ALREADY_MEMBER", "The user is a member of this server already.")


class TooManyInvitations(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_INVITATIONS", "This server has as many open invitations as it may have.")


class TooManyRoles(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_ROLES", "This server has as many roles as it may have.")


class TooManyChannels(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_CHANNELS", "This server has as many channels as it may have.")


class TooManyInvites(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_INVITES", "This server has as many invitations as it may have.")


class TooManyServers(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_SERVERS", "You are in as many servers as you may be.")


class ThreadExists(FailedPrecondition):
    """A message begins one thread."""

    def __init__(self) -> None:
        super().__init__("THREAD_EXISTS", "This message has a thread already.")


class ThreadArchived(FailedPrecondition):
    """It has to be un-archived first."""

    def __init__(self) -> None:
        super().__init__("THREAD_ARCHIVED", "This thread is archived.")


class TooManyActiveThreads(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_ACTIVE_THREADS", "This server has as many active threads as it may have.")


class TooManyThreadMembers(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_THREAD_MEMBERS", "This thread has as many members as it may have.")


class WrongChannelType(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CANNOT_DO_ON_THIS_CHANNEL_TYPE", "A channel of this type cannot do this.")


class OwnerCannotLeave(FailedPrecondition):
    """The server would be nobody's: it is handed over or deleted first."""

    def __init__(self) -> None:
        super().__init__("OWNER_CANNOT_LEAVE", "The owner cannot leave the server.")


class InvalidForm(InvalidArgument):
    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("INVALID_FORM", "Invalid form body.", violations=violations)
