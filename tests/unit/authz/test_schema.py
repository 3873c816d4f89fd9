from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.authz.config import DEFAULTS
from services.authz.domain.schema import (
    Combination,
    Reference,
    RuleCall,
    SchemaError,
    Subject,
    Traversal,
    parse_schema,
)


def test_product_schema_decides_rights_by_its_two_rules() -> None:
    schema = parse_schema(DEFAULTS.schema.read_text())
    assert schema.entities["server_right"].permissions == {"allowed": RuleCall("may", ("granted",))}
    assert schema.entities["channel_right"].permissions == {"allowed": RuleCall("may_here", ("overwrites",))}
    server = {"joined", "suspended", "frozen", "sovereign", "muted", "roles"}
    assert schema.rules["may"].context_keys == server
    assert schema.rules["may_here"].context_keys == server | {"viewed", "needed", "granted", "user"}


def test_product_schema_keeps_to_the_names_that_permify_takes() -> None:
    schema = parse_schema(DEFAULTS.schema.read_text())
    names = [name for entity in schema.entities.values() for name in (*entity.attributes, *entity.permissions)]
    assert all(name.replace("_", "").isalpha() and len(name) <= 64 for name in [*names, *schema.entities])


def test_expression_is_read_with_its_parentheses() -> None:
    text = """
        // comment
        entity a { relation b @a  attribute c boolean  /* another
            one */ action d = (b or c) and b.d }
    """
    entity = parse_schema(text).entities["a"]
    assert entity.relations == {"b": (Subject("a"),)}
    assert entity.permissions["d"] == Combination(
        "and", Combination("or", Reference("b"), Reference("c")), Traversal("b", "d")
    )


def test_exclusion_takes_away_from_the_left() -> None:
    entity = parse_schema("entity a { relation b @a attribute c boolean permission d = b not c not c }").entities["a"]
    inner = Combination("not", Reference("b"), Reference("c"))
    assert entity.permissions["d"] == Combination("not", inner, Reference("c"))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("entity a {", 1, "expected relation, attribute, permission or }"),
        ("\nthing a {}", 2, "expected entity or rule, found 'thing'"),
        ("entity a {}\nentity a {}", 2, "a is defined twice"),
        ("entity a { attribute b boolean attribute b string }", 1, "a.b is defined twice"),
        ("entity a {\n attribute b bool\n}", 2, "'bool' is not a type of an attribute"),
        ("entity a {\n relation b a\n}", 2, "a relation needs a type"),
        ("entity a {\n relation b @c\n}", 2, "a.b: @c is not defined"),
        ("entity a {\n relation b @a#c\n}", 2, "a.b: @a#c is not defined"),
        ("entity a {\n\n permission b = c\n}", 3, "a.b: c is not defined"),
        ("entity a { permission b = c.d }", 1, "c is no relation"),
        ("entity a { relation c @a permission b = c.d }", 1, "a has no relation or permission d"),
        ("entity a { attribute c string permission b = c }", 1, "c is no boolean"),
        ("entity a { attribute c boolean permission b = c and c or c }", 1, "need parentheses"),
        ("entity a { attribute c boolean permission b = (c and c }", 1, "expected ')', found '}'"),
        ("entity a { permission b = and }", 1, "expected a name, found 'and'"),
        ("entity a { attribute c boolean permission b = r(c) }", 1, "rule r is not defined"),
        ("rule r(x boolean) { x }\nentity a { attribute c boolean permission b = r(c) }", 2, "by the names and types"),
        ("rule r(x boolean) { x }\nentity a { attribute x string permission b = r(x) }", 2, "by the names and types"),
        ('rule r(x string) { x == "y" }', 1, "single quotes"),
        ("rule r(x string) { x == context.request.y }", 1, "context.data.KEY only"),
        ("rule r(x string) { x", 1, "the body of rule r has no end"),
        ("entity a { § }", 1, "unexpected character"),
    ],
)
def test_error_says_where_and_what(text: str, line: int, message: str) -> None:
    with pytest.raises(SchemaError) as caught:
        parse_schema(text)
    assert caught.value.line == line
    assert message in str(caught.value)


@given(st.text(max_size=200) | st.text(alphabet="entity rule{}()@#.,=ab\n'", max_size=200))
def test_any_text_is_a_schema_or_a_schema_error(text: str) -> None:
    with suppress(SchemaError):
        parse_schema(text)


@given(st.data())
def test_damaged_product_schema_is_a_schema_or_a_schema_error(data: st.DataObject) -> None:
    text = DEFAULTS.schema.read_text()
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 40)))
    with suppress(SchemaError):
        parse_schema(text[:start] + text[end:])
