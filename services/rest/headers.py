"""The request headers that mean something, as outsiders write them."""

from typing import Final
from urllib.parse import unquote_to_bytes

from services.common import limits
from services.common.errors import FieldViolation
from services.rest.errors import InvalidForm

AUDIT_LOG_REASON: Final = "X-Audit-Log-Reason"
IDEMPOTENCY_KEY: Final = "Idempotency-Key"

OWN_KEY: Final = "own_key"
"""In a route's `opt`: in words, what makes it happen once. It does not look at IDEMPOTENCY_KEY."""


def parse_reason(value: str) -> str:
    """Percent-encoded UTF-8, as libraries send it; plain text is its own decoding. Raises InvalidForm."""
    try:
        reason = unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise _invalid(AUDIT_LOG_REASON, "STRING_TYPE_CONVERT", "Must be percent-encoded UTF-8.") from None
    if len(reason) > limits.AUDIT_REASON:
        raise _invalid(AUDIT_LOG_REASON, "BASE_TYPE_MAX_LENGTH", f"Must be {limits.AUDIT_REASON} or fewer in length.")
    if "\0" in reason:
        raise _invalid(AUDIT_LOG_REASON, "STRING_TYPE_CONVERT", "NUL is not allowed.")
    return reason


def parse_idempotency_key(value: str) -> str:
    """Printable ASCII. Raises InvalidForm."""
    if len(value) > limits.IDEMPOTENCY_KEY:
        raise _invalid(IDEMPOTENCY_KEY, "BASE_TYPE_MAX_LENGTH", f"Must be {limits.IDEMPOTENCY_KEY} or fewer in length.")
    if not (value.isascii() and value.isprintable()):
        raise _invalid(IDEMPOTENCY_KEY, "STRING_TYPE_CONVERT", "Must be printable ASCII.")
    return value


def _invalid(header: str, code: str, message: str) -> InvalidForm:
    return InvalidForm(FieldViolation(header, code, message))
