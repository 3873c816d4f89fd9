"""The domain's nouns as protos."""

from beep.users.v1 import user_pb2
from services.users.domain.user import Bot, User, UserKind


def user(of: User) -> user_pb2.User:
    return user_pb2.User(
        id=of.id,
        username=of.username,
        global_name=of.global_name,
        avatar=of.avatar,
        bot=of.kind is UserKind.BOT,
        public_flags=of.public_flags,
    )


def bot(of: Bot) -> user_pb2.Bot:
    return user_pb2.Bot(
        user=user(of.user),
        owner_id=of.owner_id,
        name=of.name,
        description=of.description,
        is_public=of.is_public,
    )
