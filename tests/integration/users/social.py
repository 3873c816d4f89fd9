"""People at a running users service, with what is between them in few words, and authz asked what they may do."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from beep.authz.v1.authz_service_pb2 import AuthorizeRequest, Outcome
from beep.users.v1 import private_channels_service_pb2 as channels_pb
from beep.users.v1 import relationships_service_pb2 as relationships_pb
from beep.users.v1.bots_service_pb2 import CreateBotRequest
from beep.users.v1.private_channels_service_pb2 import PrivateChannel
from beep.users.v1.tokens_service_pb2 import AuthenticateResponse
from beep.users.v1.users_service_pb2 import FindUserRequest
from services.common.bus import PRIVATE_MESSAGE, Audience, Envelope, service_shard, user_shard
from services.common.limits import GROUP_PARTICIPANTS
from services.common.permissions import Permission
from services.common.rpc import Metadata
from services.common.sqlite import Database
from services.users.config import DATABASE
from services.users.store.ports import NewPerson
from services.users.store.sqlite import MIGRATIONS, SqliteUserStore
from tests.integration.users.running_users import RunningUsers

if TYPE_CHECKING:
    from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceAsyncStub
    from beep.users.v1.relationships_service_pb2_grpc import RelationshipsServiceAsyncStub

FRIEND = relationships_pb.RELATIONSHIP_TYPE_FRIEND
BLOCKED = relationships_pb.RELATIONSHIP_TYPE_BLOCKED
INCOMING = relationships_pb.RELATIONSHIP_TYPE_INCOMING_REQUEST
OUTGOING = relationships_pb.RELATIONSHIP_TYPE_OUTGOING_REQUEST


@dataclass(frozen=True)
class Someone:
    """One caller, person or bot."""

    beep: RunningUsers
    who: AuthenticateResponse

    @property
    def id(self) -> int:
        return self.who.user.id

    @property
    def me(self) -> Metadata:
        return self.beep.as_user(self.who)

    @property
    def relations(self) -> "RelationshipsServiceAsyncStub":
        return self.beep.relationships

    @property
    def channels(self) -> "PrivateChannelsServiceAsyncStub":
        return self.beep.private_channels

    async def ask(self, other: "Someone") -> None:
        await self.relations.SendFriendRequest(
            relationships_pb.SendFriendRequestRequest(username=other.who.user.username), metadata=self.me
        )

    async def accept(self, other: "Someone") -> None:
        await self.relations.AcceptFriendRequest(
            relationships_pb.AcceptFriendRequestRequest(user_id=other.id), metadata=self.me
        )

    async def block(self, other: "Someone") -> None:
        await self.relations.BlockUser(relationships_pb.BlockUserRequest(user_id=other.id), metadata=self.me)

    async def remove(self, other: "Someone") -> None:
        await self.relations.RemoveRelationship(
            relationships_pb.RemoveRelationshipRequest(user_id=other.id), metadata=self.me
        )

    async def befriend(self, *others: "Someone") -> None:
        for other in others:
            await self.ask(other)
            await other.accept(self)

    async def relationships(self) -> dict[int, relationships_pb.RelationshipType.ValueType]:
        answer = await self.relations.ListRelationships(relationships_pb.ListRelationshipsRequest(), metadata=self.me)
        return {each.user.id: each.type for each in answer.relationships}

    async def open(self, *others: "Someone", name: str = "", key: str = "") -> PrivateChannel:
        request = channels_pb.OpenPrivateChannelRequest(
            recipient_ids=[other.id for other in others], name=name, idempotency_key=key
        )
        return (await self.channels.OpenPrivateChannel(request, metadata=self.me)).channel

    async def close(self, channel_id: int) -> None:
        await self.channels.ClosePrivateChannel(
            channels_pb.ClosePrivateChannelRequest(channel_id=channel_id), metadata=self.me
        )

    async def add(self, channel_id: int, other: "Someone") -> None:
        await self.channels.AddRecipient(
            channels_pb.AddRecipientRequest(channel_id=channel_id, user_id=other.id), metadata=self.me
        )

    async def send_out(self, channel_id: int, other: "Someone") -> None:
        await self.channels.RemoveRecipient(
            channels_pb.RemoveRecipientRequest(channel_id=channel_id, user_id=other.id), metadata=self.me
        )

    async def get(self, channel_id: int) -> PrivateChannel:
        request = channels_pb.GetPrivateChannelRequest(channel_id=channel_id)
        return (await self.channels.GetPrivateChannel(request, metadata=self.me)).channel

    async def listed(self) -> list[int]:
        answer = await self.channels.ListPrivateChannels(channels_pb.ListPrivateChannelsRequest(), metadata=self.me)
        return [channel.id for channel in answer.channels]

    async def may(self, channel_id: int, right: Permission = Permission.SEND_MESSAGES) -> "Outcome.ValueType":
        """What authz says of this right."""
        request = AuthorizeRequest(user_id=self.id, channel_id=channel_id, required=int(right))
        return (await self.beep.authz.Authorize(request)).outcome

    async def told(self, *types: str) -> list[tuple[str, Any]]:
        """What was published to them until now, of these types."""
        return [
            (record.envelope.type, msgspec.json.decode(record.envelope.body))
            for record in await self.beep.bus.read([user_shard(self.id)], after=0, limit=1000)
            if record.envelope.type in types
        ]


NAMES: Final = ("ada", "bob", "cy", "eve", *(f"friend{number}" for number in range(GROUP_PARTICIPANTS)))


async def settle(data: Path) -> None:
    """Everybody of `NAMES` has been here before: signing up is another test's affair, and takes its time."""
    db = await Database.open(data / DATABASE, MIGRATIONS)
    store = SqliteUserStore(db, lambda record: None)
    for number, name in enumerate(NAMES, start=1):
        await store.provision(NewPerson(f"subject of {name}", "", name, ""), 100 + number, now_ms=0)
    await db.close()


async def person(beep: RunningUsers, name: str) -> Someone:
    """One of `NAMES`."""
    found = await beep.users.FindUser(FindUserRequest(username=name))
    return Someone(beep, AuthenticateResponse(user=found.user))


async def bot_of(owner: Someone, name: str = "helper") -> Someone:
    made = await owner.beep.bots.CreateBot(CreateBotRequest(name=name), metadata=owner.me)
    return Someone(owner.beep, await owner.beep.authenticate(made.token))


async def message_in(beep: RunningUsers, channel_id: int, event_id: int) -> None:
    """What `messages` publishes of a new message."""
    shard = service_shard("users")
    body = msgspec.json.encode({"message_id": str(event_id)})
    await beep.bus.publish([Envelope(event_id, shard, PRIVATE_MESSAGE, body, Audience.NONE, channel_id=channel_id)])
