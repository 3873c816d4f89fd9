"""The smallest change that turns a decision over, found by trying: what is proposed has been seen to work.

What is never proposed, because it would turn over nearly anything: to make somebody owner or administrator, and to
punish (mute, kick, ban, suspend, freeze). What is proposed gives or takes as little as it can.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from services.authz.domain.explanation import Explanation, Kind, Result, Step, explain
from services.authz.domain.rights import ADMINISTRATOR, MANAGING, VIEW
from services.authz.domain.situation import (
    ChannelSituation,
    Overwritten,
    PrivateSituation,
    ServerSituation,
    Situation,
    Target,
)


class ChangeKind(Enum):
    """What to do; in protos the same names."""

    JOIN = "join"
    UNSUSPEND = "unsuspend"
    UNFREEZE = "unfreeze"
    UNMUTE = "unmute"
    UNLOCK = "unlock"
    UNBLOCK = "unblock"
    GIVE_ROLE = "give_role"
    TAKE_ROLE = "take_role"
    GIVE_NEW_ROLE = "give_new_role"
    REVOKE_FROM_ROLE = "revoke_from_role"
    REMOVE_OWN_DENY = "remove_own_deny"
    REMOVE_OWN_ALLOW = "remove_own_allow"
    REMOVE_ROLE_DENY = "remove_role_deny"
    REMOVE_ROLE_ALLOW = "remove_role_allow"
    ADD_OWN_ALLOW = "add_own_allow"
    ADD_OWN_DENY = "add_own_deny"
    HAND_OVER = "hand_over"
    ADD_PARTICIPANT = "add_participant"
    REMOVE_PARTICIPANT = "remove_participant"


@dataclass(frozen=True, slots=True)
class Change:
    """`role_id`: the role to give, take or edit. `mask`: the bit to edit. 0 where there is none."""

    kind: ChangeKind
    role_id: int = 0
    mask: int = 0


CHANGES_AT_MOST: Final = 8
"""More than the steps that can stand against one right."""

_NEW_ROLE: Final = -1
_NOBODY: Final = -1


def remedy(situation: Situation, explanation: Explanation) -> tuple[Change, ...]:
    """The changes after which the answer is the opposite: one, where one is enough. Empty: none can be proposed."""
    wanted, right = not explanation.allowed, explanation.right
    for change in _proposals(situation, explanation):
        if explain(apply(situation, change), right).allowed is wanted:
            return (change,)
    made: list[Change] = []
    while len(made) < CHANGES_AT_MOST:
        for change in _proposals(situation, explanation):
            changed = apply(situation, change)
            after = explain(changed, right)
            if after.allowed is wanted:
                return (*made, change)
            if _is_further(explanation, after):
                break
        else:
            break
        made.append(change)
        situation, explanation = changed, after
    return ()


def _is_further(before: Explanation, after: Explanation) -> bool:
    """Whether what decided before does so no more, and nothing that stood before it does."""
    if before.allowed:
        return before.deciding != after.deciding
    settled, now_settled = ([step.result for step in one.steps].count(Result.ALLOWS) for one in (before, after))
    if before.deciding.kind in _STATES:
        return now_settled >= settled and after.deciding.kind is not before.deciding.kind
    return now_settled > settled


def _proposals(situation: Situation, explanation: Explanation) -> list[Change]:
    """What may help, the mildest first."""
    if isinstance(situation, PrivateSituation):
        return list(_in_private(explanation))
    if explanation.allowed:
        return list(_against(situation, explanation))
    return list(_in_favour(situation, explanation.deciding))


_STATES: Final[Mapping[Kind, ChangeKind]] = {
    Kind.MEMBER: ChangeKind.JOIN,
    Kind.SUSPENDED: ChangeKind.UNSUSPEND,
    Kind.FROZEN: ChangeKind.UNFREEZE,
    Kind.MUTED: ChangeKind.UNMUTE,
    Kind.PARTICIPANT: ChangeKind.ADD_PARTICIPANT,
    Kind.SILENCED: ChangeKind.UNBLOCK,
}


def _in_private(explanation: Explanation) -> Iterator[Change]:
    if explanation.allowed:
        yield Change(ChangeKind.REMOVE_PARTICIPANT)
    elif explanation.deciding.kind in _STATES:
        yield Change(_STATES[explanation.deciding.kind])


def _in_favour(situation: ServerSituation, deciding: Step) -> Iterator[Change]:
    """What may lift the step that denies."""
    if deciding.kind in _STATES:
        yield Change(_STATES[deciding.kind])
        return
    mask, channel = deciding.right.mask, situation.channel
    if channel is not None and channel.locked:
        yield Change(ChangeKind.UNLOCK)
    match deciding.kind:
        case Kind.OWN_OVERWRITE:
            yield Change(ChangeKind.REMOVE_OWN_DENY, mask=mask)
        case Kind.ROLES_DENY if len(deciding.roles) == 1:
            yield Change(ChangeKind.REMOVE_ROLE_DENY, deciding.roles[0], mask)
        case Kind.EVERYONE_OVERWRITE:
            yield Change(ChangeKind.REMOVE_ROLE_DENY, situation.server_id, mask)
    harmless, managing = _givable(situation)
    yield from (Change(ChangeKind.GIVE_ROLE, role) for role in harmless)
    if channel is not None and deciding.right.in_channel:
        yield Change(ChangeKind.ADD_OWN_ALLOW, mask=mask)
    last = [Change(ChangeKind.GIVE_ROLE, role) for role in managing]
    new = Change(ChangeKind.GIVE_NEW_ROLE, mask=mask)
    yield from (*last, new) if mask & MANAGING else (new, *last)


def _against(situation: ServerSituation, explanation: Explanation) -> Iterator[Change]:
    """What may take away what allows."""
    deciding, channel = explanation.deciding, situation.channel
    mask = deciding.right.mask
    everyone = situation.server_id
    match deciding.kind:
        case Kind.OWNER:
            yield Change(ChangeKind.HAND_OVER)
        case Kind.ADMINISTRATOR:
            mask = ADMINISTRATOR.mask
        case Kind.OWN_OVERWRITE:
            yield Change(ChangeKind.REMOVE_OWN_ALLOW, mask=mask)
        case Kind.ROLES_ALLOW | Kind.EVERYONE_OVERWRITE:
            yield from (Change(ChangeKind.REMOVE_ROLE_ALLOW, role, mask) for role in deciding.roles)
    if channel is not None and deciding.right.in_channel:
        yield Change(ChangeKind.ADD_OWN_DENY, mask=mask)
    yield from (Change(ChangeKind.TAKE_ROLE, role) for role in deciding.roles if role != everyone)
    yield from (Change(ChangeKind.REVOKE_FROM_ROLE, role, mask) for role in deciding.roles)
    if channel is not None:
        yield Change(ChangeKind.ADD_OWN_DENY, mask=VIEW.mask)


def _givable(situation: ServerSituation) -> tuple[list[int], list[int]]:
    """Roles that are not held: those that manage nothing and the others, each with the one that grants least first.

    None that makes an administrator.
    """
    others = sorted(
        (bits.bit_count(), role, bits)
        for role, bits in situation.roles.items()
        if role not in situation.seat and not bits & ADMINISTRATOR.mask
    )
    harmless = [role for _, role, bits in others if not bits & MANAGING]
    return harmless, [role for _, role, bits in others if bits & MANAGING]


def apply(situation: Situation, change: Change) -> Situation:
    """The situation after the change."""
    if isinstance(situation, PrivateSituation):
        return _apply_in_private(situation, change)
    user = ("user", situation.user_id)
    role = ("role", change.role_id)
    match change.kind:
        case ChangeKind.JOIN:
            return replace(situation, seat=frozenset({situation.server_id}))
        case ChangeKind.UNSUSPEND:
            return replace(situation, suspended=False)
        case ChangeKind.UNFREEZE:
            return replace(situation, frozen=False)
        case ChangeKind.UNMUTE:
            return replace(situation, muted=False)
        case ChangeKind.HAND_OVER:
            return replace(situation, owner_id=_NOBODY)
        case ChangeKind.GIVE_ROLE:
            return replace(situation, seat=situation.seat | {change.role_id})
        case ChangeKind.TAKE_ROLE:
            return replace(situation, seat=situation.seat - {change.role_id})
        case ChangeKind.GIVE_NEW_ROLE:
            roles = {**situation.roles, _NEW_ROLE: change.mask | situation.roles.get(_NEW_ROLE, 0)}
            return replace(situation, roles=roles, seat=situation.seat | {_NEW_ROLE})
        case ChangeKind.REVOKE_FROM_ROLE:
            roles = {**situation.roles, change.role_id: situation.roles[change.role_id] & ~change.mask}
            return replace(situation, roles=roles)
    assert situation.channel is not None
    return replace(situation, channel=_apply_in_channel(situation.channel, change, user, role))


def _apply_in_channel(channel: ChannelSituation, change: Change, user: Target, role: Target) -> ChannelSituation:
    said = channel.overwrites.get(change.mask, Overwritten())
    match change.kind:
        case ChangeKind.UNLOCK:
            return replace(channel, locked=False)
        case ChangeKind.REMOVE_OWN_DENY:
            said = replace(said, deny=said.deny - {user})
        case ChangeKind.REMOVE_OWN_ALLOW:
            said = replace(said, allow=said.allow - {user})
        case ChangeKind.REMOVE_ROLE_DENY:
            said = replace(said, deny=said.deny - {role})
        case ChangeKind.REMOVE_ROLE_ALLOW:
            said = replace(said, allow=said.allow - {role})
        case ChangeKind.ADD_OWN_ALLOW:
            said = replace(said, allow=said.allow | {user}, deny=said.deny - {user})
        case ChangeKind.ADD_OWN_DENY:
            said = replace(said, allow=said.allow - {user}, deny=said.deny | {user})
        case _:
            raise AssertionError(f"{change.kind} is no change of a channel")
    return replace(channel, overwrites={**channel.overwrites, change.mask: said})


def _apply_in_private(situation: PrivateSituation, change: Change) -> PrivateSituation:
    match change.kind:
        case ChangeKind.UNSUSPEND:
            return replace(situation, suspended=False)
        case ChangeKind.UNBLOCK:
            return replace(situation, silenced=False)
        case ChangeKind.ADD_PARTICIPANT:
            return replace(situation, participants=situation.participants | {situation.user_id})
        case ChangeKind.REMOVE_PARTICIPANT:
            return replace(situation, participants=situation.participants - {situation.user_id})
        case _:
            raise AssertionError(f"{change.kind} is no change of a private channel")
