"""The permission schema as data: a parser of Permify's language, as far as ``schema/beep.perm`` uses it.

    entity NAME { relation R @TYPE [@TYPE#RELATION ...]   attribute A TYPE   permission P = EXPRESSION }
    rule NAME(PARAMETER TYPE, ...) { CEL }

An expression joins references (`name`, `relation.name`) and calls of rules by `and`, `or`, `not` ("but not") and
parentheses. The reference is https://docs.permify.co/getting-started/modeling. What Permify takes but answers strangely
is refused here with its reason: operators mixed without parentheses, a rule's parameter that is not named as its
attribute, double quotes in CEL.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, TypeVar

_T = TypeVar("_T")

Operator: TypeAlias = Literal["and", "or", "not"]

ATTRIBUTE_TYPES: Final = frozenset(
    f"{name}{suffix}" for name in ("boolean", "string", "integer", "double") for suffix in ("", "[]")
)


class SchemaError(ValueError):
    """The schema cannot be used. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line: Final = line


@dataclass(frozen=True, slots=True)
class Reference:
    """A relation, an attribute or a permission of the same entity."""

    name: str


@dataclass(frozen=True, slots=True)
class Traversal:
    """`relation.name`: what `name` says on the entities that the relation points to."""

    relation: str
    name: str


@dataclass(frozen=True, slots=True)
class RuleCall:
    """A rule applied to attributes of the same entity."""

    rule: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Combination:
    """`left and right`, `left or right`, or `left not right`: left and not right."""

    operator: Operator
    left: "Expression"
    right: "Expression"


Expression: TypeAlias = Reference | Traversal | RuleCall | Combination


@dataclass(frozen=True, slots=True)
class Subject:
    """What a relation may point to: entities of a type, or (with `relation`) those in that relation to one of them."""

    type: str
    relation: str = ""


@dataclass(frozen=True, slots=True)
class Entity:
    """One type of thing, with what may be stored about it and what may be asked."""

    name: str
    relations: Mapping[str, tuple[Subject, ...]]
    attributes: Mapping[str, str]
    permissions: Mapping[str, Expression]


@dataclass(frozen=True, slots=True)
class Rule:
    """A CEL expression over attributes and the context of a check.

    Attributes:
        parameters: name to type; the names are those of the attributes.
        context_keys: every `context.data.KEY` that the body reads. CEL's `&&` and `||` may pass over a missing key
            without an error, so whoever evaluates the rule has to demand them all.
    """

    name: str
    parameters: Mapping[str, str]
    body: str
    context_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Schema:
    entities: Mapping[str, Entity]
    rules: Mapping[str, Rule]


def parse_schema(text: str) -> Schema:
    """Read a schema.

    Raises:
        SchemaError: it does not parse, or refers to what is not defined.
    """
    return _Parser(text).schema()


_TOKEN: Final = re.compile(
    r"(?P<skip>\s+|//[^\n]*|/\*.*?\*/)|(?P<word>[a-zA-Z_]\w*(?:\[\])?)|(?P<sign>[{}()@#.,=])", re.DOTALL
)
_CONTEXT: Final = re.compile(r"\bcontext\b(?:\.data\.(\w+))?")
_STRING: Final = re.compile(r"'[^'\n]*'")
_OPERATORS: Final[Mapping[str, Operator]] = {"and": "and", "or": "or", "not": "not"}


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._position = 0
        self._line_of: dict[tuple[str, str], int] = {}

    def schema(self) -> Schema:
        entities: dict[str, Entity] = {}
        rules: dict[str, Rule] = {}
        while (word := self._next()) != "":
            if word == "entity":
                entity = self._entity()
                self._define(entities, entity.name, entity)
            elif word == "rule":
                rule = self._rule()
                self._define(rules, rule.name, rule)
            else:
                raise self._error(f"expected entity or rule, found {word!r}")
        schema = Schema(entities, rules)
        _Checker(schema, self._line_of).check()
        return schema

    def _entity(self) -> Entity:
        name = self._name()
        relations: dict[str, tuple[Subject, ...]] = {}
        attributes: dict[str, str] = {}
        permissions: dict[str, Expression] = {}
        self._expect("{")
        while (kind := self._next()) != "}":
            if kind not in ("relation", "attribute", "permission", "action"):
                raise self._error(f"expected relation, attribute, permission or }}, found {kind!r}")
            member = self._name()
            self._line_of[name, member] = self._line()
            if member in relations or member in attributes or member in permissions:
                raise self._error(f"{name}.{member} is defined twice")
            if kind == "relation":
                relations[member] = self._subjects()
            elif kind == "attribute":
                attributes[member] = self._attribute_type()
            else:
                self._expect("=")
                permissions[member] = self._expression()
        return Entity(name, relations, attributes, permissions)

    def _rule(self) -> Rule:
        name = self._name()
        self._line_of[name, ""] = self._line()
        parameters: dict[str, str] = {}
        self._expect("(")
        while self._peek() != ")":
            parameter = self._name()
            self._define(parameters, parameter, self._attribute_type())
            if self._peek() == ",":
                self._next()
        self._expect(")")
        self._expect("{")
        end = self._text.find("}", self._position)
        if end < 0:
            raise self._error(f"the body of rule {name} has no end")
        body = self._text[self._position : end].strip()
        if '"' in body:
            raise self._error("strings in a rule take single quotes: Permify drops double ones")
        self._position = end + 1
        return Rule(name, parameters, body, self._context_keys(body))

    def _context_keys(self, body: str) -> frozenset[str]:
        keys = [match[1] for match in _CONTEXT.finditer(_STRING.sub("''", body))]
        if None in keys:
            raise self._error("a rule reads the context by context.data.KEY only, so that its keys are known")
        return frozenset(keys)

    def _subjects(self) -> tuple[Subject, ...]:
        subjects = []
        while self._peek() == "@":
            self._next()
            subject, relation = self._name(), ""
            if self._peek() == "#":
                self._next()
                relation = self._name()
            subjects.append(Subject(subject, relation))
        if not subjects:
            raise self._error(f"a relation needs a type (@type), found {self._peek()!r}")
        return tuple(subjects)

    def _expression(self) -> Expression:
        left = self._operand()
        first = self._peek()
        while (word := self._peek()) in _OPERATORS:
            if word != first:
                raise self._error(f"{first!r} and {word!r} need parentheses between them")
            self._next()
            left = Combination(_OPERATORS[word], left, self._operand())
        return left

    def _operand(self) -> Expression:
        if self._peek() == "(":
            self._next()
            inner = self._expression()
            self._expect(")")
            return inner
        name = self._name()
        if self._peek() == ".":
            self._next()
            return Traversal(name, self._name())
        if self._peek() != "(":
            return Reference(name)
        self._next()
        attributes = [self._name()]
        while self._peek() == ",":
            self._next()
            attributes.append(self._name())
        self._expect(")")
        return RuleCall(name, tuple(attributes))

    def _attribute_type(self) -> str:
        kind = self._next()
        if kind not in ATTRIBUTE_TYPES:
            raise self._error(f"{kind!r} is not a type of an attribute")
        return kind

    def _name(self) -> str:
        word = self._next()
        if not word.isidentifier() or word in _OPERATORS:
            raise self._error(f"expected a name, found {word!r}" if word else "expected a name, found the end")
        return word

    def _expect(self, wanted: str) -> None:
        word = self._next()
        if word != wanted:
            raise self._error(f"expected {wanted!r}, found {word!r}" if word else f"expected {wanted!r}, found the end")

    def _define(self, names: dict[str, _T], name: str, value: _T) -> None:
        if name in names:
            raise self._error(f"{name} is defined twice")
        names[name] = value

    def _peek(self) -> str:
        return self._scan()[0]

    def _next(self) -> str:
        word, self._position = self._scan()
        return word

    def _scan(self) -> tuple[str, int]:
        position = self._position
        while match := _TOKEN.match(self._text, position):
            if match["skip"] is None:
                return match[0], match.end()
            position = match.end()
        if position < len(self._text):
            self._position = position
            raise self._error(f"unexpected character {self._text[position]!r}")
        return "", position

    def _line(self) -> int:
        return self._text.count("\n", 0, self._position) + 1

    def _error(self, message: str) -> SchemaError:
        return SchemaError(self._line(), message)


class _Checker:
    """Resolves every name, so that a misspelt one is an error at start and not a denial for ever."""

    def __init__(self, schema: Schema, line_of: Mapping[tuple[str, str], int]) -> None:
        self._schema = schema
        self._line_of = line_of

    def check(self) -> None:
        for entity in self._schema.entities.values():
            for relation, subjects in entity.relations.items():
                for subject in subjects:
                    self._check_subject(entity, relation, subject)
            for permission, expression in entity.permissions.items():
                for operand in _operands(expression):
                    self._check_operand(entity, permission, operand)

    def _check_subject(self, entity: Entity, relation: str, subject: Subject) -> None:
        target = self._schema.entities.get(subject.type)
        if target is None or (subject.relation and subject.relation not in target.relations):
            name = f"{subject.type}#{subject.relation}" if subject.relation else subject.type
            raise self._error(entity, relation, f"@{name} is not defined")

    def _check_operand(self, entity: Entity, permission: str, operand: Expression) -> None:
        match operand:
            case Reference(name):
                if name in entity.attributes and entity.attributes[name] != "boolean":
                    raise self._error(entity, permission, f"{name} is no boolean: only a rule can read it")
                if name not in entity.relations and name not in entity.attributes and name not in entity.permissions:
                    raise self._error(entity, permission, f"{name} is not defined")
            case Traversal(relation, name):
                if relation not in entity.relations:
                    raise self._error(entity, permission, f"{relation} is no relation")
                for subject in entity.relations[relation]:
                    target = self._schema.entities[subject.type]
                    if name not in target.relations and name not in target.permissions:
                        raise self._error(entity, permission, f"{subject.type} has no relation or permission {name}")
            case RuleCall(rule, attributes):
                if rule not in self._schema.rules:
                    raise self._error(entity, permission, f"rule {rule} is not defined")
                given = {name: entity.attributes.get(name) for name in attributes}
                if given != dict(self._schema.rules[rule].parameters):
                    message = f"rule {rule} takes its parameters by the names and types of the attributes"
                    raise self._error(entity, permission, message)

    def _error(self, entity: Entity, member: str, message: str) -> SchemaError:
        return SchemaError(self._line_of[entity.name, member], f"{entity.name}.{member}: {message}")


def _operands(expression: Expression) -> Iterator[Expression]:
    if isinstance(expression, Combination):
        yield from _operands(expression.left)
        yield from _operands(expression.right)
    else:
        yield expression
