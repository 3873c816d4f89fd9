"""Bans."""

import asyncio
from typing import TYPE_CHECKING, Final

from beep.servers.v1 import bans_service_pb2 as pb
from beep.servers.v1.bans_service_pb2_grpc import BansServiceServicer
from beep.users.v1.users_service_pb2 import GetUsersRequest
from services.common.limits import BANS_PAGE, BULK_BAN
from services.common.permissions import Permission
from services.servers import render
from services.servers.directory import Directory
from services.servers.domain import ban as ban_rules
from services.servers.domain.change import Change
from services.servers.domain.errors import MissingPermissions, UnknownBan, UnknownServer, UnknownUser
from services.servers.domain.form import invalid
from services.servers.domain.state import Ban
from services.servers.service.access import CallersAccess, Grant
from services.servers.service.changes import Changes, Scene
from services.servers.service.entrance import Entrance
from services.servers.store.ports import ServerStore, Wanted

if TYPE_CHECKING:
    from beep.users.v1.users_service_pb2_grpc import UsersServiceAsyncStub

AT_ONCE: Final = 8


class BansService(BansServiceServicer):
    def __init__(
        self,
        store: ServerStore,
        changes: Changes,
        access: CallersAccess,
        directory: Directory,
        entrance: Entrance,
        users: "UsersServiceAsyncStub",
    ) -> None:
        self._store = store
        self._changes = changes
        self._access = access
        self._directory = directory
        self._entrance = entrance
        self._users = users

    async def BanMember(self, request: pb.BanMemberRequest, context: object) -> pb.BanMemberResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.BAN_MEMBERS)
        await self._ban(grant, request.user_id, request.reason)
        return pb.BanMemberResponse()

    async def BanUsers(self, request: pb.BanUsersRequest, context: object) -> pb.BanUsersResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.BAN_MEMBERS)
        wanted = sorted(set(request.user_ids))
        if not 1 <= len(wanted) <= BULK_BAN:
            raise invalid("user_ids", f"Between 1 and {BULK_BAN} users.")
        slots = asyncio.Semaphore(AT_ONCE)

        async def ban(user_id: int) -> bool:
            async with slots:
                try:
                    await self._ban(grant, user_id, request.reason)
                except (UnknownUser, MissingPermissions):
                    return False
                return True

        async with asyncio.TaskGroup() as tasks:
            asked = {user_id: tasks.create_task(ban(user_id)) for user_id in wanted}
        banned = [user_id for user_id, task in asked.items() if task.result()]
        failed = [user_id for user_id, task in asked.items() if not task.result()]
        return pb.BanUsersResponse(banned_user_ids=banned, failed_user_ids=failed)

    async def UnbanUser(self, request: pb.UnbanUserRequest, context: object) -> pb.UnbanUserResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.BAN_MEMBERS)
        await self._changes.make(
            grant,
            lambda scene: ban_rules.remove(scene.state, _on(request.user_id, scene)),
            reason=request.reason,
            wanted=Wanted(bans_on=frozenset({request.user_id})),
        )
        return pb.UnbanUserResponse()

    async def GetBan(self, request: pb.GetBanRequest, context: object) -> pb.GetBanResponse:
        await self._access.in_server(request.server_id, required=Permission.BAN_MEMBERS)
        loaded = await self._store.load(request.server_id, Wanted(bans_on=frozenset({request.user_id})))
        if loaded is None:
            raise UnknownServer
        if not loaded.bans:
            raise UnknownBan
        return pb.GetBanResponse(ban=(await self._rendered(request.server_id, list(loaded.bans)))[0])

    async def ListBans(self, request: pb.ListBansRequest, context: object) -> pb.ListBansResponse:
        await self._access.in_server(request.server_id, required=Permission.BAN_MEMBERS)
        page = await self._store.bans_page(
            request.server_id,
            before=request.before,
            after=request.after,
            limit=min(request.limit or BANS_PAGE, BANS_PAGE),
        )
        return pb.ListBansResponse(bans=await self._rendered(request.server_id, page))

    async def _ban(self, grant: Grant, user_id: int, reason: str) -> None:
        found = await self._users.GetUsers(GetUsersRequest(ids=[user_id]))
        if not found.users:
            raise UnknownUser
        keys = await self._entrance.identity_keys(user_id)
        ban = Ban(user_id=user_id, reason=reason, identity_keys=tuple(sorted(keys)))

        def decide(scene: Scene) -> Change | None:
            return ban_rules.add(
                scene.state,
                scene.actor,
                ban,
                member=scene.loaded.members.get(user_id),
                existing=_on(user_id, scene),
                invitations=scene.invitations,
                threads=scene.loaded.threads.values(),
            )

        target = frozenset({user_id})
        wanted = Wanted(member_ids=target, bans_on=target, invitations_of=target, threads_of_member=user_id)
        await self._changes.make(grant, decide, reason=reason, wanted=wanted)

    async def _rendered(self, server_id: int, bans: list[Ban]) -> list[pb.Ban]:
        profiles = await self._directory.get([ban.user_id for ban in bans])
        return [render.ban(server_id, ban, profiles) for ban in bans]


def _on(user_id: int, scene: Scene) -> Ban | None:
    return next((ban for ban in scene.loaded.bans if ban.user_id == user_id), None)
