import msgspec
import pytest

from services.rest.embeds import Embed, Embeds, encode_embeds
from services.rest.errors import InvalidForm


def decoded(body: bytes) -> list[Embed]:
    return msgspec.json.decode(body, type=Embeds, strict=False)


def test_unknown_keys_and_nulls_are_gone() -> None:
    embeds = decoded(b'[{"title": "a", "url": null, "video": {}, "footer": {"text": "f", "icon_url": null}}]')
    assert encode_embeds(embeds) == b'[{"type":"rich","title":"a","footer":{"text":"f"}}]'


def test_type_may_be_left_out() -> None:
    assert encode_embeds(decoded(b'[{"title": "a"}]')) == b'[{"type":"rich","title":"a"}]'


@pytest.mark.parametrize("kind", ["link", "image", "video", "gifv"])
def test_type_is_rich_whatever_was_sent(kind: str) -> None:
    assert encode_embeds(decoded(f'[{{"type": "{kind}", "title": "a"}}]'.encode())) == b'[{"type":"rich","title":"a"}]'


def test_embeds_are_refused_when_too_long_together() -> None:
    one = Embed(description="d" * 4000)
    assert encode_embeds([one])
    with pytest.raises(InvalidForm) as refused:
        encode_embeds([one, one])
    assert refused.value.violations[0].field == "embeds"


def test_no_embeds_are_no_bytes() -> None:
    assert encode_embeds(None) == encode_embeds([]) == b""
