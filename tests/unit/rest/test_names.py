"""What users call files, made harmless."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common import limits
from services.rest.files.names import UNNAMED, is_spoiler, sanitise

# Biased towards what is dangerous.
NAMES = st.lists(
    st.one_of(
        st.text(),
        st.sampled_from(["..", "/", "\\", ".", "\0", "\n", "‮", "C:\\", "%2e%2e%2f", "ä", "é", "\ud800", " ", "😀"]),
        st.text(min_size=100, max_size=400),
    )
).map("".join)


@given(NAMES)
def test_name_is_always_harmless(name: str) -> None:
    harmless = sanitise(name)
    assert harmless
    assert not set(harmless) & set('/\\<>:"|?*')
    assert harmless.strip(".") == harmless
    assert all(unicodedata.category(each)[0] != "C" for each in harmless)
    assert not any(each.isspace() for each in harmless)
    assert len(harmless.encode()) <= limits.FILENAME_BYTES


@given(NAMES)
def test_sanitising_again_changes_nothing(name: str) -> None:
    assert sanitise(sanitise(name)) == sanitise(name)


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Nd"]), min_size=1, max_size=50))
def test_letters_of_every_language_stay(name: str) -> None:
    assert sanitise(name) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("cat.png", "cat.png"),
        ("my cat.png", "my_cat.png"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\cat.png", "cat.png"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/", UNNAMED),
        ("..", UNNAMED),
        ("", UNNAMED),
        (".bashrc", "bashrc"),
        ("a\0b\r\nc.png", "ab_c.png"),
        ("‮gnp.exe", "gnp.exe"),
        ("grüße 😀.txt", "grüße_😀.txt"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("ä" * 300 + ".png", "ä" * 125 + ".png"),
        ("a." + "b" * 300, ("a." + "b" * 300)[:255]),
    ],
)
def test_name_becomes(given: str, name: str) -> None:
    assert sanitise(given) == name


def test_spoiler_is_told_by_the_name() -> None:
    assert is_spoiler("SPOILER_end.png")
    assert not is_spoiler("end_SPOILER_.png")
