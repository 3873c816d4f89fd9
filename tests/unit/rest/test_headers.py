from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from beep.users.v1.tokens_service_pb2 import TOKEN_SCHEME_ANY, TOKEN_SCHEME_BEARER, TOKEN_SCHEME_BOT
from services.common import limits
from services.common.errors import Unauthenticated
from services.rest.authentication import TOKEN_BYTES, parse_authorization
from services.rest.errors import InvalidForm
from services.rest.headers import parse_idempotency_key, parse_reason

reasons = st.text(
    max_size=limits.AUDIT_REASON, alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)


@given(reasons)
def test_reason_comes_back_as_it_was_encoded(reason: str) -> None:
    assert parse_reason(quote(reason, safe="")) == reason


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_reason_is_text_or_refused_whatever_the_header(value: str) -> None:
    try:
        reason = parse_reason(value)
    except InvalidForm:
        return
    assert len(reason) <= limits.AUDIT_REASON
    assert reason.encode().decode() == reason


@pytest.mark.parametrize("value", ["%ff", "%ed%a0%80", "%00", "a" * 513, quote("é" * 513)])
def test_reason_is_refused_when_it_is_no_text_or_too_long(value: str) -> None:
    with pytest.raises(InvalidForm):
        parse_reason(value)


def test_reason_without_percents_is_itself() -> None:
    assert parse_reason("100% rude, 3%") == "100% rude, 3%"


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_idempotency_key_is_itself_or_refused(value: str) -> None:
    try:
        assert parse_idempotency_key(value) == value
    except InvalidForm:
        assert len(value) > limits.IDEMPOTENCY_KEY or not value.isprintable() or not value.isascii()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Bearer abc", (TOKEN_SCHEME_BEARER, "abc")),
        ("bearer  abc", (TOKEN_SCHEME_BEARER, "abc")),
        ("Bot a.b.c", (TOKEN_SCHEME_BOT, "a.b.c")),
        ("a.b.c", (TOKEN_SCHEME_ANY, "a.b.c")),
    ],
)
def test_authorization_tells_scheme_and_token(header: str, expected: tuple[int, str]) -> None:
    assert parse_authorization(header) == expected


@pytest.mark.parametrize("header", ["", " ", "Basic abc", "Bearer a\x00b", "Bot é", "x" * (TOKEN_BYTES + 1)])
def test_authorization_is_refused_when_it_holds_no_token(header: str) -> None:
    with pytest.raises(Unauthenticated):
        parse_authorization(header)


@given(st.text(alphabet=st.characters(max_codepoint=255)))
def test_authorization_survives_any_header(header: str) -> None:
    try:
        _, token = parse_authorization(header)
    except Unauthenticated:
        return
    assert 0 < len(token) <= TOKEN_BYTES
    assert token.isascii()
