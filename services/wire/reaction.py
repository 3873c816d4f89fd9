"""https://docs.discord.com/developers/resources/message#reaction-object and the dispatches about reactions.

Beep has Unicode emojis only, and no burst ("super") reactions: their fields are there because clients read them.
"""

from typing import TYPE_CHECKING

from msgspec import UNSET, Struct, UnsetType

from services.wire.member import MemberObject

if TYPE_CHECKING:
    from beep.messages.v1.message_pb2 import Reaction


class EmojiObject(Struct, kw_only=True):
    id: None = None
    name: str


class ReactionCounts(Struct, kw_only=True):
    burst: int = 0
    normal: int


class ReactionObject(Struct, kw_only=True):
    count: int
    count_details: ReactionCounts
    me: bool
    me_burst: bool = False
    emoji: EmojiObject
    burst_colors: list[str] = []


class ReactionAdd(Struct, kw_only=True):
    user_id: str
    channel_id: str
    message_id: str
    guild_id: str | UnsetType = UNSET
    member: MemberObject | UnsetType = UNSET
    emoji: EmojiObject
    message_author_id: str
    burst: bool = False
    type: int = 0


class ReactionRemove(Struct, kw_only=True):
    user_id: str
    channel_id: str
    message_id: str
    guild_id: str | UnsetType = UNSET
    emoji: EmojiObject
    burst: bool = False
    type: int = 0


class ReactionRemoveAll(Struct, kw_only=True):
    channel_id: str
    message_id: str
    guild_id: str | UnsetType = UNSET


class ReactionRemoveEmoji(Struct, kw_only=True):
    channel_id: str
    message_id: str
    guild_id: str | UnsetType = UNSET
    emoji: EmojiObject


def reaction_object(reaction: "Reaction", *, me: bool) -> ReactionObject:
    return ReactionObject(
        count=reaction.count,
        count_details=ReactionCounts(normal=reaction.count),
        me=me,
        emoji=EmojiObject(name=reaction.emoji),
    )
