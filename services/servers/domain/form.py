"""Checks of single fields, and all of a request's complaints at once. Codes and texts are Discord's.

https://docs.discord.com/developers/reference#error-messages
"""

from collections.abc import Iterator

from services.common.errors import FieldViolation
from services.servers.domain.errors import InvalidForm


class Form:
    """Collects what is wrong with a request; `done` raises it."""

    def __init__(self) -> None:
        self._violations: list[FieldViolation] = []

    def text(self, field: str, value: str | None, minimum: int, maximum: int) -> None:
        """`None` is a field that was not sent: nothing to check."""
        if value is not None and not minimum <= len(value) <= maximum:
            self.wrong(field, "BASE_TYPE_BAD_LENGTH", f"Must be between {minimum} and {maximum} in length.")

    def number(self, field: str, value: int | None, minimum: int, maximum: int) -> None:
        if value is None:
            return
        if value < minimum:
            self.wrong(field, "NUMBER_TYPE_MIN", f"int value should be greater than or equal to {minimum}.")
        if value > maximum:
            self.wrong(field, "NUMBER_TYPE_MAX", f"int value should be less than or equal to {maximum}.")

    def wrong(self, field: str, code: str, message: str) -> None:
        self._violations.append(FieldViolation(field, code, message))

    def done(self) -> None:
        """Raises InvalidForm with everything that was found."""
        if self._violations:
            raise InvalidForm(*self)

    def __iter__(self) -> Iterator[FieldViolation]:
        return iter(self._violations)


def invalid(field: str, message: str) -> InvalidForm:
    """The one complaint about a value that means nothing here."""
    return InvalidForm(FieldViolation(field, "BASE_TYPE_INVALID", message))
