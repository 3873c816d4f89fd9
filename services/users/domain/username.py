"""Usernames, by Discord's rules (support.discord.com, "New Usernames & Display Names")."""

import re
from typing import Final

from services.common.limits import GLOBAL_NAME, USERNAME, USERNAME_MIN
from services.users.domain.errors import invalid_field

_ALLOWED: Final = re.compile(r"[a-z0-9_.]+")
# Names that a reader would take for the system or for a mention.
_RESERVED: Final = frozenset({"everyone", "here", "discord", "beep", "system"})
_DELETED: Final = "deleted_user_"
_BASE_36: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def parse_username(text: str) -> str:
    """The username, lower-cased as Discord does, or InvalidArgument."""
    username = text.strip().lower()
    if not USERNAME_MIN <= len(username) <= USERNAME:
        raise invalid_field(
            "username", "BASE_TYPE_BAD_LENGTH", f"A username has {USERNAME_MIN} to {USERNAME} characters."
        )
    if not _ALLOWED.fullmatch(username):
        raise invalid_field(
            "username",
            "USERNAME_INVALID_CHARACTERS",
            "A username has only letters a-z, digits, underscores and full stops.",
        )
    if ".." in username:
        raise invalid_field("username", "USERNAME_DOTS", "A username has no two full stops in a row.")
    if username in _RESERVED or username.startswith(_DELETED):
        raise invalid_field("username", "USERNAME_RESERVED", "This username is reserved.")
    return username


def parse_global_name(text: str) -> str:
    """The display name without outer blanks; empty means none. InvalidArgument when too long or not printable."""
    name = text.strip()
    if len(name) > GLOBAL_NAME:
        raise invalid_field(
            "global_name", "BASE_TYPE_BAD_LENGTH", f"A display name has at most {GLOBAL_NAME} characters."
        )
    if not name.isprintable():
        raise invalid_field("global_name", "GLOBAL_NAME_CHARACTERS", "A display name has printable characters only.")
    return name


def deleted_username(user_id: int) -> str:
    """What a deleted user is called: nobody else can be, and it fits for every id."""
    digits = ""
    while user_id:
        user_id, digit = divmod(user_id, 36)
        digits = _BASE_36[digit] + digits
    return _DELETED + digits


def derive_username(preferred: str, user_id: int) -> str:
    """A valid username near `preferred`, made unique by digits of the id: for accounts whose own name is taken or
    comes from another directory (Google, LDAP), where no page can ask for a better one."""
    stem = re.sub(r"\.{2,}", ".", re.sub(r"[^a-z0-9_.]", "_", preferred.lower()))
    if stem.startswith(_DELETED.rstrip("_")):
        # That is how those are called who are no more.
        stem = "user"
    digits = str(user_id)
    # The whole id, not a part of it: two accounts must never derive the same name.
    return f"{stem[: USERNAME - len(digits) - 1] or 'user'}_{digits}"
