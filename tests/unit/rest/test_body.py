import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import limits
from services.common.snowflake import MAX_SNOWFLAKE
from services.rest.body import decode
from services.rest.errors import InvalidForm, MalformedBody
from services.rest.fields import Snowflake
from services.rest.routes.channels import ChannelPositions, ChannelUpdate
from services.rest.routes.members import MemberUpdate
from services.rest.routes.messages import MessageCreate, MessageUpdate
from services.rest.routes.roles import RoleUpdate
from services.rest.routes.servers import GuildCreate

BODIES = [MessageCreate, MessageUpdate, ChannelUpdate, ChannelPositions, RoleUpdate, MemberUpdate, GuildCreate]


class Holder(msgspec.Struct):
    id: Snowflake | None = None


HOLDER = msgspec.json.Decoder(Holder, strict=False)
MESSAGE = msgspec.json.Decoder(MessageCreate, strict=False)

printable = st.characters(exclude_categories=["Cs", "Cc"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


def decode_or_refuse(model: Any, body: bytes) -> Any:
    """What a decoder may do with anything: give the model, or one of the two refusals."""
    try:
        return decode(msgspec.json.Decoder(model, strict=False), body)
    except (InvalidForm, MalformedBody):
        return None


@pytest.mark.parametrize("model", BODIES)
@given(body=st.binary(max_size=300))
def test_decode_survives_any_bytes(model: Any, body: bytes) -> None:
    decode_or_refuse(model, body)


@pytest.mark.parametrize("model", BODIES)
@given(value=json_values, key=st.sampled_from(["content", "embeds", "nonce", "name", "id", "roles", "permissions"]))
def test_decode_survives_any_json(model: Any, value: Any, key: str) -> None:
    body = json.dumps({key: value}).encode("utf-8", "surrogatepass")
    decoded = decode_or_refuse(model, body)
    if decoded is not None:
        # Whatever got in can go out: no lone surrogate, no NUL.
        assert b"\\u0000" not in msgspec.json.encode(decoded)


@given(st.integers(0, MAX_SNOWFLAKE))
def test_snowflake_reads_string_and_number_alike(value: int) -> None:
    assert decode(HOLDER, b'{"id": %d}' % value).id == decode(HOLDER, b'{"id": "%d"}' % value).id == value


@given(st.integers().filter(lambda value: not 0 <= value <= MAX_SNOWFLAKE), st.booleans())
def test_snowflake_refuses_what_is_out_of_range(value: int, quoted: bool) -> None:
    text = f'"{value}"' if quoted else str(value)
    with pytest.raises(InvalidForm) as refused:
        decode(HOLDER, f'{{"id": {text}}}'.encode())
    assert refused.value.violations[0].field == "id"


@given(st.text().filter(lambda text: not any(character.isdigit() for character in text) and text.lower() != "null"))
def test_snowflake_refuses_what_has_no_digit(text: str) -> None:
    with pytest.raises((InvalidForm, MalformedBody)):
        decode(HOLDER, json.dumps({"id": text}).encode("utf-8", "surrogatepass"))


@given(st.integers(-(1 << 63), (1 << 63) - 1) | st.text(max_size=limits.MESSAGE_NONCE, alphabet=printable))
def test_nonce_keeps_its_type(nonce: int | str) -> None:
    decoded = decode(MESSAGE, json.dumps({"nonce": nonce}).encode()).nonce
    assert (decoded, type(decoded)) == (nonce, type(nonce))


@pytest.mark.parametrize(
    "nonce", ['"' + "n" * 26 + '"', "1.5", "9223372036854775808", "-9223372036854775809", "[]", "true"]
)
def test_nonce_is_refused_when_it_is_no_id(nonce: str) -> None:
    with pytest.raises(InvalidForm) as refused:
        decode(MESSAGE, f'{{"nonce": {nonce}}}'.encode())
    assert refused.value.violations[0].field == "nonce"


@given(st.text(alphabet='{}[]",:\\ab1', max_size=400))
def test_depth_check_agrees_with_counting(text: str) -> None:
    """Against the obvious scanner, on whatever is JSON."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    assert (depth(value) > limits.JSON_DEPTH) == (decode_or_refuse(Any, text.encode()) is None)


@pytest.mark.parametrize(
    ("levels", "is_legal"), [(limits.JSON_DEPTH, True), (limits.JSON_DEPTH + 1, False), (400_000, False)]
)
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_depth_is_bounded(levels: int, is_legal: bool, brackets: tuple[bytes, bytes]) -> None:
    body = brackets[0] * levels + b"1" + brackets[1] * levels
    assert (decode_or_refuse(Any, body) is not None) == is_legal


def test_depth_that_is_just_legal_is_read_beside_more_brackets() -> None:
    outer = limits.JSON_DEPTH - 1
    assert decode_or_refuse(Any, b"[" * outer + b"[],[]" + b"]" * outer) is not None
    assert decode_or_refuse(Any, b"[" * outer + b"[],[[]]" + b"]" * outer) is None


def test_brackets_in_strings_are_no_depth() -> None:
    body = json.dumps({"content": "[" * 1900 + '\\"' + "{" * 90}).encode()
    assert decode(MESSAGE, body).content == "[" * 1900 + '\\"' + "{" * 90


def test_many_brackets_side_by_side_are_no_depth() -> None:
    body = json.dumps([{"id": str(n), "position": n} for n in range(limits.CHANNELS_PER_SERVER)]).encode()
    assert len(decode(msgspec.json.Decoder(ChannelPositions, strict=False), body)) == limits.CHANNELS_PER_SERVER


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (r'{"content": "\u0000"}', "content"),
        (r'{"embeds": [{"footer": {"text": "a\u0000"}}]}', "embeds.0.footer.text"),
    ],
)
def test_nul_is_refused_where_it_stands(text: str, path: str) -> None:
    with pytest.raises(InvalidForm) as refused:
        decode(MESSAGE, text.encode())
    assert refused.value.violations[0].field == path


def test_backslash_before_u0000_is_no_nul() -> None:
    assert decode(MESSAGE, rb'{"content": "\\u0000"}').content == r"\u0000"


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0
