"""The permission engine as Beep needs it: the specification that every adapter meets
(tests/contract/test_authorizer.py).

The port has only what Permify offers (https://docs.permify.co/api-reference), so that it can be one of the adapters.

Time. Every accepted write gives a new snap token. A token stands for *exactly* the facts as of that write, neither
older nor newer: the same question with the same token has one answer for ever, whatever was written since. Whoever
asks anew with an old token is answered from old facts; freshness is the caller's business (services/authz/epochs.py).
Tokens are opaque and are only ever compared for being equal. Facts that a later write replaced stay readable for some
seconds at least, which is longer than any decision may take.

One writer. At most one `write` or `delete` may be in flight per engine: with two, a token could exclude for ever what
was in flight when it was made, and an acknowledged revoke would stay allowed. The caller sees to it
(services/authz/lane.py).

Durability. When `write` or `delete` returns, a crash loses nothing of it. When it raises, it may or may not have
happened: repeat it, it is idempotent.

Failures. `Unavailable` or `DeadlineExceeded`: ask again later. `Internal`: the question is wrong (an entity,
permission or context key that the schema does not know, or that the rule needs and the caller left out). Never a
denial in place of an error.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeAlias, TypeVar

from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.domain.lease import Lease

Token: TypeAlias = str
"""A snap token."""

Context: TypeAlias = Mapping[str, bool | str | tuple[str, ...]]
"""What a rule reads as `context.data`."""


WRITE_LIMIT: Final = 1_000
"""The most items that one `write` takes; Permify refuses more."""

WRITE_SECONDS: Final = 1.0
"""After that a `write` or `delete` has returned or raised, and is in flight no more. (An engine that serves one process
only may take longer.)"""


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of what there is. `after`: where the next page begins; empty: that was all."""

    items: tuple[T, ...]
    after: str = ""


class Checks(Protocol):
    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        """Whether the subject has the permission of the entity, as of the token.

        An attribute that was never written counts as false, 0, '' or the empty list; an entity without facts is no
        error.
        """
        ...


class Authorizer(Checks, Protocol):
    async def write_schema(self, schema: str) -> str:
        """Use this schema for every call that begins afterwards, and return its version.

        The same text gives the same version. Facts stay. Raises InvalidArgument when the schema is wrong.
        """
        ...

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        """All attributes of the entities as of the token, in one call. An entity without any is left out."""
        ...

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        """The relationships as of the token, in no order. The filter must name an entity or a subject."""
        ...

    async def list_attributes(self, entity_type: str, token: Token, *, after: str = "", limit: int) -> Page[Attribute]:
        """The attributes of all entities of a type as of the token, a page of at most `limit` in an order of its own.

        A walk may take a newer token for each page: what is there in all of them is listed at least once.
        """
        ...

    async def list_relationships(
        self, entity_type: str, relation: str, token: Token, *, after: str = "", limit: int
    ) -> Page[Relationship]:
        """The relationships of one relation, likewise."""
        ...

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        """Write all or nothing: replace the attributes whole, add the relationships; what is there already is no error.

        At most `WRITE_LIMIT` items. Raises InvalidArgument, and writes nothing, when the schema does not know one of
        them.
        """
        ...

    async def delete(self, query: RelationshipFilter) -> Token:
        """Delete the relationships; none is no error. The filter must name an entity or a subject."""
        ...

    async def head(self) -> Token:
        """A token that sees every write that has returned."""
        ...


class Leases(Protocol):
    """Where the lease of the lane lies: one record that all processes see, and only this.

    No time is kept here. Who waits measures how long the record has not changed (services/authz/domain/lease.py).
    `Unavailable` from `swap`: it may or may not have happened; read.
    """

    async def read(self) -> Lease:
        """The record; before anybody had it `NOBODYS`. Every `swap` that has returned True is seen."""
        ...

    async def swap(self, expected: Lease, lease: Lease) -> bool:
        """Replace the record if its fence and beat are those expected, atomically; else False."""
        ...
