"""An engine whose calls are counted and timed: every other adapter is put into this one."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import ParamSpec, TypeVar

from services.authz.domain.facts import Attribute, Entity, Relationship, RelationshipFilter, Value
from services.authz.metrics import Counts, Metrics
from services.authz.store.ports import Authorizer, Context, Page, Token

P = ParamSpec("P")
V = TypeVar("V")


class MeasuredAuthorizer:
    """The adapter of `Authorizer` that asks another one."""

    def __init__(self, engine: Authorizer, counts: Counts, metrics: Metrics, now: Callable[[], float]) -> None:
        """`now` is a clock that never goes back, in seconds."""
        self._engine = engine
        self._counts = counts
        self._metrics = metrics
        self._now = now

    async def write_schema(self, schema: str) -> str:
        return await self._measured("write_schema", self._engine.write_schema, schema)

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        return await self._measured("check", self._engine.check, entity, permission, subject, context, token)

    async def read_attributes(self, entities: Sequence[Entity], token: Token) -> Mapping[Entity, Mapping[str, Value]]:
        return await self._measured("read_attributes", self._engine.read_attributes, entities, token)

    async def read_relationships(self, query: RelationshipFilter, token: Token) -> Sequence[Relationship]:
        return await self._measured("read_relationships", self._engine.read_relationships, query, token)

    async def list_attributes(self, entity_type: str, token: Token, *, after: str = "", limit: int) -> Page[Attribute]:
        ask = self._engine.list_attributes
        return await self._measured("list_attributes", ask, entity_type, token, after=after, limit=limit)

    async def list_relationships(
        self, entity_type: str, relation: str, token: Token, *, after: str = "", limit: int
    ) -> Page[Relationship]:
        ask = self._engine.list_relationships
        return await self._measured("list_relationships", ask, entity_type, relation, token, after=after, limit=limit)

    async def write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship] = ()) -> Token:
        return await self._measured("write", self._engine.write, attributes, relationships)

    async def delete(self, query: RelationshipFilter) -> Token:
        return await self._measured("delete", self._engine.delete, query)

    async def head(self) -> Token:
        return await self._measured("head", self._engine.head)

    async def _measured(self, call: str, ask: Callable[P, Awaitable[V]], /, *arguments: P.args, **named: P.kwargs) -> V:
        counts = self._counts
        counts.questions += 1
        counts.engine_calls[call] += 1
        started = self._now()
        try:
            return await ask(*arguments, **named)
        except Exception:
            counts.engine_failures += 1
            raise
        finally:
            self._metrics.engine_seconds.record(self._now() - started, {"call": call})
