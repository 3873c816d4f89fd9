"""Users: people and bots."""

from dataclasses import dataclass
from enum import StrEnum


class UserKind(StrEnum):
    """Whose account it is. Told apart in authorization: a bot never owns a bot."""

    PERSON = "person"
    BOT = "bot"


@dataclass(frozen=True, slots=True)
class User:
    """What everybody may know of a user, and which account of the identity provider is theirs (`subject`, people)."""

    id: int
    kind: UserKind
    username: str
    global_name: str = ""
    avatar: str = ""
    public_flags: int = 0
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Bot:
    """A bot and its application, which share one id."""

    user: User
    owner_id: int
    name: str
    description: str
    is_public: bool
