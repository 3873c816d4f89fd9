"""Why a rule refuses. Reasons are mapped to Discord's codes at the edge."""

from services.common.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
)


class UnknownWebhook(NotFound):
    """There is none, or it is in a server of which the caller is no member: they must not learn which."""

    def __init__(self) -> None:
        super().__init__("UNKNOWN_WEBHOOK", "Unknown webhook.")


class UnknownChannel(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_CHANNEL", "Unknown channel.")


class UnknownServer(NotFound):
    def __init__(self) -> None:
        super().__init__("UNKNOWN_SERVER", "Unknown server.")


class WrongToken(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("INVALID_WEBHOOK_TOKEN", "This is not the webhook's token.")


class MissingAccess(PermissionDenied):
    """A member who may not view the channel."""

    def __init__(self, *, missing: int, decision_id: str) -> None:
        metadata = {"missing": str(missing), "decision_id": decision_id}
        super().__init__("MISSING_ACCESS", "Missing access.", metadata=metadata)


class MissingPermissions(PermissionDenied):
    def __init__(self, *, missing: int, decision_id: str) -> None:
        metadata = {"missing": str(missing), "decision_id": decision_id}
        super().__init__("MISSING_PERMISSIONS", "Missing permissions.", metadata=metadata)


class TooManyWebhooks(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_WEBHOOKS", "This channel has as many webhooks as it may have.")


class WrongChannelType(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CANNOT_DO_ON_THIS_CHANNEL_TYPE", "A channel of this type has no webhooks.")


class InvalidForm(InvalidArgument):
    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("INVALID_FORM", "Invalid form body.", violations=violations)
