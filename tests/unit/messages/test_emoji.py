"""One form of each emoji, and nothing that is none."""

import pytest

from services.messages.domain.emoji import normalise
from services.messages.domain.errors import UnknownEmoji

SELECTOR, ZWJ = "\N{VARIATION SELECTOR-16}", "\N{ZERO WIDTH JOINER}"
HEART = "\N{HEAVY BLACK HEART}"
FAMILY = ZWJ.join(("\N{MAN}", "\N{WOMAN}", "\N{GIRL}", "\N{BOY}"))
WELSH_FLAG = "\N{WAVING BLACK FLAG}" + "".join(chr(0xE0000 + ord(letter)) for letter in "gbwls") + chr(0xE007F)


@pytest.mark.parametrize(
    ("typed", "form"),
    [
        ("\N{THUMBS UP SIGN}", "\N{THUMBS UP SIGN}"),
        (HEART, HEART + SELECTOR),
        (HEART + SELECTOR, HEART + SELECTOR),
        ("1\N{COMBINING ENCLOSING KEYCAP}", f"1{SELECTOR}\N{COMBINING ENCLOSING KEYCAP}"),
        (f"{HEART}{ZWJ}\N{FIRE}", f"{HEART}{SELECTOR}{ZWJ}\N{FIRE}"),
        ("\N{THUMBS UP SIGN}\U0001f3fd", "\N{THUMBS UP SIGN}\U0001f3fd"),
        ("\U0001f1eb\U0001f1f7", "\U0001f1eb\U0001f1f7"),
        (FAMILY, FAMILY),
        (WELSH_FLAG, WELSH_FLAG),
        ("\N{THUMBS UP SIGN}" + SELECTOR, "\N{THUMBS UP SIGN}"),
    ],
)
def test_emoji_has_one_form_however_it_was_typed(typed: str, form: str) -> None:
    assert normalise(typed) == normalise(form) == form


@pytest.mark.parametrize(
    "typed",
    [
        "",
        " ",
        "a",
        "1",
        SELECTOR,
        ZWJ,
        "\N{THUMBS UP SIGN}\N{THUMBS UP SIGN}",
        "\N{THUMBS UP SIGN} ",
        "\U0001f1eb",
        "\U0001f1e6\U0001f1e6",
        f"{HEART}{ZWJ}\N{THUMBS UP SIGN}",
        ":heart:",
        "heart:123456789",
        "\ud83d",
        SELECTOR * 10_000,
        HEART + SELECTOR * 10_000,
    ],
)
def test_what_is_no_emoji_is_refused(typed: str) -> None:
    with pytest.raises(UnknownEmoji):
        normalise(typed)
