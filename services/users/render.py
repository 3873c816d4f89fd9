"""The domain's nouns as protos."""

from beep.users.v1 import user_pb2
from services.users.domain.profile import Profile
from services.users.domain.user import Bot, User, UserKind
from services.users.identity.ports import AccountState


def user(of: User) -> user_pb2.User:
    return user_pb2.User(
        id=of.id,
        username=of.username,
        global_name=of.global_name,
        avatar=of.avatar,
        bot=of.kind is UserKind.BOT,
        public_flags=of.public_flags,
    )


def account(of: Profile, state: AccountState | None) -> user_pb2.Account:
    """`state`: None for a bot, which no identity provider knows."""
    rendered = user_pb2.Account(user=user(of.user), first_name=of.first_name, last_name=of.last_name)
    if state is not None:
        rendered.email, rendered.verified, rendered.mfa_enabled = state.email, state.verified, state.mfa_enabled
    return rendered


def bot(of: Bot) -> user_pb2.Bot:
    return user_pb2.Bot(
        user=user(of.user),
        owner_id=of.owner_id,
        name=of.name,
        description=of.description,
        is_public=of.is_public,
    )
