"""The schema's rules, evaluated by a CEL library: the very texts that Permify evaluates."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Final

import cel

from services.authz.answers import Answers
from services.authz.domain.facts import Value
from services.authz.domain.schema import Rule, Schema, SchemaError
from services.authz.store.kept import VALUES_KEPT, size_of
from services.authz.store.ports import Context
from services.common.errors import Internal

_DEFAULTS: Final[Mapping[str, Value]] = {"boolean": False, "integer": 0, "double": 0, "string": ""}


class Rules:
    """The compiled rules of one schema."""

    def __init__(self, schema: Schema) -> None:
        """Compile them. Raises SchemaError when a body is no CEL expression."""
        self._compiled = {name: _CompiledRule(rule) for name, rule in schema.rules.items()}
        # A rule is a pure function of its attributes and its context: most bits of a mask ask the same.
        self._answers = Answers(VALUES_KEPT, lambda key, _: size_of(key))

    def evaluate(self, name: str, attributes: Mapping[str, Value], context: Context) -> bool:
        """What the rule says.

        Raises:
            Internal: the context lacks a key that the rule reads, or the rule does not answer with a boolean.
        """
        rule = self._compiled[name]
        values = [attributes.get(parameter, default) for parameter, default in rule.defaults]
        try:
            key = (name, *values, *rule.read(context))
        except KeyError as missing:
            # CEL's || passes over a missing key when another operand decides: a forgotten fact would then go unnoticed.
            raise Internal("CONTEXT_INCOMPLETE", f"The rule {name} needs context.data.{missing.args[0]}.") from None
        answer: bool | None = self._answers.get(key)
        if answer is None:
            answer = rule.evaluate(attributes, context)
            self._answers.put(key, answer)
        return answer


class _CompiledRule:
    def __init__(self, rule: Rule) -> None:
        self._name = rule.name
        self.read: Final = _reader(rule.context_keys)
        self.defaults: Final = tuple((name, default_value(kind)) for name, kind in rule.parameters.items())
        try:
            self._program = cel.compile(rule.body)
        except ValueError as error:
            raise SchemaError(1, f"rule {rule.name}: {error}") from None

    def evaluate(self, attributes: Mapping[str, Value], context: Context) -> bool:
        variables: dict[str, object] = {name: attributes.get(name, default) for name, default in self.defaults}
        variables["context"] = {"data": context}
        try:
            answer = self._program.execute(variables)
        except (KeyError, RuntimeError, TypeError, ValueError) as error:
            raise Internal("RULE_FAILED", f"The rule {self._name} failed: {error}") from None
        if answer is not True and answer is not False:
            raise Internal("RULE_FAILED", f"The rule {self._name} answered {type(answer).__name__}, not a boolean.")
        return bool(answer)


def _reader(keys: frozenset[str]) -> Callable[[Context], tuple[object, ...]]:
    """A function that takes the values of all keys out of a context, or raises KeyError."""
    if len(keys) > 1:
        return itemgetter(*sorted(keys))
    return lambda context: tuple([context[key] for key in keys])


def default_value(kind: str) -> Value:
    """What an attribute that was never written counts as."""
    return () if kind.endswith("[]") else _DEFAULTS[kind]
