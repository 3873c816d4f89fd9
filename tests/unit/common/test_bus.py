import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.bus import AccessChange, Audience, Envelope, decode_envelope, encode_envelope

ids = st.integers(0, (1 << 63) - 1)
some_ids = st.lists(ids, max_size=5).map(tuple)
access_changes = st.builds(
    AccessChange,
    whole_server=st.booleans(),
    channel_ids=some_ids,
    user_ids=some_ids,
    joined_user_ids=some_ids,
    left_user_ids=some_ids,
    server_deleted=st.booleans(),
)
envelopes = st.builds(
    Envelope,
    event_id=ids,
    shard=st.text(max_size=40),
    type=st.text(max_size=40),
    body=st.binary(max_size=200),
    audience=st.sampled_from(Audience),
    server_id=ids,
    channel_id=ids,
    user_ids=some_ids,
    required_permissions=ids,
    state_version=ids,
    access=st.none() | access_changes,
    traceparent=st.text(max_size=60),
)


@given(envelope=envelopes)
def test_envelope_survives_its_encoding(envelope: Envelope) -> None:
    assert decode_envelope(encode_envelope(envelope)) == envelope


def test_envelope_is_readable_when_an_older_release_wrote_it() -> None:
    written = b"\x95\x07\xa8server:1\xa6TYPING\xc4\x02{}\x01"  # the five fields that every release has
    assert decode_envelope(written) == Envelope(
        event_id=7, shard="server:1", type="TYPING", body=b"{}", audience=Audience.SERVER
    )


def test_envelope_is_readable_when_a_newer_release_added_a_field() -> None:
    envelope = Envelope(event_id=7, shard="server:1", type="TYPING", body=b"{}", audience=Audience.NONE)
    encoded = encode_envelope(envelope)
    assert encoded[0] == 0x9C, "twelve fields, by position"
    assert decode_envelope(b"\x9d" + encoded[1:] + b"\xa3new") == envelope


def test_envelope_costs_few_bytes_beside_its_body() -> None:
    envelope = Envelope(
        event_id=1 << 60,
        shard=f"server:{1 << 60}",
        type="MESSAGE_CREATE",
        body=b"x" * 400,
        audience=Audience.CHANNEL,
        server_id=1 << 60,
        channel_id=1 << 60,
    )
    assert len(encode_envelope(envelope)) < 400 + 90


def test_envelope_cannot_be_changed_by_one_of_its_readers() -> None:
    envelope = Envelope(event_id=1, shard="user:1", type="X", body=b"{}", audience=Audience.USERS)
    with pytest.raises(AttributeError):
        envelope.body = b"[]"  # type: ignore[misc]
