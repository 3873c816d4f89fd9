"""What a person at the command line is told when something cannot be done."""

from typing import Final


class UserError(Exception):
    """Printed without a stack trace: what is wrong, and what to do about it. The command exits with `code`."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code: Final = code


class Refused(UserError):
    """The API said no. `status`: that of the answer (RFC 9110 §15)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status: Final = status
