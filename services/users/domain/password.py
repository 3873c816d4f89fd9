"""Passwords: length only, as NIST SP 800-63B §5.1.1.2 advises (no rules of composition)."""

from services.common.limits import PASSWORD, PASSWORD_MIN
from services.users.domain.errors import invalid_field


def check_password(password: str, *, email: str, username: str, field: str = "password") -> None:
    """InvalidArgument when the password is too short, too long, or is the name or address of the account."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD:
        raise invalid_field(field, "BASE_TYPE_BAD_LENGTH", f"A password has {PASSWORD_MIN} to {PASSWORD} characters.")
    if password.lower() in (email, username):
        raise invalid_field(field, "PASSWORD_GUESSABLE", "The password must not be your name or your address.")
