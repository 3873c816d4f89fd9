import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.messages.domain.embeds import normalise
from services.messages.domain.errors import InvalidForm


def embeds(*items: object) -> bytes:
    return json.dumps(items).encode()


@pytest.mark.parametrize(
    "nothing", [b"", b"[]", b" [ ] ", b"[{}]", b'[{"type":"rich","color":1,"title":""}, {"fields":[]}]']
)
def test_no_embeds_are_stored_as_nothing(nothing: bytes) -> None:
    assert normalise(nothing) == b""


def test_embed_keeps_what_is_known_and_drops_what_is_not() -> None:
    given = {
        "title": "t",
        "color": 255,
        "url": "https://example.org/x",
        "timestamp": "2026-01-31T12:00:00.5Z",
        "fields": [{"name": "n", "value": "v", "inline": None}],
        "image": {"url": "attachment://a.png", "proxy_url": None, "height": 3},
        "footer": None,
        "provider": {"name": "x"},
        "type": None,
        "no_such_member": [[[]]],
    }
    assert json.loads(normalise(embeds(given))) == [
        {
            "title": "t",
            "color": 255,
            "url": "https://example.org/x",
            "timestamp": "2026-01-31T12:00:00.500000+00:00",
            "fields": [{"name": "n", "value": "v", "inline": False}],
            "image": {"url": "attachment://a.png"},
            "type": "rich",
        }
    ]


@pytest.mark.parametrize(
    "embed",
    [
        {"title": "x" * 257},
        {"description": "x" * 4097},
        {"fields": [{"name": "n", "value": "v"}] * 26},
        {"fields": [{"name": "", "value": "v"}]},
        {"footer": {"text": "x" * 2049}},
        {"author": {"name": "x" * 257}},
        {"color": 0x1000000},
        {"color": "red"},
        {"url": "javascript:alert(1)"},
        {"image": {"url": "https://example.org/\nx"}},
        {"timestamp": "yesterday"},
        {"timestamp": "0001-01-01T00:00:00+23:59"},
        [],
        7,
        None,
    ],
)
def test_embed_that_passes_a_limit_is_refused(embed: object) -> None:
    with pytest.raises(InvalidForm) as refused:
        normalise(embeds(embed))
    assert refused.value.violations[0].field == "embeds"


def test_embeds_have_limits_together() -> None:
    assert normalise(embeds(*[{"title": "x"}] * 10))
    with pytest.raises(InvalidForm):
        normalise(embeds(*[{"title": "x"}] * 11))
    assert normalise(embeds({"description": "x" * 4000}, {"description": "x" * 2000}))
    with pytest.raises(InvalidForm):
        normalise(embeds({"description": "x" * 4000}, {"footer": {"text": "x" * 2001}}))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["title", "fields", "footer", "image", "url", "text", "color", "timestamp", "x"]), inner
        )
    ),
)


@given(_JSON)
def test_any_json_is_refused_or_comes_out_the_same_the_second_time(value: object) -> None:
    try:
        once = normalise(json.dumps(value).encode())
    except InvalidForm:
        return
    assert normalise(once) == once


@given(st.binary())
def test_any_bytes_are_refused_or_stored(raw: bytes) -> None:
    try:
        normalise(raw)
    except InvalidForm:
        return


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InvalidForm):
        normalise(b"[" * 100_000)
    with pytest.raises(InvalidForm):
        normalise(b'[{"x":' + b"[" * 100_000)
