"""What can go wrong, as values that cross every boundary of Beep unchanged.

A servicer raises a `BeepError`; `services.common.rpc` carries it as a gRPC status with `google.rpc.ErrorInfo` and
`BadRequest` (https://google.aip.dev/193) and raises an equal one at the caller; the edges turn it into Discord's error
format. A failure is told apart by its `reason`, never by its text.

    BeepError
    ├── InvalidArgument    the request itself is wrong; `violations` name the fields
    ├── Unauthenticated    nobody, or somebody whose token does not count
    ├── PermissionDenied   known, but not allowed
    ├── NotFound           not there, or not for the caller to know
    ├── AlreadyExists, FailedPrecondition, ResourceExhausted
    └── Unavailable, DeadlineExceeded, Internal
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Final


class Status(Enum):
    """The gRPC status codes that Beep uses, without gRPC, so that pure code may raise them."""

    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """A field that is wrong: `field` is a dotted path (`overwrites.0.allow`), `code` Discord's word for it."""

    field: str
    code: str
    message: str


class BeepError(Exception):
    """The root. `reason` is stable and UPPER_SNAKE; `message` is for a person and never holds a secret."""

    status: ClassVar[Status] = Status.INTERNAL

    def __init__(
        self,
        reason: str,
        message: str = "",
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
    ) -> None:
        super().__init__(reason, message)
        self.reason: Final = reason
        self.message: Final = message or reason.replace("_", " ").capitalize() + "."
        self.metadata: Final = dict(metadata or {})
        self.violations: Final = tuple(violations)

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class InvalidArgument(BeepError):
    status = Status.INVALID_ARGUMENT


class Unauthenticated(BeepError):
    status = Status.UNAUTHENTICATED


class PermissionDenied(BeepError):
    """Refused. `metadata` may hold `missing` (permission bits) and `decision_id`."""

    status = Status.PERMISSION_DENIED


class NotFound(BeepError):
    status = Status.NOT_FOUND


class AlreadyExists(BeepError):
    status = Status.ALREADY_EXISTS


class FailedPrecondition(BeepError):
    status = Status.FAILED_PRECONDITION


class ResourceExhausted(BeepError):
    """A limit is reached. `metadata` may hold `retry_after` (seconds)."""

    status = Status.RESOURCE_EXHAUSTED


class Aborted(BeepError):
    """Somebody else changed the same thing first; the caller may try again."""

    status = Status.ABORTED


class Unavailable(BeepError):
    status = Status.UNAVAILABLE


class DeadlineExceeded(BeepError):
    status = Status.DEADLINE_EXCEEDED


class Internal(BeepError):
    status = Status.INTERNAL


BY_STATUS: Final[Mapping[Status, type[BeepError]]] = {
    error.status: error
    for error in (
        InvalidArgument,
        Unauthenticated,
        PermissionDenied,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        ResourceExhausted,
        Aborted,
        Unavailable,
        DeadlineExceeded,
        Internal,
    )
}
