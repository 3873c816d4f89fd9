"""The rules of names, addresses, passwords and bot tokens."""

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import InvalidArgument
from services.users.domain.bot_token import looks_like_bot_token, make_bot_token, parse_bot_token
from services.users.domain.email import normalise_email
from services.users.domain.errors import MalformedToken
from services.users.domain.identity_key import email_key
from services.users.domain.password import check_password
from services.users.domain.username import deleted_username, derive_username, parse_global_name, parse_username


@pytest.mark.parametrize("name", ["ab", "a.b", "under_score", "0.0", "x" * 32, ".a", "a."])
def test_username_is_taken_when_discord_takes_it(name: str) -> None:
    assert parse_username(name) == name


def test_username_is_lower_cased() -> None:
    assert parse_username(" Ada ") == "ada"


@pytest.mark.parametrize("name", ["a", "", "x" * 33, "a..b", "a b", "a-b", "é" * 3, "a\nb", "everyone", "\uff41da"])
def test_username_is_refused_when_discord_refuses_it(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse_username(name)
    assert [violation.field for violation in refused.value.violations] == ["username"]


@given(st.text(max_size=80), st.integers(10**17, 2**63 - 1))
def test_derived_username_is_valid_whatever_was_preferred(preferred: str, user_id: int) -> None:
    name = derive_username(preferred, user_id)
    assert parse_username(name) == name
    assert name.endswith(str(user_id))


def test_global_name_is_refused_when_too_long_or_unprintable() -> None:
    assert parse_global_name(" Ada L. ") == "Ada L."
    for name in ("x" * 33, "a\u202eb", "a\x00"):
        with pytest.raises(InvalidArgument):
            parse_global_name(name)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (" Ada@Example.ORG ", "ada@example.org"),
        ("a+b@sub.example.co.uk", "a+b@sub.example.co.uk"),
        ("ada@münchen.de", "ada@xn--mnchen-3ya.de"),
        ("\uff41da@example.org", "ada@example.org"),
    ],
)
def test_email_is_normalised(text: str, address: str) -> None:
    assert normalise_email(text) == address
    assert normalise_email(address) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ada",
        "@example.org",
        "ada@",
        "ada@localhost",
        "ada@@example.org",
        "a b@example.org",
        "ada@exa mple.org",
        "ada@-example.org",
        "ada@example..org",
        ".ada@example.org",
        "ada@[127.0.0.1]",
        '"ada"@example.org',
        "ada@example.org\nBcc: eve@example.org",
        "ada\r\n@example.org",
        "a" * 65 + "@example.org",
        "ada@" + "x" * 64 + ".org",
        "ada@" + "x." * 130 + "org",
    ],
)
def test_email_is_refused_when_it_is_no_address(text: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        normalise_email(text)
    assert refused.value.violations[0].field == "email"


@given(st.text())
def test_email_is_normalised_once_for_all_or_refused(text: str) -> None:
    try:
        address = normalise_email(text)
    except InvalidArgument:
        return
    assert normalise_email(address) == address
    assert address.isprintable()


@pytest.mark.parametrize("password", ["short", "x" * 129, "ADA@example.org", "adalovelace"])
def test_password_is_refused_when_too_short_too_long_or_the_account_itself(password: str) -> None:
    with pytest.raises(InvalidArgument):
        check_password(password, email="ada@example.org", username="adalovelace")


def test_password_is_taken_when_long_enough() -> None:
    for password in ("x" * 8, "x" * 128, "        "):
        check_password(password, email="ada@example.org", username="ada")


@given(st.integers(1, 2**63 - 1), st.binary(min_size=6, max_size=6), st.binary(min_size=32, max_size=32))
def test_bot_token_survives_the_way_out_and_back(user_id: int, token_id: bytes, secret: bytes) -> None:
    token = make_bot_token(user_id, token_id=token_id, secret=secret)
    assert parse_bot_token(token.text) == token
    assert looks_like_bot_token(token.text)
    # What hikari does with it.
    assert int(base64.b64decode(token.text.split(".")[0] + "==")) == user_id


@given(st.text() | st.text(string.ascii_letters + string.digits + "-_.=", max_size=150))
def test_bot_token_refuses_any_other_text(text: str) -> None:
    with pytest.raises(MalformedToken):
        parse_bot_token(text)


@pytest.mark.parametrize("user", ["-1", "0", "007", "1e3", "٣", str(2**63), "a"])
def test_bot_token_refuses_an_id_that_is_no_snowflake(user: str) -> None:
    encoded = base64.urlsafe_b64encode(user.encode()).rstrip(b"=").decode()
    with pytest.raises(MalformedToken):
        parse_bot_token(f"{encoded}.{'a' * 8}.{'b' * 43}")


def test_bot_token_is_not_a_jwt() -> None:
    assert not looks_like_bot_token("eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCJ9.eyJzdWIiOiIxIn0." + "x" * 86)


# Identity keys.


@pytest.mark.parametrize("same", ["ada@example.org", "Ada@example.org", "ada+tag@example.org", "ada+a+b@example.org"])
def test_email_key_is_that_of_the_mailbox(same: str) -> None:
    assert email_key(b"secret", same) == email_key(b"secret", "ada@example.org")


@pytest.mark.parametrize("other", ["bob@example.org", "ada@example.com", "+tag@example.org", "ada.l@example.org"])
def test_email_key_differs_for_another_mailbox(other: str) -> None:
    assert email_key(b"secret", other) != email_key(b"secret", "ada@example.org")


def test_email_key_is_this_installations_own() -> None:
    assert email_key(b"one", "ada@example.org") != email_key(b"another", "ada@example.org")


# The deleted.


@given(st.integers(1, 2**63 - 1), st.integers(1, 2**63 - 1))
def test_deleted_username_is_nobody_elses_and_fits(one: int, other: int) -> None:
    assert (deleted_username(one) == deleted_username(other)) == (one == other)
    assert len(deleted_username(one)) <= 32
    with pytest.raises(InvalidArgument):
        parse_username(deleted_username(one))
