"""What an account rule refuses, in the words that the edges turn into Discord's field errors."""

from services.common import limits
from services.common.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
)


class MalformedToken(Exception):
    """What was given cannot be a token of ours: it does not decode."""


def invalid_field(field: str, code: str, message: str) -> InvalidArgument:
    """One field of a form breaks a rule; `code` is Discord's word for it where it has one."""
    return InvalidArgument("INVALID_FORM", "Invalid form body.", violations=[FieldViolation(field, code, message)])


class WrongPassword(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("WRONG_PASSWORD", "Password does not match.")


class WrongCode(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("WRONG_CODE", "The code is wrong, or was used already.")


class CodeRequired(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CODE_REQUIRED", "This needs a code of your authenticator.")


class TotpIsOn(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("TOTP_IS_ON", "Two-factor authentication is on already.")


class TotpIsOff(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("TOTP_IS_OFF", "Two-factor authentication is not on, or its setup took too long.")


class DeadToken(InvalidArgument):
    """Of a mail."""

    def __init__(self) -> None:
        super().__init__("DEAD_TOKEN", "This link was used already or has expired. Ask for a new one.")


class UnknownSession(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_SESSION", "There is no such session.")


class OwnsServers(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("OWNS_SERVERS", "You own servers: hand them over or delete them first.")


class UnknownUser(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_USER", "There is no such user.")


class UnknownUsername(NotFound):
    """Nobody has the name."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_USERNAME", "Nobody has this username.")


class UnknownRelationship(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_RELATIONSHIP", "There is no such relationship.")


class AlreadyFriends(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("ALREADY_FRIENDS", "You are friends already.")


class BlockedByCaller(FailedPrecondition):
    """The caller's own block stands in the way."""

    def __init__(self) -> None:
        super().__init__("BLOCKED_BY_CALLER", "You have blocked this user.")


class RequestToSelf(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("REQUEST_TO_SELF", "Nobody is their own friend.")


class TakesNoRequests(FailedPrecondition):
    """For one of several reasons, a block among them: which one is not the caller's to know."""

    def __init__(self) -> None:
        super().__init__("TAKES_NO_REQUESTS", "This user takes no friend requests.")


class TooManyFriends(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_FRIENDS", f"One has at most {limits.FRIENDS_PER_USER} friends.")


class TooManyRequests(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_FRIEND_REQUESTS", f"At most {limits.REQUESTS_SENT} friend requests wait for an answer.")


class TooManyBlocks(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_BLOCKS", f"One blocks at most {limits.BLOCKS_PER_USER} users.")


class UnknownPrivateChannel(NotFound):
    """Not there, or the caller is no participant."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_CHANNEL", "There is no such channel.")


class InvalidRecipients(InvalidArgument):
    def __init__(self) -> None:
        super().__init__("INVALID_RECIPIENTS", "One can write to others, and make groups of friends.")


class TooManyParticipants(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_RECIPIENTS", f"A group has at most {limits.GROUP_PARTICIPANTS} participants.")


class TooManyGroups(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_GROUPS", f"One takes part in at most {limits.GROUPS_PER_USER} groups.")


class MissingPermissions(PermissionDenied):
    def __init__(self) -> None:
        super().__init__("MISSING_PERMISSIONS", "Only the owner of the group can do this.")


class NotAGroup(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CANNOT_DO_ON_THIS_CHANNEL_TYPE", "A direct message is always of the same two.")


class PersonRequired(PermissionDenied):
    def __init__(self) -> None:
        super().__init__("PERSON_REQUIRED", "Only a person can do this.")
