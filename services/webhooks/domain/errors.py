"""Why a rule refuses. Reasons are mapped to Discord's codes at the edge."""

from services.common.errors import (
    FailedPrecondition,
    FieldViolation,
    InvalidArgument,
    NotFound,
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


class WrongToken(Unauthenticated):
    def __init__(self) -> None:
        super().__init__("INVALID_WEBHOOK_TOKEN", "This is not the webhook's token.")


class TooManyWebhooks(ResourceExhausted):
    def __init__(self) -> None:
        super().__init__("MAX_WEBHOOKS", "This channel has as many webhooks as it may have.")


class WrongChannelType(FailedPrecondition):
    def __init__(self) -> None:
        super().__init__("CANNOT_DO_ON_THIS_CHANNEL_TYPE", "A channel of this type has no webhooks.")


class InvalidForm(InvalidArgument):
    def __init__(self, *violations: FieldViolation) -> None:
        super().__init__("INVALID_FORM", "Invalid form body.", violations=violations)
