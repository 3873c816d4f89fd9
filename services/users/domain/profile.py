"""What a user says of themselves."""

import re
from dataclasses import dataclass
from typing import Final

from services.common.limits import PERSON_NAME
from services.users.domain.bot import parse_bot_name
from services.users.domain.errors import invalid_field
from services.users.domain.user import User, UserKind
from services.users.domain.username import parse_global_name, parse_username

_AVATAR: Final = re.compile(r"(?:a_)?[0-9a-f]{8,64}")


@dataclass(frozen=True, slots=True)
class Profile:
    """A user, and what only they see of it."""

    user: User
    first_name: str = ""
    last_name: str = ""


@dataclass(frozen=True, slots=True)
class ProfileChange:
    """What to change; None: leave it. All fields have passed the rules."""

    username: str | None = None
    global_name: str | None = None
    avatar: str | None = None
    first_name: str | None = None
    last_name: str | None = None


def parse_name(field: str, text: str) -> str:
    """A first or last name without outer blanks; empty means none."""
    name = text.strip()
    if len(name) > PERSON_NAME or not name.isprintable():
        raise invalid_field(field, "BASE_TYPE_BAD_LENGTH", f"A name has at most {PERSON_NAME} printable characters.")
    return name


def parse_avatar(text: str) -> str:
    """The hash of a stored picture; empty means none."""
    if text and not _AVATAR.fullmatch(text):
        raise invalid_field("avatar", "IMAGE_INVALID", "This is not a picture that was stored.")
    return text


def parse_new_username(text: str, kind: UserKind) -> str:
    """People's names follow the rules of usernames; a bot may have any that a bot may be made with."""
    return parse_username(text) if kind is UserKind.PERSON else parse_bot_name(text, field="username")


def parse_change(
    kind: UserKind,
    *,
    username: str | None,
    global_name: str | None,
    avatar: str | None,
    first_name: str | None,
    last_name: str | None,
) -> ProfileChange:
    """Raises InvalidArgument, which names the field."""
    return ProfileChange(
        username=None if username is None else parse_new_username(username, kind),
        global_name=None if global_name is None else parse_global_name(global_name),
        avatar=None if avatar is None else parse_avatar(avatar),
        first_name=None if first_name is None else parse_name("first_name", first_name),
        last_name=None if last_name is None else parse_name("last_name", last_name),
    )
