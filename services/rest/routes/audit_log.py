"""https://docs.discord.com/developers/resources/audit-log"""

from typing import Annotated

from litestar import get
from litestar.params import QueryParameter

from beep.servers.v1.audit_log_service_pb2 import AuditLogEntry, ListAuditLogRequest
from beep.users.v1.users_service_pb2 import GetUsersRequest
from services.common import limits
from services.rest.fields import PathId, QueryId
from services.rest.request import ApiRequest
from services.wire.audit_log import OF_USERS, AuditLogObject, audit_log_object

Page = Annotated[int, QueryParameter(ge=1, le=limits.AUDIT_LOG_PAGE)]


@get("/guilds/{server_id:str}/audit-logs")
async def list_audit_log(
    request: ApiRequest,
    server_id: PathId,
    user_id: QueryId = 0,
    target_id: QueryId = 0,
    action_type: Annotated[int, QueryParameter(ge=0, le=255)] = 0,
    before: QueryId = 0,
    after: QueryId = 0,
    limit: Page = 50,
) -> AuditLogObject:
    """Newest first; with `after` alone oldest first, so that one can go on from there."""
    answer = await request.services.audit_log.ListAuditLog(
        ListAuditLogRequest(
            server_id=server_id,
            actor_id=user_id,
            target_id=target_id,
            action=action_type,
            before=before,
            after=after,
            limit=limit,
        ),
        metadata=request.to_servers,
    )
    named = {user for entry in answer.entries for user in _users(entry)}
    users = await request.services.users.GetUsers(GetUsersRequest(ids=sorted(named)), metadata=request.to_users)
    return audit_log_object(answer.entries, users.users)


def _users(entry: AuditLogEntry) -> set[int]:
    return {entry.actor_id, entry.target_id} if entry.action in OF_USERS else {entry.actor_id}


ROUTES = [list_audit_log]
