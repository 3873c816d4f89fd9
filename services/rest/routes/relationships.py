"""Friends, requests and blocks: for people, as Discord's own client does it; bots have none."""

from typing import Annotated, Final

from litestar import delete, get, post, put
from litestar.params import JSONBody
from msgspec import Meta, Struct

from beep.users.v1.relationships_service_pb2 import (
    AcceptFriendRequestRequest,
    BlockUserRequest,
    ListRelationshipsRequest,
    RemoveRelationshipRequest,
    SendFriendRequestRequest,
)
from services.common import limits
from services.common.errors import FieldViolation
from services.rest.body import BodyDecoder
from services.rest.errors import InvalidForm
from services.rest.fields import PathId
from services.rest.request import ApiRequest
from services.wire.relationship import RelationshipObject, relationship_object

FRIEND: Final = 1
BLOCK: Final = 2


class FriendRequest(Struct):
    # Longer than any username: nobody has it, which is another answer than that it is malformed.
    username: Annotated[str, Meta(min_length=1, max_length=2 * limits.USERNAME)]


class RelationshipPut(Struct):
    """Without a type: asks the user to be friends, or agrees to what they have asked. 1: agrees only. 2: blocks."""

    type: int | None = None


@get("/users/@me/relationships")
async def list_relationships(request: ApiRequest) -> list[RelationshipObject]:
    """Friends, requests of both directions, and blocks."""
    answer = await request.services.relationships.ListRelationships(
        ListRelationshipsRequest(), metadata=request.to_users
    )
    return [relationship_object(relationship) for relationship in answer.relationships]


@post("/users/@me/relationships", status_code=204, dto=BodyDecoder[FriendRequest], return_dto=None)
async def send_friend_request(request: ApiRequest, data: JSONBody[FriendRequest]) -> None:
    """Asks somebody to be friends, by username."""
    await request.services.relationships.SendFriendRequest(
        SendFriendRequestRequest(username=data.username), metadata=request.to_users
    )


@put("/users/@me/relationships/{user_id:str}", status_code=204, dto=BodyDecoder[RelationshipPut], return_dto=None)
async def put_relationship(request: ApiRequest, user_id: PathId, data: JSONBody[RelationshipPut]) -> None:
    """Asks to be friends, accepts what was asked, or blocks."""
    relationships, metadata = request.services.relationships, request.to_users
    match data.type:
        case None:
            await relationships.SendFriendRequest(SendFriendRequestRequest(user_id=user_id), metadata=metadata)
        case 1:  # FRIEND
            await relationships.AcceptFriendRequest(AcceptFriendRequestRequest(user_id=user_id), metadata=metadata)
        case 2:
            await relationships.BlockUser(BlockUserRequest(user_id=user_id), metadata=metadata)
        case _:
            raise InvalidForm(FieldViolation("type", "BASE_TYPE_CHOICES", "Value must be one of {1, 2}."))


@delete("/users/@me/relationships/{user_id:str}", status_code=204)
async def remove_relationship(request: ApiRequest, user_id: PathId) -> None:
    """Declines or cancels a request, ends a friendship, or lifts one's own block."""
    await request.services.relationships.RemoveRelationship(
        RemoveRelationshipRequest(user_id=user_id), metadata=request.to_users
    )


ROUTES = [list_relationships, send_friend_request, put_relationship, remove_relationship]
