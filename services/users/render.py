"""The domain's nouns as protos."""

from collections.abc import Mapping
from typing import Final

from beep.users.v1 import private_channels_service_pb2 as channels_pb
from beep.users.v1 import relationships_service_pb2 as relationships_pb
from beep.users.v1 import user_pb2
from services.users.domain.private_channel import Group
from services.users.domain.profile import Profile
from services.users.domain.relationship import Pair, RelationshipType
from services.users.domain.user import Bot, User, UserKind
from services.users.identity.ports import AccountState

RELATIONSHIP_TYPES: Final[Mapping[RelationshipType, relationships_pb.RelationshipType.ValueType]] = {
    RelationshipType.FRIEND: relationships_pb.RELATIONSHIP_TYPE_FRIEND,
    RelationshipType.BLOCKED: relationships_pb.RELATIONSHIP_TYPE_BLOCKED,
    RelationshipType.INCOMING: relationships_pb.RELATIONSHIP_TYPE_INCOMING_REQUEST,
    RelationshipType.OUTGOING: relationships_pb.RELATIONSHIP_TYPE_OUTGOING_REQUEST,
}


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


def relationship(pair: Pair, viewer_id: int, other: User) -> relationships_pb.Relationship:
    """As `viewer_id`, who has one with the other of the two, sees it."""
    side = pair.side(viewer_id)
    assert side.type is not None
    return relationships_pb.Relationship(user=user(other), type=RELATIONSHIP_TYPES[side.type], since_ms=side.since_ms)


def direct(pair: Pair, users: Mapping[int, User]) -> channels_pb.PrivateChannel:
    return channels_pb.PrivateChannel(
        id=pair.channel_id,
        type=channels_pb.PRIVATE_CHANNEL_TYPE_DIRECT,
        participants=[user(users[user_id]) for user_id in pair.user_ids],
    )


def group(of: Group, users: Mapping[int, User]) -> channels_pb.PrivateChannel:
    return channels_pb.PrivateChannel(
        id=of.id,
        type=channels_pb.PRIVATE_CHANNEL_TYPE_GROUP,
        participants=[user(users[user_id]) for user_id in of.participant_ids],
        name=of.name,
        icon=of.icon,
        owner_id=of.owner_id,
    )
