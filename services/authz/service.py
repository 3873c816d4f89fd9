"""gRPC in: who may ask, what is a proper question, and the answers as protos. Only services may call."""

from collections.abc import Callable, Iterable
from typing import Final

from beep.authz.v1 import authz_service_pb2 as pb
from beep.authz.v1 import facts_pb2
from beep.authz.v1.authz_service_pb2_grpc import AuthzServiceServicer
from beep.authz.v1.explain_service_pb2 import Decision as Refused
from services.authz.audience import Audiences
from services.authz.decisions import Decision, Decisions, Outcome
from services.authz.domain.changes import Change, RemovePrivateChannel, SetPrivateChannel, SetSuspended
from services.authz.domain.rights import KNOWN
from services.authz.fact_changes import change_of
from services.authz.lane import Lane
from services.authz.leader import Leader
from services.authz.mandate import Mandate
from services.authz.metrics import Counts, Metrics
from services.authz.refusals import Refusals
from services.common.auth import require_service
from services.common.authorization import reason_of
from services.common.errors import FieldViolation, InvalidArgument

_OUTCOMES: Final = {
    Outcome.ALLOWED: pb.OUTCOME_ALLOWED,
    Outcome.DENIED: pb.OUTCOME_DENIED,
    Outcome.HIDDEN: pb.OUTCOME_HIDDEN,
}

_OF_NO_SERVER: Final = (SetSuspended, SetPrivateChannel, RemovePrivateChannel)


class AuthzService(AuthzServiceServicer):
    """The servicer."""

    def __init__(
        self,
        decisions: Decisions,
        audiences: Audiences,
        lane: Lane,
        refusals: Refusals,
        counts: Counts,
        metrics: Metrics,
        now: Callable[[], float],
        mandate: Mandate,
        leader: Leader,
    ) -> None:
        """Make it.

        Args:
            now: a clock that never goes back, in seconds.
            mandate: no decision is told that was not made, from its beginning to its end, under one of it.
            leader: facts are given to whoever leads the lane, if that is another process.
        """
        self._decisions = decisions
        self._audiences = audiences
        self._lane = lane
        self._refusals = refusals
        self._counts = counts
        self._metrics = metrics
        self._now = now
        self._mandate = mandate
        self._leader = leader

    async def Authorize(self, request: pb.AuthorizeRequest, context: object) -> pb.AuthorizeResponse:
        require_service()
        _require_known("required", request.required)
        _require_known("any_of", request.any_of)
        _require_known("optional", request.optional)
        kind = request.WhichOneof("object")
        if kind is None:
            raise _invalid("object", "REQUIRED", "Name a server or a channel.")
        counts, started = self._counts, self._now()
        questions = counts.questions
        try:
            mandate = self._mandate.begin()
            if kind == "server_id":
                decision = await self._decisions.authorize_on_server(
                    request.user_id,
                    request.server_id,
                    required=request.required,
                    any_of=request.any_of,
                    optional=request.optional,
                )
            else:
                decision = await self._decisions.authorize_in_channel(
                    request.user_id,
                    request.channel_id,
                    required=request.required,
                    any_of=request.any_of,
                    optional=request.optional,
                )
            self._mandate.confirm(mandate)
        except BaseException:
            counts.failed += 1
            raise
        finally:
            if counts.questions != questions:
                counts.cold += 1
                self._metrics.decision_seconds.record(self._now() - started)
        if decision.outcome is Outcome.ALLOWED:
            counts.allowed += 1
            return _decision(decision, "")
        if decision.outcome is Outcome.HIDDEN:
            counts.hidden += 1
            # Whoever asks is told that there is nothing, and nothing has no decision.
            return _decision(decision, "")
        counts.denied += 1
        # Only a refusal is ever looked up; an id for each of the others would cost more than the decision.
        refused = Refused(
            user_id=request.user_id,
            server_id=decision.server_id,
            channel_id=request.channel_id,
            reason=reason_of(decision.missing, in_private=bool(decision.participant_ids)),
            missing=decision.missing,
        )
        return _decision(decision, self._refusals.note(refused, decision.pinned))

    async def GetPermissions(self, request: pb.GetPermissionsRequest, context: object) -> pb.GetPermissionsResponse:
        require_service()
        _require_known("wanted", request.wanted)
        mandate = self._mandate.begin()
        found = await self._decisions.permissions(
            request.user_id, request.server_id, request.channel_ids, request.wanted or KNOWN
        )
        self._mandate.confirm(mandate)
        if found is None:
            return pb.GetPermissionsResponse(is_member=False)
        return pb.GetPermissionsResponse(
            is_member=True,
            is_owner=found.is_owner,
            permissions=found.server,
            channels=[
                pb.ChannelPermissions(channel_id=channel_id, permissions=mask) for channel_id, mask in found.channels
            ],
            role_ids=found.role_ids,
        )

    async def ComputeAudience(self, request: pb.ComputeAudienceRequest, context: object) -> pb.ComputeAudienceResponse:
        require_service()
        _require_known("wanted", request.wanted)
        mandate = self._mandate.begin()
        groups = await self._audiences.compute(request.server_id, request.user_ids, request.wanted or KNOWN)
        self._mandate.confirm(mandate)
        return pb.ComputeAudienceResponse(
            groups=[
                pb.AudienceGroup(user_ids=group.user_ids, channel_ids=group.channel_ids, permissions=group.permissions)
                for group in groups
            ]
        )

    async def ApplyFacts(self, request: pb.ApplyFactsRequest, context: object) -> pb.ApplyFactsResponse:
        require_service()
        if self._leader.elsewhere:
            return await self._leader.apply(request)
        return await self.apply(request)

    async def apply(self, request: pb.ApplyFactsRequest) -> pb.ApplyFactsResponse:
        """Apply facts here, whoever brought them."""
        if request.version <= 0:
            raise _invalid("version", "REQUIRED", "A change of facts has a version, counted from 1.")
        changes = list(_changes(request.server_id, request.changes))
        return pb.ApplyFactsResponse(snap_token=await self._lane.apply(request.version, changes))


def _decision(decision: Decision, decision_id: str) -> pb.AuthorizeResponse:
    return pb.AuthorizeResponse(
        outcome=_OUTCOMES[decision.outcome],
        missing=decision.missing,
        granted=decision.granted,
        server_id=decision.server_id,
        role_ids=decision.role_ids,
        is_owner=decision.is_owner,
        decision_id=decision_id,
        parent_channel_id=decision.parent_channel_id,
        archived=decision.archived,
        participant_ids=decision.participant_ids,
    )


def _changes(server_id: int, changes: Iterable[facts_pb2.FactChange]) -> Iterable[Change]:
    """The changes in the words of the domain.

    Raises:
        InvalidArgument: one is empty, or is about another server than the request, whose version would not count
            for it.
    """
    for number, message in enumerate(changes):
        change = change_of(message)
        if change is None:
            raise _invalid(f"changes.{number}", "REQUIRED", "The change is empty.")
        about = 0 if isinstance(change, _OF_NO_SERVER) else change.server_id
        if about != server_id:
            raise _invalid(f"changes.{number}", "WRONG_SERVER", "The change is about another server than the request.")
        yield change


def _require_known(field: str, mask: int) -> None:
    if mask & ~KNOWN:
        raise _invalid(field, "UNKNOWN_PERMISSION", f"{mask & ~KNOWN:#x} are no permission bits.")


def _invalid(field: str, code: str, message: str) -> InvalidArgument:
    return InvalidArgument("INVALID_REQUEST", message, violations=[FieldViolation(field, code, message)])
