"""Roles."""

from beep.servers.v1 import roles_service_pb2 as pb
from beep.servers.v1.roles_service_pb2_grpc import RolesServiceServicer
from services.common.permissions import Permission
from services.servers import render
from services.servers.domain import role as role_rules
from services.servers.domain.errors import UnknownServer
from services.servers.domain.role import RoleEdit, RoleMove
from services.servers.domain.state import ALL_PERMISSIONS
from services.servers.service.access import CallersAccess
from services.servers.service.changes import Changes, idempotency_key
from services.servers.store.ports import NOTHING_ELSE, ServerStore, Wanted


class RolesService(RolesServiceServicer):
    def __init__(self, store: ServerStore, changes: Changes, access: CallersAccess) -> None:
        self._store = store
        self._changes = changes
        self._access = access

    async def CreateRole(self, request: pb.CreateRoleRequest, context: object) -> pb.CreateRoleResponse:
        grant = await self._access.in_server(
            request.server_id, required=Permission.MANAGE_ROLES, asked=request.permissions & ALL_PERMISSIONS
        )
        key = idempotency_key(grant.user_id, f"CreateRole {grant.server_id}", request.idempotency_key)
        role_id = self._changes.next_id()
        edit = RoleEdit(
            name=request.name,
            permissions=request.permissions if request.HasField("permissions") else None,
            color=request.color,
            hoist=request.hoist,
            mentionable=request.mentionable,
        )
        made = await self._changes.make(
            grant,
            lambda scene: role_rules.create(scene.state, scene.actor, edit, role_id=role_id),
            reason=request.reason,
            key=key,
            result=lambda _: str(role_id),
        )
        return pb.CreateRoleResponse(role=render.role(made.state.id, made.state.role(int(made.result))))

    async def ListRoles(self, request: pb.ListRolesRequest, context: object) -> pb.ListRolesResponse:
        await self._access.in_server(request.server_id)
        loaded = await self._store.load(request.server_id, NOTHING_ELSE)
        if loaded is None:
            raise UnknownServer
        return pb.ListRolesResponse(roles=render.roles(loaded.state))

    async def UpdateRole(self, request: pb.UpdateRoleRequest, context: object) -> pb.UpdateRoleResponse:
        grant = await self._access.in_server(
            request.server_id, required=Permission.MANAGE_ROLES, asked=request.permissions & ALL_PERMISSIONS
        )
        edit = RoleEdit(
            name=request.name if request.HasField("name") else None,
            permissions=request.permissions if request.HasField("permissions") else None,
            color=request.color if request.HasField("color") else None,
            hoist=request.hoist if request.HasField("hoist") else None,
            mentionable=request.mentionable if request.HasField("mentionable") else None,
        )
        made = await self._changes.make(
            grant,
            lambda scene: role_rules.update(scene.state, scene.actor, request.role_id, edit),
            reason=request.reason,
        )
        return pb.UpdateRoleResponse(role=render.role(made.state.id, made.state.role(request.role_id)))

    async def DeleteRole(self, request: pb.DeleteRoleRequest, context: object) -> pb.DeleteRoleResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.MANAGE_ROLES)
        await self._changes.make(
            grant,
            lambda scene: role_rules.delete(
                scene.state, scene.actor, request.role_id, holders=scene.holders_of(request.role_id)
            ),
            reason=request.reason,
            wanted=Wanted(holders_of=request.role_id),
        )
        return pb.DeleteRoleResponse()

    async def MoveRoles(self, request: pb.MoveRolesRequest, context: object) -> pb.MoveRolesResponse:
        grant = await self._access.in_server(request.server_id, required=Permission.MANAGE_ROLES)
        moves = [RoleMove(move.role_id, move.position) for move in request.moves]
        made = await self._changes.make(
            grant, lambda scene: role_rules.move(scene.state, scene.actor, moves), reason=request.reason
        )
        return pb.MoveRolesResponse(roles=render.roles(made.state))
