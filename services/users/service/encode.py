"""From the domain to the contract."""

from beep.users.v1 import user_pb2
from services.users.domain.user import Bot, User, UserKind


def user_message(user: User) -> user_pb2.User:
    return user_pb2.User(
        id=user.id,
        username=user.username,
        global_name=user.global_name,
        avatar=user.avatar,
        bot=user.kind is UserKind.BOT,
        public_flags=user.public_flags,
    )


def bot_message(bot: Bot) -> user_pb2.Bot:
    return user_pb2.Bot(
        user=user_message(bot.user),
        owner_id=bot.owner_id,
        name=bot.name,
        description=bot.description,
        is_public=bot.is_public,
    )
