"""Explanations as protos: whole for who manages, cut down for the person concerned."""

from collections.abc import Sequence
from typing import Final

from beep.authz.v1 import explain_service_pb2 as pb
from services.authz.domain.explanation import Explanation, Kind, Result
from services.authz.domain.remedy import Change, ChangeKind
from services.authz.domain.rights import VIEW
from services.authz.explain import Pinned
from services.authz.pinning import PrivatePin

_KINDS: Final = {kind: pb.StepKind.Value(f"STEP_KIND_{kind.name}") for kind in Kind}
_RESULTS: Final = {result: pb.StepResult.Value(f"STEP_RESULT_{result.name}") for result in Result}
_CHANGES: Final = {kind: pb.ChangeKind.Value(f"CHANGE_KIND_{kind.name}") for kind in ChangeKind}


def explanation_message(pinned: Pinned, explanation: Explanation, changes: Sequence[Change]) -> pb.Explanation:
    """All of it."""
    if isinstance(pinned, PrivatePin):
        user_id, server_id, channel_id = pinned.user_id, 0, pinned.channel_id
    else:
        user_id, server_id = pinned.member.user_id, pinned.member.server_id
        channel_id = pinned.channels[0].asked_id if pinned.channels else 0
    return pb.Explanation(
        user_id=user_id,
        server_id=server_id,
        channel_id=channel_id,
        permission=explanation.right.mask,
        allowed=explanation.allowed,
        steps=[
            pb.Step(
                kind=_KINDS[step.kind],
                result=_RESULTS[step.result],
                permission=step.right.mask,
                role_ids=step.roles,
            )
            for step in explanation.steps
        ],
        changes=[
            pb.Change(kind=_CHANGES[change.kind], role_id=change.role_id, permission=change.mask) for change in changes
        ],
    )


def limited(explanation: pb.Explanation) -> pb.Explanation:
    """What the person concerned may know: the steps, which are about themselves and the roles that they hold.

    Of the changes no role is named that decides no step; and none is told to who may not view the channel, for it
    would tell how the channel is kept, nor where a private one is closed for writing: it would tell of a block.
    """
    cut = pb.Explanation()
    cut.CopyFrom(explanation)
    deciding = explanation.steps[-1] if explanation.steps else None
    if deciding is None or (
        deciding.result == pb.STEP_RESULT_DENIES
        and ((explanation.channel_id and deciding.permission == VIEW.mask) or deciding.kind == pb.STEP_KIND_SILENCED)
    ):
        cut.ClearField("changes")
        return cut
    held = {role for step in explanation.steps for role in step.role_ids}
    for change in cut.changes:
        if change.role_id not in held:
            change.role_id = 0
    return cut
