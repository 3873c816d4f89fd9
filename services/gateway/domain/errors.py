"""Why the gateway refuses what came by RPC."""

from services.common.errors import NotFound, PermissionDenied


class UnknownChannel(NotFound):
    """There is no such channel, or the caller must not know of it."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_CHANNEL", "There is no such channel.")


class MissingAccess(PermissionDenied):
    """A member who may not view the channel."""

    def __init__(self, decision_id: str) -> None:
        super().__init__("MISSING_ACCESS", "You may not view this channel.", metadata={"decision_id": decision_id})


class MissingPermissions(PermissionDenied):
    """One who may view the channel, and not write in it."""

    def __init__(self, decision_id: str) -> None:
        super().__init__(
            "MISSING_PERMISSIONS", "You may not write in this channel.", metadata={"decision_id": decision_id}
        )


class CannotMessageUser(PermissionDenied):
    """A direct message that one of the two does not want. Neither is told why."""

    def __init__(self) -> None:
        super().__init__("CANNOT_MESSAGE_USER", "You cannot send messages to this user.")
