"""The audit log, for who may read it. What is written there is computed in `domain.audit`."""

from beep.servers.v1 import audit_log_service_pb2 as pb
from beep.servers.v1.audit_log_service_pb2_grpc import AuditLogServiceServicer
from services.common.limits import AUDIT_LOG_PAGE
from services.common.permissions import Permission
from services.servers import render
from services.servers.service.access import CallersAccess
from services.servers.store.ports import AuditQuery, ServerStore


class AuditLogService(AuditLogServiceServicer):
    def __init__(self, store: ServerStore, access: CallersAccess) -> None:
        self._store = store
        self._access = access

    async def ListAuditLog(self, request: pb.ListAuditLogRequest, context: object) -> pb.ListAuditLogResponse:
        await self._access.in_server(request.server_id, required=Permission.VIEW_AUDIT_LOG)
        query = AuditQuery(
            server_id=request.server_id,
            actor_id=request.actor_id,
            action=request.action,
            target_id=request.target_id,
            before=request.before,
            after=request.after,
            limit=min(request.limit or AUDIT_LOG_PAGE, AUDIT_LOG_PAGE),
        )
        entries = await self._store.audit_page(query)
        return pb.ListAuditLogResponse(entries=map(render.audit_entry, entries))
