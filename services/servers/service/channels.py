"""Channels and their overwrites."""

from collections.abc import Iterable

from beep.servers.v1 import channel_pb2
from beep.servers.v1 import channels_service_pb2 as pb
from beep.servers.v1.channels_service_pb2_grpc import ChannelsServiceServicer
from services.common.auth import current_principal
from services.common.permissions import Permission
from services.servers import render
from services.servers.domain import channel as channel_rules
from services.servers.domain import overwrite as overwrite_rules
from services.servers.domain.change import Change
from services.servers.domain.channel import ChannelEdit, ChannelMove
from services.servers.domain.errors import UnknownChannel, UnknownServer
from services.servers.domain.overwrite import SETS_OVERWRITES
from services.servers.domain.state import ALL_PERMISSIONS, ServerState
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, Scene, idempotency_key
from services.servers.store.ports import NOTHING_ELSE, ServerStore, Wanted


class ChannelsService(ChannelsServiceServicer):
    def __init__(self, store: ServerStore, changes: Changes, access: CallersAccess) -> None:
        self._store = store
        self._changes = changes
        self._access = access

    async def CreateChannel(self, request: pb.CreateChannelRequest, context: object) -> pb.CreateChannelResponse:
        grant = await self._access.in_server(
            request.server_id, required=Permission.MANAGE_CHANNELS, asked=ALL_PERMISSIONS if request.overwrites else 0
        )
        key = idempotency_key(grant.user_id, f"CreateChannel {grant.server_id}", request.idempotency_key)
        kind = render.channel_type(request.type)
        channel_id = self._changes.next_id()
        members = _members_named(request.overwrites)
        edit = ChannelEdit(
            name=request.name,
            topic=request.topic,
            position=request.position if request.HasField("position") else None,
            parent_id=request.parent_id,
            nsfw=request.nsfw,
            rate_limit_per_user=request.rate_limit_per_user,
            overwrites=render.domain_overwrites(request.overwrites),
        )
        made = await self._changes.make(
            grant,
            lambda scene: channel_rules.create(
                scene.state, scene.actor, kind, edit, channel_id=channel_id, member_ids=scene.loaded.members.keys()
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=members),
            key=key,
            result=lambda _: str(channel_id),
        )
        channel = made.state.channel(int(made.result))
        return pb.CreateChannelResponse(channel=render.channel(made.state.id, channel))

    async def GetChannel(self, request: pb.GetChannelRequest, context: object) -> pb.GetChannelResponse:
        if current_principal().is_service:
            server_id = await self._store.server_of_channel(request.channel_id)
        else:
            server_id = (await self._access.in_channel(request.channel_id)).server_id
        if server_id is None:
            raise UnknownChannel
        loaded = await self._store.load(server_id, Wanted(thread_id=request.channel_id))
        if loaded is None:
            raise UnknownChannel
        thread = loaded.threads.get(request.channel_id)
        if thread is not None:
            return pb.GetChannelResponse(channel=render.thread(thread))
        channel = loaded.state.channel(request.channel_id)
        return pb.GetChannelResponse(channel=render.channel(server_id, channel))

    async def ListChannels(self, request: pb.ListChannelsRequest, context: object) -> pb.ListChannelsResponse:
        state = await self._load(request.server_id)
        channels = channel_rules.order(state.channels)
        if not current_principal().is_service:
            held = await self._access.permissions(
                state.id, [channel.id for channel in channels], wanted=Permission.VIEW_CHANNEL
            )
            viewed = {each.channel_id for each in held.channels if each.permissions & Permission.VIEW_CHANNEL}
            channels = [channel for channel in channels if channel.id in viewed]
        return pb.ListChannelsResponse(channels=[render.channel(state.id, channel) for channel in channels])

    async def UpdateChannel(self, request: pb.UpdateChannelRequest, context: object) -> pb.UpdateChannelResponse:
        grant = await self._access.in_channel(
            request.channel_id,
            required=Permission.MANAGE_CHANNELS,
            asked=ALL_PERMISSIONS if request.set_overwrites else 0,
        )
        edit = ChannelEdit(
            name=request.name if request.HasField("name") else None,
            topic=request.topic if request.HasField("topic") else None,
            position=request.position if request.HasField("position") else None,
            parent_id=request.parent_id if request.HasField("parent_id") else None,
            nsfw=request.nsfw if request.HasField("nsfw") else None,
            rate_limit_per_user=request.rate_limit_per_user if request.HasField("rate_limit_per_user") else None,
            overwrites=render.domain_overwrites(request.overwrites) if request.set_overwrites else None,
        )
        made = await self._changes.make(
            grant,
            lambda scene: channel_rules.update(
                scene.state, scene.actor, request.channel_id, edit, member_ids=scene.loaded.members.keys()
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=_members_named(request.overwrites)),
        )
        channel = made.state.channel(request.channel_id)
        return pb.UpdateChannelResponse(channel=render.channel(made.state.id, channel))

    async def DeleteChannel(self, request: pb.DeleteChannelRequest, context: object) -> pb.DeleteChannelResponse:
        grant = await self._access.in_channel(request.channel_id, required=Permission.MANAGE_CHANNELS)
        deleted = channel_pb2.Channel()

        def delete(scene: Scene) -> Change:
            deleted.CopyFrom(render.channel(scene.state.id, scene.state.channel(request.channel_id)))
            invites = [invite for invite in scene.invites if invite.channel_id == request.channel_id]
            threads = scene.loaded.threads.values()
            return channel_rules.delete(scene.state, request.channel_id, invites=invites, threads=threads)

        wanted = Wanted(invites=True, threads_of=request.channel_id)
        await self._changes.make(grant, delete, reason=request.reason, wanted=wanted)
        return pb.DeleteChannelResponse(channel=deleted)

    async def MoveChannels(self, request: pb.MoveChannelsRequest, context: object) -> pb.MoveChannelsResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.MANAGE_CHANNELS)
        moves = [
            ChannelMove(
                channel_id=move.channel_id,
                position=move.position if move.HasField("position") else None,
                parent_id=move.parent_id if move.HasField("parent_id") else None,
                lock_permissions=move.lock_permissions,
            )
            for move in request.moves
        ]
        held = await self._held(request.server_id, [move.channel_id for move in moves if move.lock_permissions])
        await self._changes.make(
            grant,
            lambda scene: channel_rules.move(scene.state, scene.actor, moves, held=held),
            reason=request.reason,
        )
        return pb.MoveChannelsResponse()

    async def SetOverwrite(self, request: pb.SetOverwriteRequest, context: object) -> pb.SetOverwriteResponse:
        grant = await self._access.in_channel(request.channel_id, any_of=SETS_OVERWRITES, asked=ALL_PERMISSIONS)
        overwrite = render.domain_overwrite(request.overwrite)
        await self._changes.make(
            grant,
            lambda scene: overwrite_rules.put(
                scene.state, scene.actor, request.channel_id, overwrite, member_ids=scene.loaded.members.keys()
            ),
            reason=request.reason,
            wanted=Wanted(member_ids=_members_named([request.overwrite])),
        )
        return pb.SetOverwriteResponse()

    async def DeleteOverwrite(self, request: pb.DeleteOverwriteRequest, context: object) -> pb.DeleteOverwriteResponse:
        grant = await self._access.in_channel(request.channel_id, any_of=SETS_OVERWRITES, asked=ALL_PERMISSIONS)
        await self._changes.make(
            grant,
            lambda scene: overwrite_rules.remove(scene.state, scene.actor, request.channel_id, request.target_id),
            reason=request.reason,
        )
        return pb.DeleteOverwriteResponse()

    async def _held(self, server_id: int, channel_ids: list[int]) -> dict[int, int]:
        if not channel_ids:
            return {}
        held = await self._access.permissions(server_id, channel_ids)
        return {each.channel_id: each.permissions for each in held.channels}

    async def _load(self, server_id: int) -> ServerState:
        loaded = await self._store.load(server_id, NOTHING_ELSE)
        if loaded is None:
            raise UnknownServer
        return loaded.state


def _members_named(overwrites: Iterable[channel_pb2.Overwrite]) -> frozenset[int]:
    return frozenset(each.target_id for each in overwrites if each.target == channel_pb2.OVERWRITE_TARGET_MEMBER)
