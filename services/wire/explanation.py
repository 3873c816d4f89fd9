"""Why a permission is granted or denied: Beep's own, for people and for programs at once.

Each step and change has a word that is stable (`step`, `result`, `change`) and a sentence in plain English (`message`),
which may be improved at any time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType

from beep.authz.v1 import explain_service_pb2 as pb
from services.common.permissions import Permission
from services.wire.encoding import timestamp

PermissionWord = Annotated[str, Meta(examples=["SEND_MESSAGES"])]
Verdict = Annotated[
    str,
    Meta(
        description="The whole answer in one sentence.",
        examples=["Denied: the overwrite of role quiet-hours in #general denies SEND_MESSAGES."],
    ),
]
IsFull = Annotated[bool, Meta(description="False: only what the person concerned may know of it.")]


class NamedRoleObject(Struct, kw_only=True):
    """The name is left out of a role that is gone, and where the caller may not know it."""

    id: str
    name: Annotated[str, Meta(examples=["quiet-hours"])] | UnsetType = UNSET


class ExplanationStepObject(Struct, kw_only=True):
    step: Annotated[str, Meta(examples=[kind.removeprefix("STEP_KIND_").lower() for kind in pb.StepKind.keys()[1:]])]
    result: Annotated[
        str,
        Meta(
            description="`passes`: nothing against it here; `allows`: this step's permission is granted; `denies`: "
            "denied, whatever would come after.",
            examples=["passes", "allows", "denies"],
        ),
    ]
    permission: Annotated[
        str, Meta(description="What this step is about; not always what was asked for.", examples=["VIEW_CHANNEL"])
    ]
    roles: Annotated[list[NamedRoleObject], Meta(description="Those that the person holds whose fact it is.")]
    message: Annotated[str, Meta(examples=["the overwrite of role quiet-hours in #general denies SEND_MESSAGES"])]


class ExplanationChangeObject(Struct, kw_only=True):
    change: Annotated[
        str, Meta(examples=[kind.removeprefix("CHANGE_KIND_").lower() for kind in pb.ChangeKind.keys()[1:]])
    ]
    role: NamedRoleObject | UnsetType = UNSET
    permission: PermissionWord | UnsetType = UNSET
    message: Annotated[
        str, Meta(examples=["remove the deny of SEND_MESSAGES from the overwrite of role quiet-hours in #general"])
    ]


class ExplanationObject(Struct, kw_only=True):
    permission: PermissionWord
    allowed: bool
    message: Verdict
    user_id: str
    guild_id: str | UnsetType = UNSET
    channel_id: str | UnsetType = UNSET
    steps: Annotated[
        list[ExplanationStepObject], Meta(description="In the order in which they are taken; the last one decides.")
    ]
    changes: Annotated[
        list[ExplanationChangeObject],
        Meta(description="What to change for the opposite answer: one change where one is enough."),
    ]
    full: IsFull


class DecisionObject(Struct, kw_only=True):
    id: str
    timestamp: str
    reason: Annotated[str, Meta(examples=["MISSING_PERMISSIONS", "NOT_AUTHOR"])]
    message: Verdict
    user_id: str | UnsetType = UNSET
    guild_id: str | UnsetType = UNSET
    channel_id: str | UnsetType = UNSET
    missing_permissions: list[PermissionWord]
    explanations: Annotated[
        list[ExplanationObject],
        Meta(description="Of each missing permission, as of the refusal. Empty where no permission decided."),
    ]
    full: IsFull


@dataclass(frozen=True, slots=True)
class Names:
    """What the caller may know by name. `channel`: the one whose overwrites count, for a thread where it hangs."""

    roles: Mapping[int, str] = field(default_factory=dict)
    channel: str = ""
    server_id: int = 0

    def role(self, role_id: int) -> str:
        if role_id == self.server_id:
            return "@everyone"
        name = self.roles.get(role_id)
        return f"role {name}" if name else f"a role ({role_id})"

    def roles_of(self, role_ids: Sequence[int]) -> str:
        *first, last = [self.role(role_id) for role_id in role_ids]
        return f"{', '.join(first)} and {last}" if first else last

    @property
    def here(self) -> str:
        return f"in #{self.channel}" if self.channel else "in this channel"

    def object(self, role_id: int) -> NamedRoleObject:
        name = "@everyone" if role_id == self.server_id else self.roles.get(role_id)
        return NamedRoleObject(id=str(role_id), name=UNSET if name is None else name)


def explanation_object(explanation: pb.Explanation, names: Names, *, full: bool) -> ExplanationObject:
    asked = permission_name(explanation.permission)
    return ExplanationObject(
        permission=asked,
        allowed=explanation.allowed,
        message=_verdict(explanation, names),
        user_id=str(explanation.user_id),
        guild_id=_id(explanation.server_id),
        channel_id=_id(explanation.channel_id),
        steps=[_step_object(step, names) for step in explanation.steps],
        changes=[_change_object(change, names) for change in explanation.changes],
        full=full,
    )


def decision_object(decision: pb.Decision, names: Names, *, full: bool) -> DecisionObject:
    explanations = [explanation_object(one, names, full=full) for one in decision.explanations]
    denied = [one.message for one in explanations if not one.allowed]
    return DecisionObject(
        id=decision.id,
        timestamp=timestamp(decision.at_ms),
        reason=decision.reason,
        message=denied[0] if denied else f"Denied: {decision.message or decision.reason}",
        user_id=_id(decision.user_id),
        guild_id=_id(decision.server_id),
        channel_id=_id(decision.channel_id),
        missing_permissions=[bit.name or "" for bit in Permission(decision.missing)],
        explanations=explanations,
        full=full,
    )


def permission_name(bit: int) -> str:
    return Permission(bit).name or str(bit)


def _verdict(explanation: pb.Explanation, names: Names) -> str:
    asked = permission_name(explanation.permission)
    deciding = explanation.steps[-1]
    said = f"{'Allowed' if explanation.allowed else 'Denied'}: {_step(deciding, names)}"
    if not explanation.allowed and deciding.permission != explanation.permission:
        said += f", and without {permission_name(deciding.permission)} there is no {asked}"
    return f"{said}."


def _step_object(step: pb.Step, names: Names) -> ExplanationStepObject:
    return ExplanationStepObject(
        step=_word(pb.StepKind.Name(step.kind), "STEP_KIND_"),
        result=_word(pb.StepResult.Name(step.result), "STEP_RESULT_"),
        permission=permission_name(step.permission),
        roles=[names.object(role_id) for role_id in step.role_ids],
        message=_step(step, names),
    )


def _word(name: str, prefix: str) -> str:
    return name.removeprefix(prefix).lower()


# By what a step looks at: if it passes, allows, denies. {bit}, {here}, and {roles} with its verb.
_PASSES: Final[Mapping[int, str]] = {
    pb.STEP_KIND_MEMBER: "a member of the server",
    pb.STEP_KIND_SUSPENDED: "the account is not suspended",
    pb.STEP_KIND_FROZEN: "the server is not frozen",
    pb.STEP_KIND_OWNER: "not the owner of the server",
    pb.STEP_KIND_ADMINISTRATOR: "no role held grants ADMINISTRATOR",
    pb.STEP_KIND_MUTED: "not muted",
    pb.STEP_KIND_OWN_OVERWRITE: "no overwrite for this member about it",
    pb.STEP_KIND_ROLES_ALLOW: "no overwrite of a role held allows it",
    pb.STEP_KIND_ROLES_DENY: "no overwrite of a role held denies it",
    pb.STEP_KIND_EVERYONE_OVERWRITE: "no overwrite of @everyone about it",
    pb.STEP_KIND_THREAD: "in a thread SEND_MESSAGES_IN_THREADS stands for SEND_MESSAGES",
    pb.STEP_KIND_LOCKED: "the thread is locked, so MANAGE_THREADS is needed as well",
    pb.STEP_KIND_PARTICIPANT: "takes part in this private channel",
    pb.STEP_KIND_SILENCED: "this private channel is open for writing",
}
_ALLOWS: Final[Mapping[int, str]] = {
    pb.STEP_KIND_OWNER: "the owner of the server may do everything",
    pb.STEP_KIND_ADMINISTRATOR: "{roles} {grants} ADMINISTRATOR, which allows everything",
    pb.STEP_KIND_GRANTED: "{roles} {grants} {bit} on the server",
    pb.STEP_KIND_OWN_OVERWRITE: "the overwrite for this member {here} allows {bit}",
    pb.STEP_KIND_ROLES_ALLOW: "the overwrite of {roles} {here} allows {bit}",
    pb.STEP_KIND_EVERYONE_OVERWRITE: "the overwrite of @everyone {here} allows {bit}",
    pb.STEP_KIND_BASE: "{roles} {grants} {bit} on the server, and no overwrite {here} says otherwise",
    pb.STEP_KIND_IN_PRIVATE: "whoever takes part in a private channel has {bit}",
}
_DENIES: Final[Mapping[int, str]] = {
    pb.STEP_KIND_MEMBER: "not a member of the server",
    pb.STEP_KIND_SUSPENDED: "the account is suspended",
    pb.STEP_KIND_FROZEN: "the server is frozen by a moderator",
    pb.STEP_KIND_MUTED: "muted, and who is muted may only read",
    pb.STEP_KIND_GRANTED: "no role held grants {bit} on the server",
    pb.STEP_KIND_OWN_OVERWRITE: "the overwrite for this member {here} denies {bit}",
    pb.STEP_KIND_ROLES_DENY: "the overwrite of {roles} {here} denies {bit}",
    pb.STEP_KIND_EVERYONE_OVERWRITE: "the overwrite of @everyone {here} denies {bit}",
    pb.STEP_KIND_BASE: "no role held grants {bit} on the server, and no overwrite {here} allows it",
    pb.STEP_KIND_PARTICIPANT: "takes no part in this private channel",
    # Not who has blocked whom.
    pb.STEP_KIND_SILENCED: "this private channel is closed for writing",
    pb.STEP_KIND_IN_PRIVATE: "nobody has {bit} in a private channel",
}
_SENTENCES: Final = {
    pb.STEP_RESULT_PASSES: _PASSES,
    pb.STEP_RESULT_ALLOWS: _ALLOWS,
    pb.STEP_RESULT_DENIES: _DENIES,
}


def _step(step: pb.Step, names: Names) -> str:
    return _SENTENCES[step.result][step.kind].format(
        bit=permission_name(step.permission),
        here=names.here,
        roles=names.roles_of(step.role_ids) if step.role_ids else "",
        grants="grants" if len(step.role_ids) == 1 else "grant",
    )


_CHANGES: Final[Mapping[int, str]] = {
    pb.CHANGE_KIND_JOIN: "become a member of the server",
    pb.CHANGE_KIND_UNSUSPEND: "a moderator lifts the suspension",
    pb.CHANGE_KIND_UNFREEZE: "a moderator releases the server",
    pb.CHANGE_KIND_UNMUTE: "end the mute",
    pb.CHANGE_KIND_UNLOCK: "unlock the thread",
    pb.CHANGE_KIND_UNBLOCK: "whoever has blocked the other takes it back",
    pb.CHANGE_KIND_GIVE_ROLE: "give {role}",
    pb.CHANGE_KIND_TAKE_ROLE: "take {role} away",
    pb.CHANGE_KIND_GIVE_NEW_ROLE: "make a role that grants {bit}, and give it",
    pb.CHANGE_KIND_REVOKE_FROM_ROLE: "take {bit} away from {role}",
    pb.CHANGE_KIND_REMOVE_OWN_DENY: "remove the deny of {bit} from the overwrite for this member {here}",
    pb.CHANGE_KIND_REMOVE_OWN_ALLOW: "remove the allow of {bit} from the overwrite for this member {here}",
    pb.CHANGE_KIND_REMOVE_ROLE_DENY: "remove the deny of {bit} from the overwrite of {role} {here}",
    pb.CHANGE_KIND_REMOVE_ROLE_ALLOW: "remove the allow of {bit} from the overwrite of {role} {here}",
    pb.CHANGE_KIND_ADD_OWN_ALLOW: "allow {bit} in an overwrite for this member {here}",
    pb.CHANGE_KIND_ADD_OWN_DENY: "deny {bit} in an overwrite for this member {here}",
    pb.CHANGE_KIND_HAND_OVER: "hand the server over to somebody else",
    pb.CHANGE_KIND_ADD_PARTICIPANT: "add them to the private channel",
    pb.CHANGE_KIND_REMOVE_PARTICIPANT: "remove them from the private channel",
}


def _change_object(change: pb.Change, names: Names) -> ExplanationChangeObject:
    bit = permission_name(change.permission) if change.permission else ""
    role = names.role(change.role_id) if change.role_id else "a role that allows it"
    return ExplanationChangeObject(
        change=_word(pb.ChangeKind.Name(change.kind), "CHANGE_KIND_"),
        role=names.object(change.role_id) if change.role_id else UNSET,
        permission=bit or UNSET,
        message=_CHANGES[change.kind].format(bit=bit, role=role, here=names.here),
    )


def _id(value: int) -> str | UnsetType:
    return str(value) if value else UNSET
