"""The parts of the embedded provider that decide without a database."""

from pathlib import Path

import pytest
from argon2 import PasswordHasher
from hypothesis import given
from hypothesis import strategies as st

from services.common.errors import ResourceExhausted
from services.users.config import Settings
from services.users.identity.embedded import keys
from services.users.identity.embedded.clients import registered_clients
from services.users.identity.embedded.passwords import MAX_WAITING, Passwords
from services.users.identity.embedded.requests import MAX_FIELDS, MAX_VALUE, MalformedForm, parse_form
from services.users.identity.embedded.throttle import MAX_KEYS, Throttle
from tests.support.clock import ManualClock


def test_signing_key_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "identity.pem"
    first = keys.load_or_create(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.load_or_create(path).kid == first.kid
    assert "d" not in first.public_set()["keys"][0]


def test_signing_key_is_refused_when_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "identity.pem"
    keys.load_or_create(path)
    path.chmod(0o640)
    with pytest.raises(PermissionError):
        keys.load_or_create(path)


def test_throttle_counts_per_key_and_forgets_after_the_window() -> None:
    clock = ManualClock()
    throttle = Throttle(limit=2, window_s=60, clock=clock)
    throttle.record("ada")
    assert throttle.retry_after("ada") == 0
    clock.advance(30)
    throttle.record("ada")
    assert throttle.retry_after("ada") == 31
    assert throttle.retry_after("eve") == 0
    clock.advance(30)
    assert throttle.retry_after("ada") == 0
    throttle.record("ada")
    assert throttle.retry_after("ada") == 0


def test_throttle_remembers_no_more_keys_than_it_says() -> None:
    throttle = Throttle(limit=1, window_s=60, clock=ManualClock())
    for number in range(MAX_KEYS + 1):
        throttle.record(str(number))
    assert throttle.retry_after("0") == 0
    assert throttle.retry_after("1") > 0


async def test_password_is_right_or_wrong_and_never_right_when_there_is_no_account() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    encoded = await passwords.hash("secret")
    assert "secret" not in encoded
    assert await passwords.verify("secret", encoded)
    assert not await passwords.verify("Secret", encoded)
    # The decoy has a password too: knowing it must open nothing.
    for guess in ("decoy", "", "secret"):
        assert not await passwords.verify(guess, None)
    passwords.close()


async def test_password_is_refused_when_too_many_wait() -> None:
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    passwords._waiting = MAX_WAITING
    with pytest.raises(ResourceExhausted):
        await passwords.hash("secret")
    passwords.close()


@given(st.binary(max_size=300))
def test_form_is_parsed_within_bounds_or_refused(raw: bytes) -> None:
    try:
        parameters = parse_form(raw)
    except MalformedForm:
        return
    assert len(parameters) <= MAX_FIELDS
    assert all(0 < len(value) <= MAX_VALUE for value in parameters.values())
    assert parameters.get("redirect_uri", "").isascii()


@pytest.mark.parametrize(
    "raw",
    [
        b"a=1&a=2",
        b"&".join(b"%d=1" % number for number in range(MAX_FIELDS + 1)),
        b"a=" + b"x" * (MAX_VALUE + 1),
        b"x" * 20_000,
        b"redirect_uri=%22",
        b"client_id=%C3%A9",
        b"scope=a%0D%0Ab",
        b"password=%00",
        b"password=%FF",
        "state=é".encode(),
    ],
)
def test_form_is_refused_when_it_is_not_what_a_client_sends(raw: bytes) -> None:
    with pytest.raises(MalformedForm):
        parse_form(raw)


def test_form_takes_any_password() -> None:
    assert parse_form(b"password=p%C3%A4ss%22%5C+w")["password"] == 'päss"\\ w'


@given(st.text(max_size=60).map(lambda tail: f"http://127.0.0.1:{tail}"))
def test_cli_redirects_to_nothing_but_a_port_of_this_machine(uri: str) -> None:
    cli = registered_clients(web_redirect_uris=frozenset(), service_secrets={})["beep-cli"]
    if cli.check_redirect_uri(uri):
        port = uri.removeprefix("http://127.0.0.1:").removesuffix("/callback")
        assert port.isascii()
        assert port.isdecimal()
        assert 0 < int(port) <= 65535


def test_settings_are_refused_when_they_mean_nothing(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text('{"importer": 5}')
    for environment in (
        {"BEEP_ACCESS_TOKEN_SECONDS": "0"},
        {"BEEP_REFRESH_TOKEN_SECONDS": "soon"},
        {"BEEP_SERVICE_CLIENTS_FILE": str(file)},
    ):
        with pytest.raises(ValueError, match="is"):
            Settings.from_environment(environment, public_url="https://chat.example")
    for public_url in ("chat.example", "https://chat.example/", "https://example/chat"):
        with pytest.raises(ValueError, match="public URL"):
            Settings.from_environment({}, public_url=public_url)


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "clients.json"
    file.write_text('{"importer": "secret"}')
    settings = Settings.from_environment(
        {"BEEP_ACCESS_TOKEN_SECONDS": "60", "BEEP_SERVICE_CLIENTS_FILE": str(file)}, public_url="https://chat.example"
    )
    assert settings.issuer == "https://chat.example/identity"
    assert settings.access_lifetime_s == 60
    assert settings.web_redirect_uris == {"https://chat.example/callback"}
    assert settings.service_secrets == {"importer": "secret"}
    assert "secret" not in repr(settings)
