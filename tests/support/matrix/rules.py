"""What each row says about who may: written from the stories and from Discord's documentation, not from the code."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.common.permissions import Permission as P
from tests.support.matrix.subjects import Standing, Subject
from tests.support.refusals import MISSING_ACCESS, MISSING_PERMISSIONS, UNAUTHORIZED, Refusal
from tests.support.roles import NOTHING


@dataclass(frozen=True, slots=True)
class Allowed:
    pass


@dataclass(frozen=True, slots=True)
class Hidden:
    """404, the very answer that an id of nothing gets."""


Verdict = Allowed | Hidden | Refusal
ALLOWED: Final = Allowed()
HIDDEN: Final = Hidden()


class Rule(Protocol):
    @property
    def needed(self) -> P:
        """The rights that decide; `UNABLE` lacks them all."""
        ...

    def verdict(self, subject: Subject) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class Open:
    """Also for who is not signed in."""

    needed: P = NOTHING

    def verdict(self, subject: Subject) -> Verdict:
        return ALLOWED


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What is one's own, or everybody's."""

    needed: P = NOTHING

    def verdict(self, subject: Subject) -> Verdict:
        return UNAUTHORIZED if subject.standing is Standing.SIGNED_OUT else ALLOWED


@dataclass(frozen=True, slots=True)
class Other:
    """A rule that only this row has, for those who are signed in."""

    decide: Callable[[Subject], Verdict]
    needed: P = NOTHING

    def verdict(self, subject: Subject) -> Verdict:
        return UNAUTHORIZED if subject.standing is Standing.SIGNED_OUT else self.decide(subject)


@dataclass(frozen=True, slots=True)
class InServer:
    """A member who has one of these rights on the server; without any: every member."""

    any_of: P = NOTHING
    refusal: Refusal = MISSING_PERMISSIONS

    @property
    def needed(self) -> P:
        return self.any_of

    def verdict(self, subject: Subject) -> Verdict:
        if subject.standing is Standing.SIGNED_OUT:
            return UNAUTHORIZED
        if not subject.standing.is_inside:
            return HIDDEN
        return ALLOWED if not self.any_of or subject.rights & self.any_of else self.refusal


@dataclass(frozen=True, slots=True)
class InChannel:
    """A member who views the channel and has all of `all_of` there, and one of `any_of`.

    `bare`: it is the channel that only a role makes visible; else everybody views it.
    """

    any_of: P = NOTHING
    all_of: P = NOTHING
    bare: bool = False

    @property
    def needed(self) -> P:
        return self.any_of | self.all_of | (P.VIEW_CHANNEL if self.bare else NOTHING)

    def verdict(self, subject: Subject) -> Verdict:
        if subject.standing is Standing.SIGNED_OUT:
            return UNAUTHORIZED
        if not subject.standing.is_inside:
            return HIDDEN
        rights = subject.rights | (NOTHING if self.bare else P.VIEW_CHANNEL)
        if not rights & P.VIEW_CHANNEL:
            return MISSING_ACCESS
        has_all = rights & self.all_of == self.all_of
        return ALLOWED if has_all and (not self.any_of or rights & self.any_of) else MISSING_PERMISSIONS


@dataclass(frozen=True, slots=True)
class Both:
    """Each of several rules; the first that refuses speaks."""

    rules: tuple[Rule, ...] = field(default=())

    @property
    def needed(self) -> P:
        needed = NOTHING
        for rule in self.rules:
            needed |= rule.needed
        return needed

    def verdict(self, subject: Subject) -> Verdict:
        return next((verdict for rule in self.rules if (verdict := rule.verdict(subject)) != ALLOWED), ALLOWED)


@dataclass(frozen=True, slots=True)
class NobodyInside:
    """Refused to every member, whatever their rights are."""

    refusal: Refusal = MISSING_PERMISSIONS
    needed: P = NOTHING

    def verdict(self, subject: Subject) -> Verdict:
        if subject.standing is Standing.SIGNED_OUT:
            return UNAUTHORIZED
        return self.refusal if subject.standing.is_inside else HIDDEN


@dataclass(frozen=True, slots=True)
class OwnerOnly:
    """No right is enough, not even ADMINISTRATOR."""

    needed: P = NOTHING
    refusal: Refusal = MISSING_PERMISSIONS

    def verdict(self, subject: Subject) -> Verdict:
        if subject.standing is Standing.SIGNED_OUT:
            return UNAUTHORIZED
        if not subject.standing.is_inside:
            return HIDDEN
        return ALLOWED if subject.standing is Standing.OWNER else self.refusal
