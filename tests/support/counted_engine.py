"""A permission engine that keeps a list of what it was asked; the answers are those of the real one behind it."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.store.ports import Authorizer, Context, Page, Token


class Asked(NamedTuple):
    """One thing asked: `read` of the facts of an entity, `list` of what belongs to one, or `check` of a permission."""

    kind: str
    entity: Entity


class CountedEngine:
    """An `Authorizer` around another one.

    Attributes:
        asked: everything that was asked since the last `forget`, in order.
        calls: how many calls that took: one call reads many entities.
        round_trips: how often that was waited for: what is asked together is one.
    """

    def __init__(self, engine: Authorizer) -> None:
        self._engine = engine
        self.asked: list[Asked] = []
        self.calls = 0
        self.round_trips = 0
        self._in_flight = 0

    def forget(self) -> None:
        self.asked.clear()
        self.calls = 0
        self.round_trips = 0

    @asynccontextmanager
    async def _calling(self, *asked: Asked) -> AsyncIterator[None]:
        self.calls += 1
        self.round_trips += self._in_flight == 0
        self.asked += asked
        self._in_flight += 1
        try:
            await asyncio.sleep(0)  # what is asked together is in flight together, also where the answer is at hand
            yield
        finally:
            self._in_flight -= 1

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        async with self._calling(Asked("check", entity)):
            return await self._engine.check(entity, permission, subject, context, token)

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        async with self._calling(*(Asked("read", entity) for entity in entities)):
            return await self._engine.read_attributes(entities, token)

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        listed = [] if query.subject is None else [Asked("list", query.subject)]
        read = [Asked("read", Entity(query.entity_type, entity_id)) for entity_id in query.entity_ids]
        async with self._calling(*listed, *read):
            return await self._engine.read_relationships(query, token)

    async def write_schema(self, schema: str) -> str:
        return await self._engine.write_schema(schema)

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        return await self._engine.write(attributes, relationships)

    async def delete(self, query: RelationshipFilter) -> Token:
        return await self._engine.delete(query)

    async def head(self) -> Token:
        return await self._engine.head()

    async def list_attributes(self, entity_type: str, token: Token, *, after: str = "", limit: int) -> Page[Attribute]:
        return await self._engine.list_attributes(entity_type, token, after=after, limit=limit)

    async def list_relationships(
        self, entity_type: str, relation: str, token: Token, *, after: str = "", limit: int
    ) -> Page[Relationship]:
        return await self._engine.list_relationships(entity_type, relation, token, after=after, limit=limit)
