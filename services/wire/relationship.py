"""https://docs.discord.com/developers/topics/opcodes-and-status-codes (codes), and what Discord's own clients get: the
relationships of people are in none of the documents for bots.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from beep.users.v1 import relationships_service_pb2 as relationships_pb
from services.wire.encoding import timestamp
from services.wire.user import UserObject, user_object

if TYPE_CHECKING:
    from beep.users.v1.relationships_service_pb2 import Relationship

TYPE_NUMBERS: Final[Mapping[relationships_pb.RelationshipType.ValueType, int]] = {
    relationships_pb.RELATIONSHIP_TYPE_FRIEND: 1,
    relationships_pb.RELATIONSHIP_TYPE_BLOCKED: 2,
    relationships_pb.RELATIONSHIP_TYPE_INCOMING_REQUEST: 3,
    relationships_pb.RELATIONSHIP_TYPE_OUTGOING_REQUEST: 4,
}


class RelationshipObject(Struct, kw_only=True):
    """One of the two as the other sees them; also RELATIONSHIP_ADD, which replaces what was there before."""

    # The id of the user: two people have at most one relationship.
    id: str
    type: int
    user: UserObject
    nickname: None = None
    since: str


class RelationshipRemove(Struct, kw_only=True):
    """RELATIONSHIP_REMOVE. `type` is what it was."""

    id: str
    type: int


def relationship_object(relationship: "Relationship") -> RelationshipObject:
    return RelationshipObject(
        id=str(relationship.user.id),
        type=TYPE_NUMBERS[relationship.type],
        user=user_object(relationship.user),
        since=timestamp(relationship.since_ms),
    )
