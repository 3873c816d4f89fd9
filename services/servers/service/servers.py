"""Servers: made, found, joined, changed, left, deleted."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from beep.servers.v1 import servers_service_pb2 as pb
from beep.servers.v1.server_pb2 import ServerSnapshot
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceServicer
from services.common.auth import current_principal, current_user_id, require_service
from services.common.errors import NotFound
from services.common.limits import INVITATIONS_PAGE, SERVER_NAME
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import invitation as invitation_rules
from services.servers.domain import member as member_rules
from services.servers.domain import server as server_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import OwnerCannotLeave, UnknownServer
from services.servers.domain.form import Form
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import ServerState
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, Scene, idempotency_key
from services.servers.service.entrance import Entrance, require_person
from services.servers.store.memberships import PAGE, every_server_of
from services.servers.store.ports import NOTHING_ELSE, Loaded, ServerStore, Wanted

ASKING_AT_ONCE: Final = 8


class ServersService(ServersServiceServicer):
    def __init__(
        self, store: ServerStore, changes: Changes, access: CallersAccess, directory: Directory, entrance: Entrance
    ) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory
        self._entrance = entrance

    async def CreateServer(self, request: pb.CreateServerRequest, context: object) -> pb.CreateServerResponse:
        user_id = current_user_id()
        key = idempotency_key(user_id, "CreateServer", request.idempotency_key)
        if await self._changes.first_result(key) is None:
            await self._entrance.require_room(user_id)
        edit = ServerEdit(
            name=request.name, description=request.description, is_public=request.is_public, icon=request.icon
        )
        change = server_rules.create(
            edit,
            owner_id=user_id,
            server_id=self._changes.next_id(),
            channel_id=self._changes.next_id(),
            now_ms=self._changes.now_ms(),
        )
        made = await self._changes.found(change, key)
        loaded = await self._load(made.state.id, Wanted(member_ids=frozenset({user_id})))
        return pb.CreateServerResponse(snapshot=await self._snapshot(loaded))

    async def GetServer(self, request: pb.GetServerRequest, context: object) -> pb.GetServerResponse:
        if not current_principal().is_service:
            await self._access.in_server(request.server_id)
        state = (await self._load(request.server_id)).state
        return pb.GetServerResponse(server=render.server(state), roles=render.roles(state))

    async def UpdateServer(self, request: pb.UpdateServerRequest, context: object) -> pb.UpdateServerResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.MANAGE_GUILD)
        edit = ServerEdit(
            name=request.name if request.HasField("name") else None,
            description=request.description if request.HasField("description") else None,
            is_public=request.is_public if request.HasField("is_public") else None,
            icon=request.icon if request.HasField("icon") else None,
            system_channel_id=request.system_channel_id if request.HasField("system_channel_id") else None,
            owner_id=request.owner_id if request.HasField("owner_id") else None,
        )
        heirs = frozenset({request.owner_id}) if edit.owner_id else frozenset()
        bots = {user.id for user in (await self._directory.get(heirs)).values() if user.bot}

        def update(scene: Scene) -> Change | None:
            people = scene.loaded.members.keys() - bots
            return server_rules.update(scene.state, scene.actor, edit, people=people)

        made = await self._changes.make(grant, update, reason=request.reason, wanted=Wanted(member_ids=heirs))
        return pb.UpdateServerResponse(server=render.server(made.state), roles=render.roles(made.state))

    async def DeleteServer(self, request: pb.DeleteServerRequest, context: object) -> pb.DeleteServerResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.MANAGE_GUILD)
        await self._changes.make(
            grant,
            lambda scene: server_rules.delete(invitations=scene.invitations, threads=scene.loaded.threads.values()),
            wanted=Wanted(all_invitations=True, all_threads=True),
        )
        return pb.DeleteServerResponse()

    async def ListServers(self, request: pb.ListServersRequest, context: object) -> pb.ListServersResponse:
        user_id = request.user_id if current_principal().is_service else current_user_id()
        states = await self._store.servers_of(
            user_id, after=request.after, before=request.before, limit=min(request.limit or PAGE, PAGE)
        )
        return pb.ListServersResponse(servers=await self._memberships(user_id, states))

    async def ListPublicServers(
        self, request: pb.ListPublicServersRequest, context: object
    ) -> pb.ListPublicServersResponse:
        form = Form()
        form.text("query", request.query, 0, SERVER_NAME)
        form.done()
        states = await self._store.public_servers(
            request.query, after=request.after, limit=min(request.limit or PAGE, PAGE)
        )
        return pb.ListPublicServersResponse(servers=[render.server(state) for state in states])

    async def JoinServer(self, request: pb.JoinServerRequest, context: object) -> pb.JoinServerResponse:
        user_id = require_person()
        wanted = await self._entrance.admit(user_id, request.server_id)

        def join(loaded: Loaded, now_ms: int) -> Change | None:
            if user_id in loaded.members:
                return None
            if not loaded.state.is_public:
                raise UnknownServer
            return member_rules.join(loaded.state, loaded.applicant(user_id), now_ms=now_ms)

        made = await self._changes.make_unbidden(request.server_id, join, wanted=wanted)
        return pb.JoinServerResponse(server=render.server(made.state))

    async def LeaveServer(self, request: pb.LeaveServerRequest, context: object) -> pb.LeaveServerResponse:
        grant = await self._access.in_server(request.server_id)
        await self._changes.make(
            grant,
            lambda scene: member_rules.leave(
                scene.state, scene.member(scene.actor.user_id), scene.loaded.threads.values()
            ),
            wanted=Wanted(threads_of_member=grant.user_id),
        )
        return pb.LeaveServerResponse()

    async def GetSnapshot(self, request: pb.GetSnapshotRequest, context: object) -> pb.GetSnapshotResponse:
        require_service()
        wanted = Wanted(
            member_ids=frozenset(request.member_ids),
            all_members=not request.without_members and not request.member_ids,
            active_threads=True,
        )
        loaded = await self._load(request.server_id, wanted)
        return pb.GetSnapshotResponse(snapshot=await self._snapshot(loaded))

    async def GetPreview(self, request: pb.GetPreviewRequest, context: object) -> pb.GetPreviewResponse:
        loaded = await self._store.load(request.server_id, NOTHING_ELSE)
        if loaded is None or not loaded.state.is_public:
            await self._access.in_server(request.server_id)
            loaded = await self._load(request.server_id)
        return pb.GetPreviewResponse(server=render.preview(loaded.state))

    async def RemoveUser(self, request: pb.RemoveUserRequest, context: object) -> pb.RemoveUserResponse:
        """May be repeated: what is done already is not there any more."""
        require_service()
        user_id = request.user_id
        states = [state async for state in every_server_of(self._store, user_id)]
        if any(state.owner_id == user_id for state in states):
            raise OwnerCannotLeave
        for state in states:
            await self._take_out(state.id, user_id)
        while named := await self._store.invitations_naming(user_id, limit=INVITATIONS_PAGE):
            for server_id in {invitation.server_id for invitation in named}:
                await self._take_back_invitations(server_id, user_id)
        return pb.RemoveUserResponse()

    async def _take_out(self, server_id: int, user_id: int) -> None:
        def leave(loaded: Loaded, now_ms: int) -> Change | None:
            member = loaded.members.get(user_id)
            return None if member is None else member_rules.leave(loaded.state, member, loaded.threads.values())

        wanted = Wanted(member_ids=frozenset({user_id}), threads_of_member=user_id)
        with suppress(UnknownServer):
            await self._changes.make_unbidden(server_id, leave, wanted=wanted)

    async def _take_back_invitations(self, server_id: int, user_id: int) -> None:
        def take_back(loaded: Loaded, now_ms: int) -> Change | None:
            named = [each for each in loaded.invitations if user_id in (each.inviter_id, each.invitee_id)]
            return invitation_rules.remove(loaded.state, named) if named else None

        with suppress(UnknownServer):
            await self._changes.make_unbidden(server_id, take_back, wanted=Wanted(all_invitations=True))

    async def _load(self, server_id: int, wanted: Wanted = NOTHING_ELSE) -> Loaded:
        loaded = await self._store.load(server_id, wanted)
        if loaded is None:
            raise UnknownServer
        return loaded

    async def _snapshot(self, loaded: Loaded) -> ServerSnapshot:
        profiles = await self._directory.get(loaded.members.keys())
        members = sorted(loaded.members.values(), key=lambda member: member.user_id)
        return render.snapshot(loaded.state, members, profiles, loaded.threads.values())

    async def _memberships(self, user_id: int, states: Sequence[ServerState]) -> list[pb.ServerMembership]:
        slots = asyncio.Semaphore(ASKING_AT_ONCE)

        async def membership(state: ServerState) -> pb.ServerMembership | None:
            async with slots:
                try:
                    held = await self._access.permissions(state.id, [], user_id=user_id)
                except NotFound:
                    # Left since the list was read.
                    return None
            return pb.ServerMembership(
                server=render.server(state), permissions=held.permissions, is_owner=held.is_owner
            )

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(membership(state)) for state in states]
        return [found for task in asked if (found := task.result()) is not None]
