"""What a bot may be called."""

from services.common.limits import SERVER_DESCRIPTION, USERNAME, USERNAME_MIN
from services.users.domain.errors import invalid_field


def parse_bot_name(text: str, *, field: str = "name") -> str:
    """The name without outer blanks. Any printable characters: a bot is found by its id, so names need not differ."""
    name = text.strip()
    if not USERNAME_MIN <= len(name) <= USERNAME or not name.isprintable():
        raise invalid_field(field, "BASE_TYPE_BAD_LENGTH", f"A name has {USERNAME_MIN} to {USERNAME} characters.")
    return name


def parse_description(text: str) -> str:
    """The description without outer blanks."""
    description = text.strip()
    if len(description) > SERVER_DESCRIPTION:
        raise invalid_field(
            "description", "BASE_TYPE_BAD_LENGTH", f"A description has at most {SERVER_DESCRIPTION} characters."
        )
    return description
