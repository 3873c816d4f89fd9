"""One row of the matrix: a route as the OpenAPI document names it, and who may."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.support.matrix.rules import InChannel, Rule, SignedIn
from tests.support.refusals import MISSING_PERMISSIONS, Refusal

API: Final = "/api/v10"
BEEP: Final = "/api/beep/v1"


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """`route`: `METHOD /path/{name}`; what is below /api/v10 without it.

    Attributes:
        body: its JSON, with `{name}` for the id of a thing.
        query: behind the path.
        note: tells rows of one route apart.
        fresh: things that an allowed call uses up, so that each such cell gets its own.
        things: which maker makes the thing of a name, when it is not the one of that name.
        multipart: the body goes as a form with a file.
        joins: a stranger is a member afterwards, and has to leave again.
        bare: it is about the channel that only a role makes visible, whatever kind of rule says who may.
        refused_only: who may does not, because everybody else is still needed as they are.
        actor: only this one plays, one of the extras of the stage, and gets `refusal`.
        own_account: an allowed call ends what the caller has, so a newcomer makes it, who is in no server.
    """

    route: str
    rule: Rule = field(default_factory=SignedIn)
    body: Any = None
    query: str = ""
    note: str = ""
    fresh: frozenset[str] = frozenset()
    things: Mapping[str, str] = field(default_factory=dict)
    multipart: bool = False
    own_account: bool = False
    joins: bool = False
    bare: bool = False
    refused_only: bool = False
    actor: str = ""
    refusal: Refusal = MISSING_PERMISSIONS

    @property
    def method(self) -> str:
        return self.route.partition(" ")[0]

    @property
    def path(self) -> str:
        return self.route.partition(" ")[2] + self.query

    @property
    def is_bare(self) -> bool:
        return self.bare or (isinstance(self.rule, InChannel) and self.rule.bare)

    def __str__(self) -> str:
        return f"{self.route} ({self.note})" if self.note else self.route
