"""What a rule answers is remembered by what it reads: most rights of a server are granted to the same roles, and most
channels have the same overwrites, so most checks are one that was made before.

A check names an entity and a token, and two checks of different ones are different questions to an engine. But where a
permission is one rule over the entity's own attributes, its answer depends on nothing but these and the context: those
are read, all that belong together in one call, and equal ones are asked once. The embedded engine does the same inside
(services/authz/store/rules.py); for an engine behind a socket it is the difference between 1,700 calls and 100 after
the edit of a role.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from services.authz.answers import Answers
from services.authz.domain.facts import CHANNEL_RIGHT, SERVER_RIGHT, Entity, Value
from services.authz.domain.rights import RIGHTS
from services.authz.domain.schema import RuleCall, Schema
from services.authz.store.kept import VALUES_KEPT, size_of
from services.authz.store.ports import Authorizer, Context, Token

_RIGHTS_OF: Final[Mapping[str, tuple[str, ...]]] = {
    SERVER_RIGHT: tuple(right.name for right in RIGHTS),
    CHANNEL_RIGHT: tuple(right.name for right in RIGHTS if right.in_channel),
}

_Facts: TypeAlias = tuple[tuple[str, Value], ...]
_NOTHING: Final[_Facts] = ()


class RememberedRules:
    """Checks of rights, in front of an engine. What is no right, or no single rule, goes straight to it."""

    def __init__(self, engine: Authorizer, schema: Schema) -> None:
        """`schema` is what the engine decides by: only what it says is one rule is remembered as one."""
        self._engine = engine
        self._rules = {
            (entity, permission): expression
            for entity in _RIGHTS_OF
            for permission, expression in schema.entities[entity].permissions.items()
            if isinstance(expression, RuleCall)
        }
        self._groups = Answers(VALUES_KEPT, _size_of_group)
        self._answers = Answers(VALUES_KEPT, _size_of_question)

    async def check(self, entity: Entity, permission: str, subject: Entity, context: Context, token: Token) -> bool:
        """As the engine's own."""
        rule = self._rules.get((entity.type, permission))
        if rule is None:
            return await self._engine.check(entity, permission, subject, context, token)
        facts = await self._facts(entity.type, entity.id.partition(".")[0], token)
        key = (rule, facts.get(entity.id, _NOTHING), tuple(context.items()))
        return await self._answers.ask(key, self._engine.check, entity, permission, subject, context, token)

    async def read_ahead(self, entity_type: str, group: int, token: Token) -> None:
        """Read what decides the rights of this server or channel: they will be asked about."""
        await self._facts(entity_type, str(group), token)

    async def _facts(self, entity_type: str, group: str, token: Token) -> Mapping[str, _Facts]:
        return await self._groups.ask((entity_type, group, token), self._read, entity_type, group, token)

    async def _read(self, entity_type: str, group: str, token: Token) -> dict[str, _Facts]:
        """The facts of all rights of a server or a channel, those that have any."""
        rights = [Entity(entity_type, f"{group}.{name}") for name in _RIGHTS_OF[entity_type]]
        found = await self._engine.read_attributes(rights, token)
        return {entity.id: tuple(sorted(values.items())) for entity, values in found.items() if any(values.values())}


def _size_of_group(_: object, facts: Mapping[str, _Facts]) -> int:
    return size_of(()) + sum(size_of(value for _, value in values) for values in facts.values())


def _size_of_question(key: tuple[object, _Facts, tuple[tuple[str, object], ...]], _: object) -> int:
    _, facts, context = key
    return size_of(value for _, value in (*facts, *context))
