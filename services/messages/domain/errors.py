"""What can be wrong with a message, or with what is done to one.

BeepError
├── InvalidArgument      InvalidForm, EmptyMessage, BulkDeleteTooOld
├── PermissionDenied     NotAuthor, SystemMessage
├── NotFound             UnknownMessage, UnknownEmoji
├── FailedPrecondition   WrongChannelType, ThreadArchived
└── ResourceExhausted    TooManyPins, TooManyReactions, TooFast
"""

from services.common import limits
from services.common.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)


class InvalidForm(InvalidArgument):
    """Fields of the request are wrong; `violations` says which, in Discord's words."""

    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("INVALID_FORM", "Invalid form body.", violations=violations)


class EmptyMessage(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("EMPTY_MESSAGE", "Cannot send an empty message.")


class BulkDeleteTooOld(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("BULK_DELETE_TOO_OLD", "A message that is older than two weeks cannot be bulk deleted.")


class NotAuthor(PermissionDenied):
    def __init__(self) -> None:
        super().__init__("NOT_AUTHOR", "Cannot edit a message that somebody else wrote.")


class SystemMessage(PermissionDenied):
    def __init__(self) -> None:
        super().__init__("SYSTEM_MESSAGE", "Cannot do this to a system message.")


class UnknownEmoji(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_EMOJI", "Unknown emoji.")


class UnknownMessage(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_MESSAGE", "Unknown message.")


class WrongChannelType(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CANNOT_DO_ON_THIS_CHANNEL_TYPE", "A category holds channels and no messages.")


class ThreadArchived(FailedPrecondition):
    """All that is done in an archived thread is that messages are deleted; writing in it brings it back.

    https://docs.discord.com/developers/topics/threads#active-archived-threads
    """

    def __init__(self) -> None:
        super().__init__("THREAD_ARCHIVED", "This thread is archived.")


class TooManyPins(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_PINS", f"A channel has at most {limits.PINS_PER_CHANNEL} pins.")


class TooManyReactions(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_REACTIONS", f"A message has at most {limits.REACTIONS_PER_MESSAGE} different reactions.")


class TooFast(ResourceExhausted):
    """The channel is in slow mode, and the author has sent a message less than its interval ago."""

    def __init__(self, retry_after_ms: int) -> None:
        metadata = {"retry_after": str(retry_after_ms / 1000)}
        super().__init__("SLOW_MODE", "The channel is in slow mode; wait before the next message.", metadata=metadata)


def too_long(field: str, limit: int) -> FieldViolation:
    return FieldViolation(field, "BASE_TYPE_MAX_LENGTH", f"Must be {limit} or fewer in length.")


def unknown_reply() -> InvalidForm:
    return InvalidForm(FieldViolation("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message"))
