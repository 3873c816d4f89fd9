"""What can be said in a schema. Every adapter refuses the rest, before anything is stored or asked."""

from collections.abc import Sequence
from typing import Final

from services.authz.domain.facts import Attribute, Relationship, RelationshipFilter, Value
from services.authz.domain.schema import Combination, Expression, Reference, RuleCall, Schema, Traversal
from services.authz.store.ports import WRITE_LIMIT
from services.common.errors import Internal, InvalidArgument

_INTEGERS: Final = range(-(2**31), 2**31)
"""Permify keeps 32 bits."""


class Vocabulary:
    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._context_keys: dict[tuple[str, str], frozenset[str]] = {}

    def check_write(self, attributes: Sequence[Attribute], relationships: Sequence[Relationship]) -> None:
        """Raises InvalidArgument when the schema does not know one of them, or they are too many."""
        if len(attributes) + len(relationships) > WRITE_LIMIT:
            raise InvalidArgument("WRITE_TOO_LARGE", f"One write takes at most {WRITE_LIMIT} items.")
        for attribute in attributes:
            self._check_attribute(attribute)
        for relationship in relationships:
            self._check_relationship(relationship)

    def subject_relation(self, relationship: Relationship) -> str:
        """`member` of `@team#member`: who is meant is not the team but its members. Empty: the subject itself."""
        kinds = self._schema.entities[relationship.entity.type].relations[relationship.relation]
        return next(kind.relation for kind in kinds if kind.type == relationship.subject.type)

    def context_keys(self, entity_type: str, permission: str) -> frozenset[str]:
        """Every key of `context.data` that the answer may depend on.

        Raises:
            Internal: the schema does not know the entity or its permission.
        """
        asked = (entity_type, permission)
        keys = self._context_keys.get(asked)
        if keys is None:
            found: set[str] = set()
            self._collect(entity_type, permission, found, set())
            keys = self._context_keys[asked] = frozenset(found)
        return keys

    def _collect(self, entity_type: str, name: str, keys: set[str], seen: set[tuple[str, str]]) -> None:
        if (entity_type, name) in seen:
            return
        seen.add((entity_type, name))
        entity = self._schema.entities.get(entity_type)
        if entity is None:
            raise Internal("UNKNOWN_PERMISSION", f"The schema has no entity {entity_type}.")
        if name in entity.permissions:
            self._collect_from(entity_type, entity.permissions[name], keys, seen)
        elif name in entity.relations:
            for subject in entity.relations[name]:
                if subject.relation:
                    self._collect(subject.type, subject.relation, keys, seen)
        elif name not in entity.attributes:
            raise Internal("UNKNOWN_PERMISSION", f"The schema has no {entity_type}.{name}.")

    def _collect_from(
        self, entity_type: str, expression: Expression, keys: set[str], seen: set[tuple[str, str]]
    ) -> None:
        match expression:
            case Combination(_, left, right):
                self._collect_from(entity_type, left, keys, seen)
                self._collect_from(entity_type, right, keys, seen)
            case RuleCall(rule):
                keys |= self._schema.rules[rule].context_keys
            case Reference(name):
                self._collect(entity_type, name, keys, seen)
            case Traversal(relation, name):
                for subject in self._schema.entities[entity_type].relations[relation]:
                    self._collect(subject.type, name, keys, seen)

    def _check_attribute(self, attribute: Attribute) -> None:
        definition = self._schema.entities.get(attribute.entity.type)
        kind = definition.attributes.get(attribute.name) if definition else None
        if kind is None or not _fits(attribute.value, kind):
            name = f"{attribute.entity.type}${attribute.name}"
            raise InvalidArgument("INVALID_FACT", f"{name} is not of a type that the schema knows.")

    def _check_relationship(self, relationship: Relationship) -> None:
        definition = self._schema.entities.get(relationship.entity.type)
        kinds = definition.relations.get(relationship.relation, ()) if definition else ()
        if all(kind.type != relationship.subject.type for kind in kinds):
            name = f"{relationship.entity.type}#{relationship.relation}@{relationship.subject.type}"
            raise InvalidArgument("INVALID_FACT", f"{name} is not of a type that the schema knows.")


def require_narrow(query: RelationshipFilter) -> None:
    """Refuse a filter without entity and subject: it would take whole relations. (Permify takes an empty one for a
    filter of nothing, and answers with an empty token, which it later reads as "the newest".)"""
    if not query.entity_ids and query.subject is None:
        raise InvalidArgument("FILTER_TOO_WIDE", "A filter of relationships names entities or a subject.")


def _fits(value: Value, kind: str) -> bool:
    if kind.endswith("[]"):
        return isinstance(value, tuple) and all(_fits(item, kind[:-2]) for item in value)
    if kind == "integer":
        return type(value) is int and value in _INTEGERS
    wanted: dict[str, type] = {"boolean": bool, "double": float, "string": str}
    return type(value) is wanted[kind]
