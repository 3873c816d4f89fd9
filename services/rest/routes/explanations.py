"""Why somebody may do something, or may not: Beep's own."""

from typing import Annotated, Final

from litestar import get
from litestar.params import PathParameter, QueryParameter

from beep.authz.v1.explain_service_pb2 import ExplainRequest, GetDecisionRequest
from beep.servers.v1.channels_service_pb2 import GetChannelRequest
from beep.servers.v1.roles_service_pb2 import ListRolesRequest
from services.common.errors import BeepError, FieldViolation
from services.common.permissions import Permission
from services.common.snowflake import MAX_SNOWFLAKE
from services.rest.errors import InvalidForm
from services.rest.fields import PathId
from services.rest.request import ApiRequest
from services.wire.explanation import (
    DecisionObject,
    ExplanationObject,
    Names,
    decision_object,
    explanation_object,
)

ME: Final = "@me"
_LONGEST_NAME: Final = 64

PathUser = Annotated[str, PathParameter(pattern=r"^(@me|[0-9]{1,19})$", description="A user's id, or `@me`.")]
# Litestar does not look at the names; `_bit` does, and says which there are.
PermissionName = Annotated[
    str,
    QueryParameter(
        max_length=_LONGEST_NAME,
        schema_extra={"enum": [each.name for each in Permission], "examples": ["SEND_MESSAGES"]},
    ),
]
PathDecision = Annotated[str, PathParameter(pattern=r"^[0-9a-f]{1,64}$", description="`decision_id` of a 403.")]


@get("/channels/{channel_id:str}/permissions/{user_id:str}/explain")
async def explain_channel_permission(
    request: ApiRequest, channel_id: PathId, user_id: PathUser, permission: PermissionName
) -> ExplanationObject:
    """Why a user has a permission in a channel or thread, or has it not: about oneself, or where one manages."""
    asked = ExplainRequest(user_id=_user(request, user_id), channel_id=channel_id, permission=_bit(permission))
    return await _explain(request, asked)


@get("/servers/{server_id:str}/permissions/{user_id:str}/explain")
async def explain_server_permission(
    request: ApiRequest, server_id: PathId, user_id: PathUser, permission: PermissionName
) -> ExplanationObject:
    """Why a user has a permission on a server, or has it not: about oneself, or where one manages."""
    asked = ExplainRequest(user_id=_user(request, user_id), server_id=server_id, permission=_bit(permission))
    return await _explain(request, asked)


@get("/decisions/{decision_id:str}")
async def get_decision(request: ApiRequest, decision_id: PathDecision) -> DecisionObject:
    """A refusal, by the `decision_id` of its 403: of one's own, or where one manages; for 30 days at most."""
    answer = await request.services.explain.GetDecision(
        GetDecisionRequest(decision_id=decision_id), metadata=request.to_authz
    )
    decision = answer.decision
    names = await _names(request, decision.server_id, decision.channel_id)
    return decision_object(decision, names, full=answer.full)


async def _explain(request: ApiRequest, asked: ExplainRequest) -> ExplanationObject:
    answer = await request.services.explain.Explain(asked, metadata=request.to_authz)
    explanation = answer.explanation
    names = await _names(request, explanation.server_id, explanation.channel_id)
    return explanation_object(explanation, names, full=answer.full)


async def _names(request: ApiRequest, server_id: int, channel_id: int) -> Names:
    """What the caller may know by name: each name is asked for on their behalf, and one that is refused is left out."""
    if not server_id:
        return Names()
    roles: dict[int, str] = {}
    channel = ""
    try:
        listed = await request.services.roles.ListRoles(
            ListRolesRequest(server_id=server_id), metadata=request.to_servers
        )
        roles = {role.id: role.name for role in listed.roles}
        if channel_id:
            channel = await _channel_name(request, channel_id)
    except BeepError:
        pass
    return Names(roles, channel, server_id)


async def _channel_name(request: ApiRequest, channel_id: int) -> str:
    """Of a thread, that of the channel that it hangs on: there its permissions are set."""
    for _ in range(2):
        answer = await request.services.channels.GetChannel(
            GetChannelRequest(channel_id=channel_id), metadata=request.to_servers
        )
        channel_id = answer.channel.parent_id
        if not answer.channel.HasField("thread"):
            break
    return answer.channel.name


def _user(request: ApiRequest, user_id: str) -> int:
    """Raises InvalidForm for a number that is no id."""
    if user_id == ME:
        return request.caller.user_id
    if int(user_id) > MAX_SNOWFLAKE:
        raise InvalidForm(FieldViolation("user_id", "NUMBER_TYPE_MAX", f"Value must be at most {MAX_SNOWFLAKE}."))
    return int(user_id)


def _bit(name: str) -> int:
    """Raises InvalidForm, which lists the names."""
    try:
        return int(Permission[name.upper()])
    except KeyError:
        choices = ", ".join(each.name or "" for each in Permission)
        violation = FieldViolation("permission", "BASE_TYPE_CHOICES", f"Value must be one of {{{choices}}}.")
        raise InvalidForm(violation) from None


ROUTES = [explain_channel_permission, explain_server_permission, get_decision]
