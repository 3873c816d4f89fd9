"""Why: Discord's algorithm step by step over plain facts, up to the fact that decides.

It decides nothing: the permission engine does. It is written a second time here, because an engine answers yes or no
and tells no step; services/authz/explain.py refuses to show an explanation that says other than the decision.
Source of the order: https://docs.discord.com/developers/topics/permissions#permission-overwrites.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from services.authz.domain.rights import (
    ADMINISTRATOR,
    BY_BIT,
    MANAGE_THREADS,
    SEND,
    SEND_IN_THREADS,
    VIEW,
    InPrivate,
    Right,
)
from services.authz.domain.situation import (
    ChannelSituation,
    Overwritten,
    PrivateSituation,
    ServerSituation,
    Situation,
)


class Kind(Enum):
    """What a step looks at; in protos the same names."""

    MEMBER = "member"
    SUSPENDED = "suspended"
    FROZEN = "frozen"
    OWNER = "owner"
    ADMINISTRATOR = "administrator"
    MUTED = "muted"
    GRANTED = "granted"
    OWN_OVERWRITE = "own_overwrite"
    ROLES_ALLOW = "roles_allow"
    ROLES_DENY = "roles_deny"
    EVERYONE_OVERWRITE = "everyone_overwrite"
    BASE = "base"
    THREAD = "thread"
    LOCKED = "locked"
    PARTICIPANT = "participant"
    SILENCED = "silenced"
    IN_PRIVATE = "in_private"


class Result(Enum):
    PASSES = "passes"
    """Nothing against it here: go on."""
    ALLOWS = "allows"
    """The step's bit is granted."""
    DENIES = "denies"
    """Denied, whatever would come after."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step about one bit. `roles` are those held whose fact it is."""

    kind: Kind
    result: Result
    right: Right
    roles: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """The steps in the order in which they are taken. The last one decides."""

    right: Right
    steps: tuple[Step, ...]

    @property
    def allowed(self) -> bool:
        return self.deciding.result is not Result.DENIES

    @property
    def deciding(self) -> Step:
        return self.steps[-1]


def explain(situation: Situation, right: Right) -> Explanation:
    """Every step to the answer whether the right is held there."""
    steps: list[Step] = []
    taken = _in_private(situation, right) if isinstance(situation, PrivateSituation) else _on_server(situation, right)
    for step in taken:
        steps.append(step)
        if step.result is Result.DENIES:
            break
    return Explanation(right, tuple(steps))


def _in_private(situation: PrivateSituation, right: Right) -> Iterator[Step]:
    yield _step(Kind.PARTICIPANT, right, denies=situation.user_id not in situation.participants)
    yield _step(Kind.SUSPENDED, right, denies=situation.suspended)
    if right.in_private is InPrivate.WRITE:
        yield _step(Kind.SILENCED, right, denies=situation.silenced)
    yield Step(Kind.IN_PRIVATE, Result.DENIES if right.in_private is None else Result.ALLOWS, right)


def _on_server(situation: ServerSituation, right: Right) -> Iterator[Step]:
    """What holds everywhere in the server, then what holds in the channel."""
    yield _step(Kind.MEMBER, right, denies=not situation.seat)
    yield _step(Kind.SUSPENDED, right, denies=situation.suspended)
    yield _step(Kind.FROZEN, right, denies=situation.frozen)
    if situation.user_id == situation.owner_id:
        yield Step(Kind.OWNER, Result.ALLOWS, right)
        return
    yield Step(Kind.OWNER, Result.PASSES, right)
    administrators = granting(situation, ADMINISTRATOR)
    if administrators:
        yield Step(Kind.ADMINISTRATOR, Result.ALLOWS, right, administrators)
        return
    yield Step(Kind.ADMINISTRATOR, Result.PASSES, right)
    if situation.channel is None:
        yield from _mute(situation, right)
        roles = granting(situation, right)
        yield Step(Kind.GRANTED, Result.ALLOWS if roles else Result.DENIES, right, roles)
        return
    if right is not VIEW:
        yield from _here(situation, situation.channel, VIEW)
    yield from _in_channel(situation, situation.channel, right)


def _in_channel(situation: ServerSituation, channel: ChannelSituation, right: Right) -> Iterator[Step]:
    """The steps in a channel that may be viewed."""
    yield from _mute(situation, right)
    if right is SEND and channel.is_thread:
        yield Step(Kind.THREAD, Result.PASSES, right)
        yield from _here(situation, channel, SEND_IN_THREADS)
        if channel.locked:
            yield Step(Kind.LOCKED, Result.PASSES, right)
            yield from _here(situation, channel, MANAGE_THREADS)
        return
    if right.presupposes is not None:
        yield from _in_channel(situation, channel, BY_BIT[right.presupposes])
    yield from _here(situation, channel, right)


def _mute(situation: ServerSituation, right: Right) -> Iterator[Step]:
    if not right.survives_mute:
        yield _step(Kind.MUTED, right, denies=situation.muted)


def _here(situation: ServerSituation, channel: ChannelSituation, right: Right) -> Iterator[Step]:
    """The overwrites, from the one that counts most; the first that speaks settles it."""
    said = channel.overwrites.get(right.mask, Overwritten()) if right.in_channel else Overwritten()
    own = ("user", situation.user_id)
    if own in said.allow or own in said.deny:
        yield Step(Kind.OWN_OVERWRITE, Result.ALLOWS if own in said.allow else Result.DENIES, right)
        return
    yield Step(Kind.OWN_OVERWRITE, Result.PASSES, right)
    everyone = situation.server_id
    roles = [role for role in situation.held if role != everyone]
    allowing = tuple(role for role in roles if ("role", role) in said.allow)
    if allowing:
        yield Step(Kind.ROLES_ALLOW, Result.ALLOWS, right, allowing)
        return
    yield Step(Kind.ROLES_ALLOW, Result.PASSES, right)
    denying = tuple(role for role in roles if ("role", role) in said.deny)
    if denying:
        yield Step(Kind.ROLES_DENY, Result.DENIES, right, denying)
        return
    yield Step(Kind.ROLES_DENY, Result.PASSES, right)
    target = ("role", everyone)
    if target in said.allow or target in said.deny:
        result = Result.ALLOWS if target in said.allow else Result.DENIES
        yield Step(Kind.EVERYONE_OVERWRITE, result, right, (everyone,))
        return
    yield Step(Kind.EVERYONE_OVERWRITE, Result.PASSES, right)
    granted = granting(situation, right)
    yield Step(Kind.BASE, Result.ALLOWS if granted else Result.DENIES, right, granted)


def granting(situation: ServerSituation, right: Right) -> tuple[int, ...]:
    """Those of the roles held that grant the right on the server."""
    return tuple(role for role in situation.held if situation.roles[role] & right.mask)


def _step(kind: Kind, right: Right, *, denies: bool) -> Step:
    return Step(kind, Result.DENIES if denies else Result.PASSES, right)


def rights_read(right: Right) -> Sequence[Right]:
    """All rights whose overwrites may decide about this one in a channel or thread."""
    read = {VIEW: None, right: None, SEND_IN_THREADS: None, MANAGE_THREADS: None}
    while right.presupposes is not None:
        right = BY_BIT[right.presupposes]
        read[right] = None
    return tuple(read)
