"""https://docs.discord.com/developers/resources/message#create-reaction and the routes below it."""

from typing import Annotated, Final

from litestar import delete, get, put
from litestar.params import PathParameter, QueryParameter

from beep.messages.v1.reactions_service_pb2 import (
    AddReactionRequest,
    ClearReactionsRequest,
    ListReactionsRequest,
    RemoveReactionRequest,
)
from services.common import limits
from services.rest.fields import PathId, QueryId
from services.rest.request import ApiRequest
from services.wire.user import UserObject, user_object

REACTIONS: Final = "/channels/{channel_id:str}/messages/{message_id:str}/reactions"
REACTION: Final = f"{REACTIONS}/{{emoji:str}}"

PathEmoji = Annotated[str, PathParameter(max_length=64, description="A Unicode emoji, percent-encoded.")]


@put(f"{REACTION}/@me", status_code=204)
async def add_reaction(request: ApiRequest, channel_id: PathId, message_id: PathId, emoji: PathEmoji) -> None:
    await request.services.reactions.AddReaction(
        AddReactionRequest(channel_id=channel_id, message_id=message_id, emoji=emoji), metadata=request.to_messages
    )


@delete(f"{REACTION}/@me", status_code=204)
async def remove_own_reaction(request: ApiRequest, channel_id: PathId, message_id: PathId, emoji: PathEmoji) -> None:
    await request.services.reactions.RemoveReaction(
        RemoveReactionRequest(channel_id=channel_id, message_id=message_id, emoji=emoji), metadata=request.to_messages
    )


@delete(f"{REACTION}/{{user_id:str}}", status_code=204)
async def remove_reaction(
    request: ApiRequest, channel_id: PathId, message_id: PathId, emoji: PathEmoji, user_id: PathId
) -> None:
    await request.services.reactions.RemoveReaction(
        RemoveReactionRequest(channel_id=channel_id, message_id=message_id, emoji=emoji, user_id=user_id),
        metadata=request.to_messages,
    )


@get(REACTION)
async def list_reactions(
    request: ApiRequest,
    channel_id: PathId,
    message_id: PathId,
    emoji: PathEmoji,
    after: QueryId = 0,
    limit: Annotated[int, QueryParameter(ge=1, le=limits.REACTIONS_PAGE)] = limits.REACTIONS_PAGE_DEFAULT,
) -> list[UserObject]:
    """Who reacted with this emoji, by id."""
    answer = await request.services.reactions.ListReactions(
        ListReactionsRequest(channel_id=channel_id, message_id=message_id, emoji=emoji, after=after, limit=limit),
        metadata=request.to_messages,
    )
    return [user_object(user) for user in answer.users]


@delete(REACTIONS, status_code=204)
async def clear_reactions(request: ApiRequest, channel_id: PathId, message_id: PathId) -> None:
    await request.services.reactions.ClearReactions(
        ClearReactionsRequest(channel_id=channel_id, message_id=message_id), metadata=request.to_messages
    )


@delete(REACTION, status_code=204)
async def clear_reactions_of_emoji(
    request: ApiRequest, channel_id: PathId, message_id: PathId, emoji: PathEmoji
) -> None:
    await request.services.reactions.ClearReactions(
        ClearReactionsRequest(channel_id=channel_id, message_id=message_id, emoji=emoji), metadata=request.to_messages
    )


ROUTES = [
    add_reaction,
    remove_own_reaction,
    remove_reaction,
    list_reactions,
    clear_reactions,
    clear_reactions_of_emoji,
]
