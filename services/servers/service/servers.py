"""Servers: made, found, joined, changed, left, deleted."""

import asyncio
from collections.abc import Sequence
from typing import Final

from beep.servers.v1 import servers_service_pb2 as pb
from beep.servers.v1.server_pb2 import ServerSnapshot
from beep.servers.v1.servers_service_pb2_grpc import ServersServiceServicer
from services.common.auth import PrincipalKind, current_principal, current_user_id, require_service
from services.common.errors import PermissionDenied
from services.common.limits import SERVER_NAME, SERVERS_PER_USER
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import member as member_rules
from services.servers.domain import server as server_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import TooManyServers, UnknownServer
from services.servers.domain.form import Form
from services.servers.domain.server import ServerEdit
from services.servers.domain.state import ServerState
from services.servers.service.access import Access
from services.servers.service.changes import Changes, idempotency_key
from services.servers.store.ports import NOTHING_ELSE, Loaded, ServerStore, Wanted

PAGE: Final = 200
ASKING_AT_ONCE: Final = 8


class ServersService(ServersServiceServicer):
    def __init__(self, store: ServerStore, changes: Changes, access: Access, directory: Directory) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory

    async def CreateServer(self, request: pb.CreateServerRequest, context: object) -> pb.CreateServerResponse:
        user_id = current_user_id()
        key = idempotency_key(user_id, "CreateServer", request.idempotency_key)
        if await self._changes.first_result(key) is None:
            await require_room(self._store, user_id)
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
        grant = await self._access.in_server(request.server_id, Permission.MANAGE_GUILD)
        edit = ServerEdit(
            name=request.name if request.HasField("name") else None,
            description=request.description if request.HasField("description") else None,
            is_public=request.is_public if request.HasField("is_public") else None,
            system_channel_id=request.system_channel_id if request.HasField("system_channel_id") else None,
        )
        made = await self._changes.make(grant, lambda scene: server_rules.update(scene.state, edit))
        return pb.UpdateServerResponse(server=render.server(made.state), roles=render.roles(made.state))

    async def DeleteServer(self, request: pb.DeleteServerRequest, context: object) -> pb.DeleteServerResponse:
        grant = await self._access.in_server(request.server_id)
        await self._changes.make(grant, lambda scene: server_rules.delete(scene.state, scene.actor))
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
        await require_room(self._store, user_id, joining=request.server_id)

        def join(loaded: Loaded, now_ms: int) -> Change | None:
            if user_id in loaded.members:
                return None
            if not loaded.state.is_public:
                raise UnknownServer
            return member_rules.join(loaded.state, user_id, now_ms=now_ms)

        wanted = Wanted(member_ids=frozenset({user_id}))
        made = await self._changes.make_unbidden(request.server_id, join, wanted=wanted)
        return pb.JoinServerResponse(server=render.server(made.state))

    async def LeaveServer(self, request: pb.LeaveServerRequest, context: object) -> pb.LeaveServerResponse:
        grant = await self._access.in_server(request.server_id)
        await self._changes.make(
            grant, lambda scene: member_rules.leave(scene.state, scene.member(scene.actor.user_id))
        )
        return pb.LeaveServerResponse()

    async def GetSnapshot(self, request: pb.GetSnapshotRequest, context: object) -> pb.GetSnapshotResponse:
        require_service()
        wanted = Wanted(
            member_ids=frozenset(request.member_ids),
            all_members=not request.without_members and not request.member_ids,
        )
        loaded = await self._load(request.server_id, wanted)
        return pb.GetSnapshotResponse(snapshot=await self._snapshot(loaded))

    async def _load(self, server_id: int, wanted: Wanted = NOTHING_ELSE) -> Loaded:
        loaded = await self._store.load(server_id, wanted)
        if loaded is None:
            raise UnknownServer
        return loaded

    async def _snapshot(self, loaded: Loaded) -> ServerSnapshot:
        profiles = await self._directory.get(loaded.members.keys())
        members = sorted(loaded.members.values(), key=lambda member: member.user_id)
        return render.snapshot(loaded.state, members, profiles)

    async def _memberships(self, user_id: int, states: Sequence[ServerState]) -> list[pb.ServerMembership]:
        slots = asyncio.Semaphore(ASKING_AT_ONCE)

        async def membership(state: ServerState) -> pb.ServerMembership | None:
            async with slots:
                try:
                    held = await self._access.permissions(state.id, [], user_id=user_id)
                except UnknownServer:
                    # Left since the list was read.
                    return None
            return pb.ServerMembership(
                server=render.server(state), permissions=held.permissions, is_owner=held.is_owner
            )

        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(membership(state)) for state in states]
        return [found for task in asked if (found := task.result()) is not None]


async def require_room(store: ServerStore, user_id: int, *, joining: int = 0) -> None:
    """The user may be in one more server, or is in the one that they join.

    Joining several at the same moment may exceed the limit by as many: it protects the installation and is no promise.

    Raises:
        TooManyServers
    """
    if await store.count_servers_of(user_id) < SERVERS_PER_USER:
        return
    loaded = await store.load(joining, Wanted(member_ids=frozenset({user_id})))
    if loaded is None or user_id not in loaded.members:
        raise TooManyServers


def require_person() -> int:
    """The calling user. A bot joins only where somebody who manages the server adds it. Raises PermissionDenied."""
    user_id = current_user_id()
    if current_principal().kind is PrincipalKind.BOT:
        raise PermissionDenied("BOTS_CANNOT_USE", "Bots cannot do this.")
    return user_id
