"""What an account rule refuses, in the words that the edges turn into Discord's field errors."""

from services.common.errors import FieldViolation, InvalidArgument


class MalformedToken(Exception):
    """What was given cannot be a token of ours: it does not decode."""


def invalid_field(field: str, code: str, message: str) -> InvalidArgument:
    """One field of a form breaks a rule; `code` is Discord's word for it where it has one."""
    return InvalidArgument("INVALID_FORM", "Invalid form body.", violations=[FieldViolation(field, code, message)])
