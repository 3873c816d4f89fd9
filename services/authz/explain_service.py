"""gRPC in, for people: why something was refused, or would be. Who asks decides how much of it they hear.

oneself                       limited: while one is in the server, and of what was refused then also later
who manages the server        full; a channel that they may not view stays closed to them as well
a global moderator            full
anybody else                  404 outside of the server, 403 inside
"""

from typing import Final

from beep.authz.v1 import explain_service_pb2 as pb
from beep.authz.v1.explain_service_pb2_grpc import ExplainServiceServicer
from services.authz.decisions import Decisions, Outcome
from services.authz.domain.rights import KNOWN, MANAGE_SERVER, VIEW, Right, rights_in
from services.authz.explain import Explainer, Pinned
from services.authz.explained import explanation_message, limited
from services.authz.mandate import Mandate
from services.authz.pinning import Pinning
from services.authz.refusals import Refusals
from services.common.auth import Principal, current_principal, current_user_id, require_service
from services.common.errors import FieldViolation, InvalidArgument, NotFound, PermissionDenied

MODERATOR_ROLES: Final = frozenset({"UserModerator", "ServerModerator", "ApplicationAdministrator"})
"""The identity provider's roles that look into every server; the verified token says who has one."""

REASON_LENGTH: Final = 64
MESSAGE_LENGTH: Final = 300


class ExplainService(ExplainServiceServicer):
    def __init__(
        self,
        pinning: Pinning,
        decisions: Decisions,
        explainer: Explainer,
        refusals: Refusals,
        mandate: Mandate,
    ) -> None:
        """`mandate`: nothing is told or kept that was not decided, from its beginning to its end, under one of it."""
        self._pinning = pinning
        self._decisions = decisions
        self._explainer = explainer
        self._refusals = refusals
        self._mandate = mandate

    async def Explain(self, request: pb.ExplainRequest, context: object) -> pb.ExplainResponse:
        current_user_id()
        caller = current_principal()
        right = _right(request.permission)
        mandate = self._mandate.begin()
        answer = await self._explain(request, caller, right)
        self._mandate.confirm(mandate)
        return answer

    async def _explain(self, request: pb.ExplainRequest, caller: Principal, right: Right) -> pb.ExplainResponse:
        match request.WhichOneof("object"):
            case "server_id":
                full = await self._view_of_server(caller, request.user_id, request.server_id)
                (pinned,) = self._pinning.members((request.user_id,), request.server_id)
                return await self._explained(pinned, right, full=full)
            case "channel_id":
                full = await self._view_of_channel(caller, request.user_id, request.channel_id)
                found = await self._pinning.in_channel(request.user_id, request.channel_id)
                if found is None:
                    raise NotFound("UNKNOWN_CHANNEL")
                return await self._explained(found, right, full=full)
        raise _invalid("object", "REQUIRED", "Name a server or a channel.")

    async def RecordRefusal(self, request: pb.RecordRefusalRequest, context: object) -> pb.RecordRefusalResponse:
        require_service()
        decision = pb.Decision(
            user_id=request.user_id,
            server_id=request.server_id,
            channel_id=request.channel_id,
            reason=request.reason[:REASON_LENGTH],
            message=request.message[:MESSAGE_LENGTH],
            missing=request.missing & KNOWN,
        )
        pinned: Pinned | None = None
        mandate = self._mandate.begin()
        if request.channel_id:
            here = await self._decisions.authorize_in_channel(request.user_id, request.channel_id, required=0)
            # Of a channel elsewhere no more is kept than its id: whoever was refused could read there whose it is.
            if here.outcome is not Outcome.HIDDEN:
                pinned = await self._pinning.in_channel(request.user_id, request.channel_id)
                decision.server_id = here.server_id
        elif request.server_id:
            (pinned,) = self._pinning.members((request.user_id,), request.server_id)
        self._mandate.confirm(mandate)
        return pb.RecordRefusalResponse(decision_id=self._refusals.note(decision, pinned))

    async def GetDecision(self, request: pb.GetDecisionRequest, context: object) -> pb.GetDecisionResponse:
        current_user_id()
        found = await self._refusals.find(request.decision_id)
        if found is None:
            raise NotFound("UNKNOWN_DECISION", "Unknown decision.")
        caller = current_principal()
        mandate = self._mandate.begin()
        full = _moderates(caller) or await self._manages_place_of(caller, found)
        self._mandate.confirm(mandate)
        if full:
            return pb.GetDecisionResponse(decision=found, full=True)
        if caller.user_id != found.user_id:
            raise NotFound("UNKNOWN_DECISION", "Unknown decision.")
        cut = pb.Decision()
        cut.CopyFrom(found)
        del cut.explanations[:]
        cut.explanations.extend(map(limited, found.explanations))
        return pb.GetDecisionResponse(decision=cut)

    async def _explained(self, pinned: Pinned, right: Right, *, full: bool) -> pb.ExplainResponse:
        ((explanation, changes),) = await self._explainer.explain(pinned, (right,))
        message = explanation_message(pinned, explanation, changes)
        return pb.ExplainResponse(explanation=message if full else limited(message), full=full)

    async def _view_of_server(self, caller: Principal, user_id: int, server_id: int) -> bool:
        """Whether the caller gets the full view. Raises NotFound or PermissionDenied when they get none."""
        if _moderates(caller):
            return True
        decision = await self._decisions.authorize_on_server(
            caller.user_id, server_id, required=0, any_of=MANAGE_SERVER.mask
        )
        if decision.outcome is Outcome.HIDDEN:
            raise NotFound("UNKNOWN_SERVER")
        if decision.outcome is Outcome.DENIED and caller.user_id != user_id:
            raise _not_theirs()
        return decision.outcome is Outcome.ALLOWED

    async def _view_of_channel(self, caller: Principal, user_id: int, channel_id: int) -> bool:
        if _moderates(caller):
            return True
        here = await self._decisions.authorize_in_channel(caller.user_id, channel_id, required=0)
        if here.outcome is Outcome.HIDDEN:
            raise NotFound("UNKNOWN_CHANNEL")
        if here.outcome is Outcome.DENIED and caller.user_id != user_id:
            raise PermissionDenied("MISSING_ACCESS", metadata={"missing": str(VIEW.mask)})
        if here.participant_ids or not here.server_id:
            # Nobody manages a private channel.
            if caller.user_id != user_id:
                raise PermissionDenied("MISSING_ACCESS", "In a private channel nobody is told about others.")
            return False
        full = await self._view_of_server(caller, user_id, here.server_id)
        return full and here.outcome is Outcome.ALLOWED

    async def _manages_place_of(self, caller: Principal, decision: pb.Decision) -> bool:
        if not decision.server_id:
            return False
        manages = await self._decisions.authorize_on_server(
            caller.user_id, decision.server_id, required=MANAGE_SERVER.mask
        )
        if manages.outcome is not Outcome.ALLOWED or not decision.channel_id:
            return manages.outcome is Outcome.ALLOWED
        here = await self._decisions.authorize_in_channel(caller.user_id, decision.channel_id, required=0)
        # What is known of a channel that is gone is the server's.
        return here.outcome is not Outcome.DENIED


def _moderates(principal: Principal) -> bool:
    return not MODERATOR_ROLES.isdisjoint(principal.global_roles)


def _right(mask: int) -> Right:
    if mask & ~KNOWN or mask.bit_count() != 1:
        raise _invalid("permission", "UNKNOWN_PERMISSION", "Name one permission.")
    (right,) = rights_in(mask)
    return right


def _not_theirs() -> PermissionDenied:
    return PermissionDenied(
        "MISSING_PERMISSIONS",
        "Only who manages the server is told about others.",
        metadata={"missing": str(MANAGE_SERVER.mask)},
    )


def _invalid(field: str, code: str, message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_REQUEST", message, violations=[FieldViolation(field, code, message)])
