"""https://docs.discord.com/developers/resources/user"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

if TYPE_CHECKING:
    from beep.users.v1.user_pb2 import Account, Bot, User


class UserObject(Struct, kw_only=True):
    id: str
    username: str
    global_name: str | None
    # "0" tells clients that names are unique.
    discriminator: str = "0"
    avatar: str | None
    public_flags: int
    bot: bool | UnsetType = UNSET


class AccountObject(UserObject, kw_only=True):
    """What only the user itself gets to see."""

    email: str | None
    verified: bool
    mfa_enabled: bool
    flags: int
    locale: str
    # Beep's own.
    first_name: str | None = None
    last_name: str | None = None


class ApplicationObject(Struct, kw_only=True):
    """https://docs.discord.com/developers/resources/application — every field that the libraries insist on.

    `install_params` is left out: discord.js fails on a null.
    """

    id: str
    name: str
    icon: str | None = None
    description: str
    bot_public: bool
    bot_require_code_grant: bool = False
    verify_key: str
    flags: int
    owner: UserObject
    bot: UserObject
    team: None = None
    approximate_guild_count: int = 0
    approximate_user_install_count: int = 0


# Presence, members and message content (the unlimited flags): a self-hosted bot may have every intent.
APPLICATION_FLAGS = 1 << 12 | 1 << 14 | 1 << 18


def user_object(user: "User") -> UserObject:
    return UserObject(
        id=str(user.id),
        username=user.username,
        global_name=user.global_name or None,
        avatar=user.avatar or None,
        public_flags=user.public_flags,
        bot=True if user.bot else UNSET,
    )


def account_object(account: "Account") -> AccountObject:
    user = account.user
    return AccountObject(
        id=str(user.id),
        username=user.username,
        global_name=user.global_name or None,
        avatar=user.avatar or None,
        public_flags=user.public_flags,
        bot=user.bot,
        email=account.email or None,
        verified=account.verified or user.bot,
        mfa_enabled=account.mfa_enabled,
        flags=user.public_flags,
        locale=account.locale or "en-US",
        first_name=account.first_name or None,
        last_name=account.last_name or None,
    )


def application_object(bot: "Bot", owner: "User") -> ApplicationObject:
    return ApplicationObject(
        id=str(bot.user.id),
        name=bot.name,
        description=bot.description,
        bot_public=bot.is_public,
        # Verifies interactions at Discord; Beep has none, and the libraries want 64 hexadecimal digits.
        verify_key="0" * 64,
        flags=APPLICATION_FLAGS,
        owner=user_object(owner),
        bot=user_object(bot.user),
    )
