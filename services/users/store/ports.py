"""Where users, bots and revocations are kept."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from services.common.outbox import OutboxRecord
from services.users.domain.bot_token import BotToken
from services.users.domain.profile import Profile, ProfileChange
from services.users.domain.user import Bot, User


class UsernameTaken(Exception):
    """Somebody else has the username, or is registering with it."""


class TooManyBots(Exception):
    """The owner has as many bots as one may have."""


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person as the identity provider describes them at first sight. `email` is empty when it is not verified."""

    subject: str
    email: str
    preferred_username: str
    global_name: str


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the bearer of an access token."""

    user: User | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class RevokedAccount:
    """Which tokens of a subject are refused: those of the sessions `sids`, and every one that was issued in this
    second or before, but those of the session `but_sid` (empty: no exception)."""

    subject: str
    issued_at_s: int
    sids: Collection[str] = ()
    but_sid: str = ""


DELETED: Final = "deleted"


@dataclass(frozen=True, slots=True)
class Deletion:
    """An account that is being deleted; `step` is the next one."""

    user_id: int
    subject: str
    step: str


class DeletionStore(Protocol):
    """How far each deletion has come. Every change is durable when its method returns."""

    async def begin(self, deletion: Deletion) -> None:
        """From the return on, `UserStore.known` refuses every token of the subject. If there is one already, it goes
        on where it is."""
        ...

    async def pending(self) -> list[Deletion]:
        """Those that are not finished, oldest account first."""
        ...

    async def advance(self, user_id: int, step: str) -> None:
        """The next step; DELETED: none is left, and the row stays, so that the tokens are refused for ever."""
        ...

    async def cancel(self, user_id: int) -> None:
        """It is not to be deleted: new tokens of the subject count again."""
        ...


class UserStore(Protocol):
    """Every change is durable when its method returns, and stored together with its record, if it has one: both or
    neither. The record has been handed to the relay by then. A read sees every change whose method has returned.

    All methods raise `services.common.errors.Unavailable` when the store does not answer; then a change may or may not
    have been made.
    """

    async def users(self, ids: Sequence[int]) -> list[User]:
        """The users with these ids, in no particular order; ids that nobody has are left out."""
        ...

    async def person_named(self, username: str) -> User | None:
        """The person (never a bot) with this username."""
        ...

    async def reserve(self, username: str, email: str, *, now_ms: int, until_ms: int) -> None:
        """Keep a username for whoever validates this address, until then. The same address may do it again.

        Raises:
            UsernameTaken
        """
        ...

    async def profile(self, user_id: int) -> Profile | None:
        """A user, and what only they see of it."""
        ...

    async def update_profile(
        self,
        user_id: int,
        change: ProfileChange,
        *,
        email: str,
        now_ms: int,
        record: Callable[[Profile, Profile], OutboxRecord],
    ) -> Profile:
        """Change a user that exists; stores the record that `record` makes of what was and what is, unless
        nothing changed.

        `email`: whose reservations of a name do not stand in the way.

        Raises:
            UsernameTaken: nothing was changed. People only.
        """
        ...

    async def tell(self, record: OutboxRecord) -> None:
        """Store a record of something that was changed elsewhere."""
        ...

    async def remember_identity_keys(self, user_id: int, keys: Collection[str], *, record: OutboxRecord) -> list[str]:
        """Add keys to those that this user ever had, and return all. They outlive what they were made from.

        The record is stored if one of them is new.
        """
        ...

    async def known(self, subject: str, *, sid: str, issued_at_s: int) -> Known:
        """Whose token this is, and whether it was revoked: by its session, by what `revoke_account` says of the
        subject, or because the account is being deleted. In one read, as every request of every edge may ask."""
        ...

    async def provision(self, person: NewPerson, user_id: int, *, now_ms: int) -> User:
        """The user of a subject, made now if there is none. Concurrent calls for one subject all get the same user.

        The username is the preferred one if it is valid, nobody has it and nobody else has reserved it, and otherwise
        derived from it and `user_id`: this never fails for a name.
        """
        ...

    async def user_of(self, subject: str) -> User | None:
        """The user of a subject."""
        ...

    async def revoke_session(self, sid: str, *, now_ms: int, until_ms: int, record: OutboxRecord | None) -> None:
        """Refuse the tokens of a session until that time, when the last of them has expired by itself."""
        ...

    async def revoke_account(
        self, revoked: RevokedAccount, *, now_ms: int, until_ms: int, record: OutboxRecord
    ) -> None:
        """Refuse these tokens; `until_ms` as for a session. The second of a subject never moves back."""
        ...

    async def create_bot(self, bot: Bot, token: BotToken, *, idempotency_key: str, limit: int) -> tuple[Bot, bool]:
        """Add a bot and its token; `(bot, True)`.

        A key that the owner has used before gives the bot of then and False, also in a race, and changes nothing. An
        empty key is no key.

        Raises:
            TooManyBots: the owner has `limit` of them.
        """
        ...

    async def bots_of(self, owner_id: int) -> list[Bot]:
        """The bots of an owner, oldest first."""
        ...

    async def bot(self, bot_id: int) -> Bot | None:
        """One bot."""
        ...

    async def bot_with_token(self, token: BotToken) -> Bot | None:
        """The bot, if this is its token in force. Compares in constant time."""
        ...

    async def replace_bot_token(
        self, bot_id: int, token: BotToken, revoked: Callable[[str], OutboxRecord]
    ) -> OutboxRecord:
        """From the return on, only `token` is in force. Stores and returns the record that `revoked` makes of the id of
        the token that was in force until now. The bot exists."""
        ...
