"""`RelationshipsService`: friends, requests and blocks."""

from collections.abc import Callable

from beep.users.v1 import relationships_service_pb2 as pb
from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceServicer
from services.common.auth import PrincipalKind, current_principal
from services.common.clock import Clock
from services.common.errors import InvalidArgument
from services.users import render
from services.users.domain import relationship
from services.users.domain.errors import PersonRequired, RequestToSelf, TakesNoRequests, UnknownUser, UnknownUsername
from services.users.domain.relationship import Pair
from services.users.domain.user import User, UserKind
from services.users.domain.username import deleted_username
from services.users.service.callers import person, whose
from services.users.service.pairs import Pairs
from services.users.store.ports import UserStore
from services.users.store.social_ports import PairStore


class RelationshipsService(RelationshipsServiceServicer):
    """People only, each for themselves. What somebody else has with a third is nobody's to know."""

    def __init__(self, store: PairStore, users: UserStore, pairs: Pairs, clock: Clock) -> None:
        self._store = store
        self._users = users
        self._pairs = pairs
        self._clock = clock

    async def ListRelationships(
        self, request: pb.ListRelationshipsRequest, context: object
    ) -> pb.ListRelationshipsResponse:
        if current_principal().kind is PrincipalKind.BOT:
            raise PersonRequired
        user_id = whose(request.user_id)
        others = {
            pair.other(user_id): pair
            for pair in await self._store.pairs_of(user_id)
            if pair.side(user_id).type is not None
        }
        users = sorted(await self._users.users(list(others)), key=lambda user: user.id)
        return pb.ListRelationshipsResponse(
            relationships=[render.relationship(others[user.id], user_id, user) for user in users]
        )

    async def SendFriendRequest(
        self, request: pb.SendFriendRequestRequest, context: object
    ) -> pb.SendFriendRequestResponse:
        user_id = person()
        other = await self._addressee(request)
        if other.id == user_id:
            raise RequestToSelf
        if other.kind is UserKind.BOT or other.username == deleted_username(other.id):
            raise TakesNoRequests
        own, others = await self._store.counts(user_id), await self._store.counts(other.id)
        now_ms = self._clock.now_ms()
        shown = await self._change(
            user_id,
            other.id,
            lambda pair: relationship.request(pair, user_id, own=own, others=others, now_ms=now_ms),
        )
        return pb.SendFriendRequestResponse(relationship=shown)

    async def AcceptFriendRequest(
        self, request: pb.AcceptFriendRequestRequest, context: object
    ) -> pb.AcceptFriendRequestResponse:
        user_id = person()
        other = await self._other(user_id, request.user_id)
        own, others = await self._store.counts(user_id), await self._store.counts(other.id)
        now_ms = self._clock.now_ms()
        shown = await self._change(
            user_id,
            other.id,
            lambda pair: relationship.accept(pair, user_id, own=own, others=others, now_ms=now_ms),
        )
        return pb.AcceptFriendRequestResponse(relationship=shown)

    async def BlockUser(self, request: pb.BlockUserRequest, context: object) -> pb.BlockUserResponse:
        user_id = person()
        other = await self._other(user_id, request.user_id)
        own, now_ms = await self._store.counts(user_id), self._clock.now_ms()
        shown = await self._change(
            user_id, other.id, lambda pair: relationship.block(pair, user_id, own=own, now_ms=now_ms)
        )
        return pb.BlockUserResponse(relationship=shown)

    async def RemoveRelationship(
        self, request: pb.RemoveRelationshipRequest, context: object
    ) -> pb.RemoveRelationshipResponse:
        user_id = person()
        other = await self._other(user_id, request.user_id)
        await self._pairs.change(user_id, other.id, lambda pair: relationship.remove(pair, user_id))
        return pb.RemoveRelationshipResponse()

    async def _change(self, user_id: int, other_id: int, decide: Callable[[Pair], Pair]) -> pb.Relationship:
        pair, users = await self._pairs.change(user_id, other_id, decide)
        return render.relationship(pair, user_id, users[other_id])

    async def _addressee(self, request: pb.SendFriendRequestRequest) -> User:
        match request.WhichOneof("to"):
            case "username":
                named = await self._users.person_named(request.username.strip().lower())
                if named is None:
                    raise UnknownUsername
                return named
            case "user_id":
                return await self._user(request.user_id)
            case _:
                raise InvalidArgument("INVALID_FORM", "Name a user.")

    async def _other(self, user_id: int, other_id: int) -> User:
        if user_id == other_id:
            raise RequestToSelf
        return await self._user(other_id)

    async def _user(self, user_id: int) -> User:
        users = await self._users.users([user_id])
        if not users:
            raise UnknownUser
        return users[0]
