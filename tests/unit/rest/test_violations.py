"""msgspec's words are not an interface of its own: this table fails when a release changes them."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta

from services.rest.violations import violation


class Inner(msgspec.Struct):
    text: Annotated[str, Meta(min_length=1, max_length=3)]


class Model(msgspec.Struct):
    text: Annotated[str, Meta(max_length=3)] = ""
    word: Annotated[str, Meta(pattern="^a$")] = "a"
    number: Annotated[int, Meta(ge=0, le=9)] = 0
    flag: bool = False
    when: datetime | None = None
    choice: Literal["a", "b"] = "a"
    items: Annotated[list[Inner], Meta(max_length=2)] = []
    inner: Inner | None = None
    union: str | int | None = None


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({"text": 1}, "text", "STRING_TYPE_CONVERT"),
        ({"text": "abcd"}, "text", "BASE_TYPE_MAX_LENGTH"),
        ({"word": "b"}, "word", "STRING_TYPE_REGEX"),
        ({"number": "x"}, "number", "NUMBER_TYPE_COERCE"),
        ({"number": 1.5}, "number", "NUMBER_TYPE_COERCE"),
        ({"number": None}, "number", "NUMBER_TYPE_COERCE"),
        ({"number": 10}, "number", "NUMBER_TYPE_MAX"),
        ({"number": str(1 << 80)}, "number", "NUMBER_TYPE_MAX"),
        ({"number": -1}, "number", "NUMBER_TYPE_MIN"),
        ({"flag": "x"}, "flag", "BOOLEAN_TYPE_CONVERT"),
        ({"when": "tomorrow"}, "when", "DATE_TIME_TYPE_PARSE"),
        ({"choice": "c"}, "choice", "BASE_TYPE_CHOICES"),
        ({"items": {}}, "items", "LIST_TYPE_CONVERT"),
        ({"items": [{"text": "a"}] * 3}, "items", "BASE_TYPE_MAX_LENGTH"),
        ({"items": [{"text": "a"}, {}]}, "items.1.text", "BASE_TYPE_REQUIRED"),
        ({"items": [{"text": ""}]}, "items.0.text", "BASE_TYPE_MIN_LENGTH"),
        ({"inner": 5}, "inner", "DICT_TYPE_CONVERT"),
        ({"union": []}, "union", "NUMBER_TYPE_COERCE"),
        ([], "", "DICT_TYPE_CONVERT"),
    ],
)
def test_violation_names_field_and_code(body: Any, field: str, code: str) -> None:
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(msgspec.json.encode(body), type=Model, strict=False)
    found = violation(str(refused.value))
    assert (found.field, found.code) == (field, code)
    assert found.message.endswith(".")


def test_violation_is_told_even_when_the_words_are_new() -> None:
    assert violation("Something unheard of - at `$.a[0]`").field == "a.0"
