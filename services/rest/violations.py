"""msgspec's words for a wrong value, as Discord's.

msgspec reports the first wrong field, as text: "Expected `int`, got `str` - at `$.embeds[0].color`".
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from services.common.errors import FieldViolation

_PLACE: Final = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>.*)`)?$", re.DOTALL)
_STEP: Final = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
# msgspec writes `[...]` for "some element" of a dict or a set: there is no index to name.
_ANONYMOUS: Final = "[...]"

Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[str, str]]]


def _wrong_type(match: re.Match[str]) -> tuple[str, str]:
    expected = match["expected"]
    for names, code, message in _TYPES:
        if any(name in expected for name in names):
            return code, message
    return "BASE_TYPE_CONVERT", "This value has the wrong type."


_TYPES: Final[Sequence[tuple[tuple[str, ...], str, str]]] = (
    (("int", "float"), "NUMBER_TYPE_COERCE", "Value is not a number in range."),
    (("bool",), "BOOLEAN_TYPE_CONVERT", "Must be either true or false."),
    (("datetime",), "DATE_TIME_TYPE_PARSE", "Could not parse the value. Should be ISO8601."),
    (("array",), "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType."),
    (("object",), "DICT_TYPE_CONVERT", "Only dictionaries may be used in a DictType."),
    (("str",), "STRING_TYPE_CONVERT", "Could not interpret the value as string."),
)

_RULES: Final[Sequence[Rule]] = (
    (
        re.compile(r"missing required (?:field|argument|keyword argument) [`'](?P<name>[^`']*)[`']"),
        lambda match: ("BASE_TYPE_REQUIRED", "This field is required."),
    ),
    (
        re.compile(r"^Expected `(?:str|array|object)[^`]*` of length <= (?P<most>\d+)"),
        lambda match: ("BASE_TYPE_MAX_LENGTH", f"Must be {match['most']} or fewer in length."),
    ),
    (
        re.compile(r"^Expected `(?:str|array|object)[^`]*` of length >= (?P<least>\d+)"),
        lambda match: ("BASE_TYPE_MIN_LENGTH", f"Must be {match['least']} or more in length."),
    ),
    (
        re.compile(r"^Expected `(?:int|float)[^`]*` (?P<how><=|<) (?P<most>-?\d+)"),
        lambda match: ("NUMBER_TYPE_MAX", f"int value should be less than or equal to {match['most']}."),
    ),
    (
        re.compile(r"^Expected `(?:int|float)[^`]*` (?P<how>>=|>) (?P<least>-?\d+)"),
        lambda match: ("NUMBER_TYPE_MIN", f"int value should be greater than or equal to {match['least']}."),
    ),
    (
        re.compile(r"^Expected `str[^`]*` matching regex"),
        lambda match: ("STRING_TYPE_REGEX", "String value did not match validation regex."),
    ),
    (re.compile(r"^Invalid enum value"), lambda match: ("BASE_TYPE_CHOICES", "Value is not one of the choices.")),
    (
        re.compile(r"^(?:Invalid RFC3339|Expected `datetime)"),
        lambda match: ("DATE_TIME_TYPE_PARSE", "Could not parse the value. Should be ISO8601."),
    ),
    # NUMBER_TYPE_COERCE is what Discord answers to an id that is none.
    (re.compile(r"^Integer value out of range"), lambda match: ("NUMBER_TYPE_COERCE", "Value is out of range.")),
    (re.compile(r"^Expected `(?P<expected>[^`]*)`"), _wrong_type),
)


def violation(text: str, field: str = "") -> FieldViolation:
    """What is wrong, and where: `field` is where the value itself stands in the request."""
    place = _PLACE.match(text)
    what, path = (place["what"], place["path"] or "") if place else (text, "")
    steps = [field] if field else []
    steps += [key or index for key, index in _STEP.findall(path.removeprefix("$").replace(_ANONYMOUS, ""))]
    for pattern, describe in _RULES:
        match = pattern.search(what)
        if match:
            if "name" in match.groupdict():
                steps.append(match["name"])
            code, message = describe(match)
            return FieldViolation(".".join(steps), code, message)
    return FieldViolation(".".join(steps), "BASE_TYPE_CONVERT", "This value is not valid.")
