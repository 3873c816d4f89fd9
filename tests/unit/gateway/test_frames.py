import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.domain.frames import (
    BINARY,
    TEXT,
    DecodeError,
    Dispatch,
    Identify,
    RequestMembers,
    decode,
    frame_header,
)
from services.gateway.domain.intents import ALL_INTENTS

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["token", "intents", "shard", "session_id", "seq", "guild_id", "query", "limit", "user_ids", "nonce", "presence"]
)


def decode_or_refuse(data: bytes) -> None:
    try:
        op, _ = decode(data)
    except DecodeError:
        return
    assert isinstance(op, int)


@given(st.binary(max_size=5000))
def test_decode_refuses_or_answers_whatever_bytes_come(data: bytes) -> None:
    decode_or_refuse(data)


@given(st.integers(-1, 40), st.dictionaries(FIELDS, JSON, max_size=6) | JSON)
def test_decode_refuses_or_answers_whatever_bodies_come(op: int, body: object) -> None:
    decode_or_refuse(json.dumps({"op": op, "d": body}).encode(errors="replace"))


@pytest.mark.parametrize("data", [b"[" * 4000, b'{"op":2,"d":' + b"[" * 3000, b'{"op":2,"d":{"token":"\\ud800"}}'])
def test_decode_refuses_what_would_break_what_comes_behind(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode(data)


def test_identify_gets_all_intents_when_it_names_none() -> None:
    assert decode(b'{"op":2,"d":{"token":"t","properties":{"os":"x"},"compress":true}}') == (
        2,
        Identify(token="t", intents=ALL_INTENTS, properties={"os": "x"}),
    )


@pytest.mark.parametrize("guild", ["1234567890", '"1234567890"', "[1234567890]", '["1234567890"]'])
def test_members_are_asked_for_by_number_text_or_list(guild: str) -> None:
    _, request = decode(f'{{"op":8,"d":{{"guild_id":{guild},"user_ids":["1",2]}}}}'.encode())
    assert isinstance(request, RequestMembers)
    assert request.server_id == 1234567890
    assert request.wanted_ids == [1, 2]


@given(st.integers(1, 10**11), st.integers(0, 70_000))
def test_frame_holds_the_number_and_its_length(sequence: int, size: int) -> None:
    body = b'"' + b"x" * size + b'"'
    dispatch = Dispatch("MESSAGE_CREATE", body, offset=7)
    payload = dispatch.payload(sequence)
    assert dispatch.frame(sequence) == frame_header(TEXT, len(payload)) + payload
    assert json.loads(payload) == {"t": "MESSAGE_CREATE", "s": sequence, "op": 0, "d": "x" * size}


@pytest.mark.parametrize(
    ("length", "header"),
    [
        (125, b"\x82\x7d"),
        (126, b"\x82\x7e\x00\x7e"),
        (65535, b"\x82\x7e\xff\xff"),
        (65536, b"\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_header_is_as_rfc_6455_says(length: int, header: bytes) -> None:
    assert frame_header(BINARY, length) == header
