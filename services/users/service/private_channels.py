"""`PrivateChannelsService`: direct messages and groups."""

from collections.abc import Iterable

from beep.users.v1 import private_channels_service_pb2 as pb
from beep.users.v1.private_channels_service_pb2_grpc import PrivateChannelsServiceServicer
from services.common.auth import PrincipalKind, current_principal, current_user_id
from services.common.errors import InvalidArgument
from services.common.limits import GROUP_PARTICIPANTS, GROUPS_PER_USER, IDEMPOTENCY_KEY
from services.common.snowflake import SnowflakeGenerator
from services.users import render
from services.users.domain import private_channel
from services.users.domain.errors import (
    InvalidRecipients,
    NotAGroup,
    TooManyGroups,
    TooManyParticipants,
    UnknownPrivateChannel,
    UnknownUser,
    invalid_field,
)
from services.users.domain.private_channel import Group
from services.users.domain.relationship import Pair, RelationshipType
from services.users.domain.user import User, UserKind
from services.users.service.callers import person, whose
from services.users.service.groups import Groups
from services.users.service.pairs import Pairs
from services.users.store.ports import UserStore
from services.users.store.social_ports import GroupStore, PairStore


class PrivateChannelsService(PrivateChannelsServiceServicer):
    """To who takes no part in a channel it does not exist."""

    def __init__(
        self,
        pair_store: PairStore,
        group_store: GroupStore,
        users: UserStore,
        pairs: Pairs,
        groups: Groups,
        ids: SnowflakeGenerator,
    ) -> None:
        self._pair_store = pair_store
        self._group_store = group_store
        self._users = users
        self._pairs = pairs
        self._groups = groups
        self._ids = ids

    async def OpenPrivateChannel(
        self, request: pb.OpenPrivateChannelRequest, context: object
    ) -> pb.OpenPrivateChannelResponse:
        user_id, recipient_ids = current_user_id(), list(dict.fromkeys(request.recipient_ids))
        if len(request.idempotency_key) > IDEMPOTENCY_KEY:
            raise InvalidArgument("IDEMPOTENCY_KEY_TOO_LONG", f"At most {IDEMPOTENCY_KEY} characters.")
        if not recipient_ids:
            raise invalid_field("recipients", "BASE_TYPE_REQUIRED", "Name at least one recipient.")
        if user_id in recipient_ids:
            raise InvalidRecipients
        if len(recipient_ids) == 1:
            return pb.OpenPrivateChannelResponse(channel=await self._open_direct(user_id, recipient_ids[0]))
        group = await self._new_group(person(), recipient_ids, request.name)
        founded, users = await self._groups.found(group, request.idempotency_key)
        return pb.OpenPrivateChannelResponse(channel=render.group(founded, users))

    async def ListPrivateChannels(
        self, request: pb.ListPrivateChannelsRequest, context: object
    ) -> pb.ListPrivateChannelsResponse:
        user_id = whose(request.user_id)
        pairs = [pair for pair in await self._pair_store.pairs_of(user_id) if pair.side(user_id).is_open]
        groups = await self._group_store.groups_of(user_id)
        users = await self._profiles(
            {each for pair in pairs for each in pair.user_ids}
            | {each for group in groups for each in group.participant_ids}
        )
        channels = [render.direct(pair, users) for pair in pairs] + [render.group(group, users) for group in groups]
        return pb.ListPrivateChannelsResponse(channels=sorted(channels, key=lambda channel: channel.id))

    async def GetPrivateChannel(
        self, request: pb.GetPrivateChannelRequest, context: object
    ) -> pb.GetPrivateChannelResponse:
        # Services ask about any: what kind of channel it is.
        user_id = None if current_principal().is_service else current_user_id()
        channel = await self._channel(user_id, request.channel_id)
        if isinstance(channel, Pair):
            shown = render.direct(channel, await self._profiles(channel.user_ids))
        else:
            shown = render.group(channel, await self._profiles(channel.participant_ids))
        return pb.GetPrivateChannelResponse(channel=shown)

    async def UpdatePrivateChannel(
        self, request: pb.UpdatePrivateChannelRequest, context: object
    ) -> pb.UpdatePrivateChannelResponse:
        user_id = current_user_id()
        await self._require_group(user_id, request.channel_id)
        name = request.name if request.HasField("name") else None
        icon = request.icon if request.HasField("icon") else None
        group, users = await self._groups.change(
            request.channel_id,
            lambda found: private_channel.describe_group(found, user_id, name=name, icon=icon),
        )
        return pb.UpdatePrivateChannelResponse(channel=render.group(group, users))

    async def AddRecipient(self, request: pb.AddRecipientRequest, context: object) -> pb.AddRecipientResponse:
        user_id = current_user_id()
        group = await self._require_group(user_id, request.channel_id)
        if request.user_id not in group.participant_ids:
            await self._require_room_for_group(request.user_id)
        is_friend = await self._are_friends(user_id, request.user_id)
        await self._groups.change(
            request.channel_id,
            lambda found: private_channel.add_participant(found, user_id, request.user_id, is_friend=is_friend),
        )
        return pb.AddRecipientResponse()

    async def RemoveRecipient(self, request: pb.RemoveRecipientRequest, context: object) -> pb.RemoveRecipientResponse:
        user_id = current_user_id()
        await self._require_group(user_id, request.channel_id)
        await self._groups.change(
            request.channel_id, lambda found: private_channel.remove_participant(found, user_id, request.user_id)
        )
        return pb.RemoveRecipientResponse()

    async def ClosePrivateChannel(
        self, request: pb.ClosePrivateChannelRequest, context: object
    ) -> pb.ClosePrivateChannelResponse:
        user_id = current_user_id()
        channel = await self._channel(user_id, request.channel_id)
        if isinstance(channel, Pair):
            pair, users = await self._pairs.change(
                *channel.user_ids, lambda found: private_channel.close_direct(found, user_id)
            )
            return pb.ClosePrivateChannelResponse(channel=render.direct(pair, users))
        group, users = await self._groups.change(
            request.channel_id, lambda found: private_channel.remove_participant(found, user_id, user_id)
        )
        return pb.ClosePrivateChannelResponse(channel=render.group(group, users))

    async def _open_direct(self, user_id: int, recipient_id: int) -> pb.PrivateChannel:
        recipients = await self._users.users([recipient_id])
        if not recipients:
            raise UnknownUser
        if recipients[0].kind is UserKind.BOT and current_principal().kind is PrincipalKind.BOT:
            raise InvalidRecipients
        new_id = self._ids.next()
        pair, users = await self._pairs.change(
            user_id, recipient_id, lambda found: private_channel.open_direct(found, user_id, new_id)
        )
        return render.direct(pair, users)

    async def _new_group(self, creator_id: int, recipient_ids: list[int], name: str) -> Group:
        if len(recipient_ids) >= GROUP_PARTICIPANTS:
            raise TooManyParticipants
        friend_ids = [each for each in recipient_ids if await self._are_friends(creator_id, each)]
        group = private_channel.found_group(self._ids.next(), creator_id, recipient_ids, friend_ids, name)
        for user_id in group.participant_ids:
            await self._require_room_for_group(user_id)
        return group

    async def _require_room_for_group(self, user_id: int) -> None:
        # In a race there is one more for each who races: the limit keeps lists short, it guards nothing.
        if len(await self._group_store.groups_of(user_id)) >= GROUPS_PER_USER:
            raise TooManyGroups

    async def _are_friends(self, user_id: int, other_id: int) -> bool:
        if user_id == other_id:
            return False
        pair = (await self._pair_store.pair(user_id, other_id)).pair
        return pair.side(user_id).type is RelationshipType.FRIEND

    async def _channel(self, user_id: int | None, channel_id: int) -> Pair | Group:
        """The direct message or group, if the user (None: anybody) takes part in it."""
        direct = await self._pair_store.pair_of_channel(channel_id)
        if direct is not None and (user_id is None or user_id in direct.pair.user_ids):
            return direct.pair
        found = await self._group_store.group(channel_id)
        if found is not None and (user_id is None or user_id in found.group.participant_ids):
            return found.group
        raise UnknownPrivateChannel

    async def _require_group(self, user_id: int, channel_id: int) -> Group:
        channel = await self._channel(user_id, channel_id)
        if isinstance(channel, Pair):
            raise NotAGroup
        return channel

    async def _profiles(self, ids: Iterable[int]) -> dict[int, User]:
        return {user.id: user for user in await self._users.users(list(ids))}
